//! What the calls of a scenario file came to, beside what the file expects; for `callfeed call`.

use std::collections::HashMap;

use anyhow::bail;
use engine::{Part, Scenario};

use crate::simulator::Came;

/// Counts of the calls that have ended.
#[derive(Default)]
pub struct Compared {
    parts: HashMap<Part, Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    ended: usize,
    compared: usize,
    unexpected: usize,
}

/// In the order in which they are told.
const PARTS: [Part; 4] = [Part::Steps, Part::Consultation, Part::WhenBusy, Part::BusyTone];

impl Compared {
    /// Counts a call, and returns what came otherwise than expected.
    pub fn count(&mut self, came: Came) -> Vec<String> {
        let count = self.parts.entry(came.part.unwrap_or(Part::Steps)).or_default();
        count.ended += 1;
        count.compared += usize::from(came.compared);
        count.unexpected += usize::from(!came.unexpected.is_empty());
        came.unexpected
    }

    fn of(&self, part: Part) -> Count {
        self.parts.get(&part).copied().unwrap_or_default()
    }

    fn sum(&self, of: impl Fn(Count) -> usize) -> usize {
        self.parts.values().map(|count| of(*count)).sum()
    }

    /// What is to be said when all calls have ended.
    ///
    /// # Errors
    /// When a call came to something else, or no call played a part of which the file expects something.
    pub fn finish(&self, scenario: &Scenario) -> anyhow::Result<String> {
        let name = scenario.name();
        let expects = |part| match part {
            Part::Steps => !scenario.expected().is_empty(),
            Part::Consultation => scenario.expected().len() > 1,
            Part::WhenBusy => scenario.expected_when_busy().is_some(),
            Part::BusyTone => false,
        };
        if !PARTS.into_iter().any(expects) {
            return Ok(format!("{name}.toml has no [[expect]]: nothing was compared."));
        }
        let (unexpected, compared) = (self.sum(|count| count.unexpected), self.sum(|count| count.compared));
        let left_out: Vec<String> =
            PARTS.into_iter().filter_map(|part| left_out(part, self.of(part))).collect();
        let left_out = left_out.join("");
        if unexpected > 0 {
            let ended = self.sum(|count| count.ended);
            bail!("{unexpected} of {ended} calls came to something else than {name}.toml expects.{left_out}");
        }
        let unseen = PARTS.into_iter().find(|part| expects(*part) && self.of(*part).compared == 0);
        if let Some(part) = unseen {
            bail!("{} {compared} calls came to what {name}.toml expects.{left_out}", never(part));
        }
        let all = if left_out.is_empty() { "All".to_owned() } else { compared.to_string() };
        Ok(format!("{all} calls came to what {name}.toml expects.{left_out}"))
    }
}

/// What is said of calls that the file expects nothing of.
fn left_out(part: Part, count: Count) -> Option<String> {
    let calls = count.ended - count.compared;
    let why = match part {
        Part::Steps => "there is no [[expect]]",
        Part::Consultation => "they are consultations, and there is no second [[expect]]",
        Part::WhenBusy => "they found all lines busy, and there is no [when-busy.expect]",
        Part::BusyTone => "they found all lines busy, and there is no [when-busy]",
    };
    (calls > 0).then(|| format!(" Not compared: {calls}, since {why}."))
}

fn never(part: Part) -> &'static str {
    match part {
        Part::Steps => "[[expect]] was compared with no call, since each found all lines busy.",
        Part::Consultation => "The second [[expect]] was compared with no call, since nobody consulted.",
        Part::WhenBusy | Part::BusyTone => {
            "[when-busy.expect] was compared with no call, since none found all lines busy."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "about = \"Short.\"\ndirection = \"inbound\"\nsteps = [\n  { after = \"1s\", do = \"ring\" },\n\
        { after = \"1s\", do = \"hang-up\", who = \"caller\" },\n]\n";
    const EXPECT: &str = "outcome = \"MISSED\"\nanswered = false\ncaller = [\"RINGING\", \"DISCONNECTING\"]\n\
        reached = 1\nrows = [19]\n";
    const BUSY: &str = "[when-busy]\nsteps = [{ after = \"1s\", do = \"hang-up\", who = \"caller\" }]\n";

    fn finish(text: &str, came: &[(Part, bool)]) -> Result<String, String> {
        let mut compared = Compared::default();
        for (part, is_compared) in came {
            compared.count(Came { part: Some(*part), compared: *is_compared, unexpected: Vec::new() });
        }
        compared
            .finish(&Scenario::parse("mine", text).expect("it is a scenario"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_not_compared_is_said() {
        let expects = format!("{CALL}[[expect]]\n{EXPECT}");
        assert_eq!(
            finish(&expects, &[(Part::Steps, true)]).expect("as expected"),
            "All calls came to what mine.toml expects."
        );
        let told = finish(&expects, &[(Part::Steps, true), (Part::BusyTone, false)]).expect("as expected");
        assert_eq!(
            told,
            "1 calls came to what mine.toml expects. Not compared: 1, since they found all lines busy, and there is no \
             [when-busy]."
        );
        assert!(
            finish(CALL, &[(Part::Steps, false)])
                .expect("nothing is expected")
                .contains("nothing was compared")
        );
    }

    #[test]
    fn what_is_expected_and_never_seen_is_a_failure() {
        let expects = format!("{CALL}[[expect]]\n{EXPECT}{BUSY}[when-busy.expect]\n{EXPECT}");
        let told = finish(&expects, &[(Part::Steps, true)]).expect_err("nobody found all lines busy");
        assert!(told.starts_with("[when-busy.expect] was compared with no call"), "{told}");
        let told = finish(&expects, &[(Part::WhenBusy, true)]).expect_err("all found all lines busy");
        assert!(told.starts_with("[[expect]] was compared with no call"), "{told}");
        assert!(finish(&expects, &[(Part::Steps, true), (Part::WhenBusy, true)]).is_ok());
    }
}
