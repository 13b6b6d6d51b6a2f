//! Why reports cannot be had, for people: a cause is told once with its next step, however many reports it holds back.

use std::collections::HashMap;

use jiff::Timestamp;
use sdk::{Error, ErrorKind};

use super::{counted, doctor};
use crate::limits;
use crate::store::causes::Cause;

/// What stands in a cause for the call that it is of.
const ITS_CALL: &str = "…";

/// The step of what is wrong with one report alone.
const BY_ITSELF: &str = "it is asked for again without anybody's doing";

/// Whether waiting mends it no more than asking again: somebody has to do something. Such a report is asked for all the same,
/// since nobody tells us when that is done.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Rejected)
}

/// Whether what mends a cause mends it for all its reports at once.
pub(super) fn is_common(reason: &str) -> bool {
    !reason.ends_with(BY_ITSELF)
}

/// What the gap of a report says of an error: the same words for each report that meets it. What belongs to one request or
/// call alone is left out; the gap has the call.
pub(super) fn reason(error: &Error, account_key: &str, conversation_space_id: &str) -> String {
    let is_call = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()) == conversation_space_id;
    let words = error.message.split(' ').map(|word| match is_call(word) {
        true => word.replace(conversation_space_id, ITS_CALL),
        false => word.to_owned(),
    });
    let message = words.collect::<Vec<_>>().join(" ");
    let error = Error { message, reference: None, ..error.clone() };
    let step = match error.kind {
        ErrorKind::NotFound | ErrorKind::BadAnswer => BY_ITSELF.to_owned(),
        ErrorKind::Local => return error.to_string(),
        _ => doctor::step(&error, "cr.v1.read", account_key),
    };
    format!("{error}; {step}")
}

/// What the gap and the log say of a look at the list of finished calls that is refused.
pub(super) fn refused_look(error: &Error, account_key: &str) -> String {
    let error = Error { reference: None, ..error.clone() };
    format!("{error}; {}", doctor::step(&error, "cr.v1.read", account_key))
}

/// A cause in two: what was said, and the step that mends it.
pub(super) fn parts(reason: &str) -> (&str, &str) {
    // An answer that refuses ends with its status in brackets.
    match reason.rfind("); ") {
        Some(at) => (&reason[..=at], &reason[at + 3..]),
        None => (reason, reason),
    }
}

/// Which causes the log has told.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    since: Timestamp,
    /// How many reports it held back when the log said so.
    said: u64,
}

impl Told {
    pub fn knows(&self, reason: &str) -> bool {
        self.0.contains_key(reason)
    }

    /// Forgets the causes that do not stand any more, and returns them with the time since when they were known. Their reports
    /// are had, or given up, or held back by another cause now: the store knows.
    pub fn over(&mut self, standing: &[Cause]) -> Vec<(String, Timestamp)> {
        let stands = |reason: &str| standing.iter().any(|cause| cause.reason == reason);
        let over = self.0.extract_if(|reason, _| !stands(reason));
        over.map(|(reason, known)| (reason, known.since)).collect()
    }

    /// The causes that the log is to tell now: those that are new, and those that have grown much.
    pub fn news<'a>(&mut self, standing: &'a [Cause], now: Timestamp) -> Vec<&'a Cause> {
        let mut news = Vec::new();
        for cause in standing {
            let known = self.0.get(&cause.reason).copied();
            let grown = |known: Known| cause.reports >= known.said.saturating_mul(limits::CAUSE_GROWN);
            if known.is_none_or(grown) {
                let since = known.map_or(now, |known| known.since);
                self.0.insert(cause.reason.clone(), Known { since, said: cause.reports });
                news.push(cause);
            }
        }
        news
    }
}

/// That reports which a cause held back are had.
pub(super) fn over(reports: u64, reason: &str) -> String {
    let number = counted(reports, "report that it held back is", "reports that it held back are");
    format!("over, {number} had: \"{reason}\"")
}

/// How many cannot be had, and why.
pub(super) fn line(cause: &Cause) -> String {
    format!("{} cannot be had: {}", counted(cause.reports, "report", "reports"), cause.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(reason: &str, reports: u64) -> Cause {
        Cause {
            number: 1,
            account_key: "17".to_owned(),
            reason: reason.to_owned(),
            subject: "a".to_owned(),
            from: Timestamp::UNIX_EPOCH,
            closed: None,
            lost: false,
            reports,
        }
    }

    #[test]
    fn the_log_tells_a_cause_once_again_when_it_has_grown_much_and_forgets_it_at_its_end() {
        let (mut told, now) = (Told::default(), Timestamp::UNIX_EPOCH);
        let standing = [cause("no rights", 3), cause("status 404", 2)];
        let news: Vec<String> = told.news(&standing, now).into_iter().map(line).collect();
        assert_eq!(news, ["3 reports cannot be had: no rights", "2 reports cannot be had: status 404"]);
        assert!(told.knows("no rights") && !told.knows("no route"));
        let with = |reports| [cause("no rights", reports), cause("status 404", 2)];
        for (reports, is_news) in
            [(3, false), (29, false), (30, true), (30, false), (299, false), (300, true)]
        {
            let standing = with(reports);
            assert_eq!(!told.news(&standing, now + limits::CAUSE_WAIT).is_empty(), is_news, "{reports}");
            assert!(told.over(&standing).is_empty());
        }
        assert_eq!(told.over(&[cause("status 404", 2)]), [("no rights".to_owned(), now)]);
        assert_eq!(told.news(&with(1), now).len(), 1, "it is back");
        assert_eq!(over(2, "no rights"), "over, 2 reports that it held back are had: \"no rights\"");
    }

    #[test]
    fn a_cause_has_its_step_behind_what_was_said() {
        let mut error = Error::new(ErrorKind::Forbidden, "no rights; check the scopes");
        error.status = Some(403);
        let (said, step) = (error.to_string(), doctor::step(&error, "cr.v1.read", "17"));
        assert_eq!(parts(&reason(&error, "17", "a")), (said.as_str(), step.as_str()));
        assert_eq!(parts(&refused_look(&error, "17")), (said.as_str(), step.as_str()));
    }

    #[test]
    fn each_report_that_meets_an_error_says_the_same_with_the_next_step() {
        let with = |id: &str| {
            let mut error =
                Error::new(ErrorKind::Forbidden, format!("reading a report failed: no rights to \"{id}\"."));
            error.reference = Some(format!("reference-{id}"));
            reason(&error, "17", id)
        };
        assert_eq!(with("f0"), with("b0a1c2"));
        assert!(with("f0").starts_with("reading a report failed: no rights to \"…\".;"), "{}", with("f0"));
        assert!(with("f0").contains("super admin of account 17"), "{}", with("f0"));
        let mut scope = Error::new(ErrorKind::Forbidden, "no");
        scope.code = Some("AUTHZ_INSUFFICIENT_SCOPE".to_owned());
        assert!(reason(&scope, "17", "a").contains("scope cr.v1.read"));
        let gone = reason(&Error::new(ErrorKind::NotFound, "no"), "17", "a");
        assert!(gone.contains("asked for again") && !is_common(&gone) && is_common(&with("f0")), "{gone}");
    }
}
