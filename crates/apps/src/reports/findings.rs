//! What the doctor finds. A cause is told once, with the step that mends it; what cannot be looked at until then, or is refused
//! for it, is told as that.

use serde::Serialize;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    pub ok: bool,
    /// What is there, or what is wrong.
    pub found: String,
    /// What mends it; empty when nothing is wrong, and where another finding tells the cause.
    pub step: String,
    /// The check that tells why this one fails or could not be made; empty for one that stands for itself.
    pub cause: String,
}

impl Finding {
    pub(super) fn good(check: &str, found: impl Into<String>) -> Self {
        let (check, found) = (check.to_owned(), found.into());
        Self { check, ok: true, found, step: String::new(), cause: String::new() }
    }

    pub(super) fn bad(check: &str, found: impl Into<String>, step: impl Into<String>) -> Self {
        let (check, found) = (check.to_owned(), found.into());
        Self { check, ok: false, found, step: step.into(), cause: String::new() }
    }

    /// One that fails for the cause of another.
    pub(super) fn follows(check: &str, cause: &str, found: String) -> Self {
        Self { cause: cause.to_owned(), ..Self::bad(check, found, "") }
    }

    /// Whether it is a thing to be mended: what only follows from one is none.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !self.ok && self.cause.is_empty()
    }

    /// For people: what, how, and what to do.
    #[must_use]
    pub fn line(&self) -> String {
        let mark = match (self.ok, self.is_bad()) {
            (true, _) => "ok ",
            (false, true) => "BAD",
            (false, false) => "-- ",
        };
        let step = if self.step.is_empty() { String::new() } else { format!("\n    -> {}", self.step) };
        format!("{mark} {}: {}{step}", self.check, self.found)
    }
}

/// Tells findings when they are made, each cause once.
pub(super) struct Findings<F> {
    tell: F,
    /// What was told of as wrong.
    wrong: Vec<Finding>,
}

impl<F: FnMut(Finding)> Findings<F> {
    pub fn new(tell: F) -> Self {
        Self { tell, wrong: Vec::new() }
    }

    /// Tells a finding; one that the step of an earlier one mends too, or is a part of what mends it, as that.
    pub fn tell(&mut self, mut finding: Finding) {
        let mends = |told: &&Finding| told.is_bad() && finding.step.contains(&told.step);
        if let Some(cause) = self.wrong.iter().find(mends).filter(|_| finding.is_bad()) {
            let found = format!("the same cause as {}: {}", cause.check, finding.found);
            finding = Finding::follows(&finding.check, &cause.check, found);
        }
        if !finding.ok {
            self.wrong.push(finding.clone());
        }
        (self.tell)(finding);
    }

    pub fn is_wrong(&self, check: &str) -> bool {
        self.wrong.iter().any(|finding| finding.check == check)
    }

    /// Tells of checks that cannot be made, because another one has failed.
    pub fn not_checked(&mut self, checks: &[&str], because: &str) {
        let of = |check: &str| self.wrong.iter().find(|finding| finding.check == check);
        let Some(because) = of(because) else { return };
        let cause = of(&because.cause).unwrap_or(because);
        let (cause, found) =
            (cause.check.clone(), format!("not checked: {} is to be mended first", cause.check));
        for check in checks {
            self.tell(Finding::follows(check, &cause, found.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_with_its_step() {
        let mut told = Vec::new();
        let mut findings = Findings::new(|finding: Finding| told.push(finding.line()));
        findings.tell(Finding::good("clock", "right"));
        findings.tell(Finding::bad("account", "no super admin", "sign in"));
        findings.tell(Finding::bad("read reports", "status 403", "sign in, or mend the key"));
        findings.tell(Finding::bad("read calls", "no scope", "tick the scope"));
        findings.not_checked(&["socket"], "read reports");
        findings.not_checked(&["nothing"], "clock");
        assert!(findings.is_wrong("read reports") && !findings.is_wrong("clock"));
        assert_eq!(
            told,
            [
                "ok  clock: right",
                "BAD account: no super admin\n    -> sign in",
                "--  read reports: the same cause as account: status 403",
                "BAD read calls: no scope\n    -> tick the scope",
                "--  socket: not checked: account is to be mended first",
            ]
        );
    }
}
