//! Why reports cannot be had, for people: a cause is told once with its next step, however many reports it holds back.

use std::collections::HashMap;

use sdk::{Error, ErrorKind};

use super::{counted, doctor};
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

/// Which causes the log has told, and how many reports each held back at most.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<String, u64>);

/// What the log has not told yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A cause, with its step.
    Stands(String),
    /// That one is over.
    Over(String),
}

impl News {
    pub fn log(&self) {
        match self {
            Self::Stands(text) => tracing::warn!("{text}"),
            Self::Over(text) => tracing::info!("{text}"),
        }
    }
}

impl Told {
    pub fn knows(&self, reason: &str) -> bool {
        self.0.contains_key(reason)
    }

    /// What is news, given the causes that stand now: those that are new, and the end of those that are over.
    pub fn news(&mut self, who: &str, standing: &[Cause]) -> Vec<News> {
        let mut news = Vec::new();
        self.0.retain(|reason, most| {
            let stands = standing.iter().any(|cause| cause.reason == *reason);
            if !stands {
                let number = counted(*most, "report", "reports");
                news.push(News::Over(format!(
                    "{who}over, no report is held back by it any more (it was {number}): \"{reason}\""
                )));
            }
            stands
        });
        for cause in standing {
            let most = self.0.get(&cause.reason).copied();
            if most.is_none() {
                news.push(News::Stands(format!("{who}{}", line(cause))));
            }
            self.0.insert(cause.reason.clone(), cause.reports.max(most.unwrap_or_default()));
        }
        news
    }
}

/// How many cannot be had, and why.
pub(super) fn line(cause: &Cause) -> String {
    format!("{} cannot be had: {}", counted(cause.reports, "report", "reports"), cause.reason)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

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
    fn the_log_tells_a_cause_once_however_many_reports_it_holds_back_and_its_end() {
        let mut told = Told::default();
        let news = told.news("", &[cause("no rights", 1), cause("status 404", 2)]);
        let stands = |text: &str| News::Stands(text.to_owned());
        let both =
            [stands("1 report cannot be had: no rights"), stands("2 reports cannot be had: status 404")];
        assert_eq!(news, both);
        assert!(told.knows("no rights") && !told.knows("no route"));
        for reports in [300, 3] {
            assert_eq!(told.news("", &[cause("no rights", reports), cause("status 404", 2)]), []);
        }
        let news = told.news("account 17: ", &[cause("status 404", 2)]);
        let over =
            "account 17: over, no report is held back by it any more (it was 300 reports): \"no rights\"";
        assert_eq!(news, [News::Over(over.to_owned())]);
        assert_eq!(told.news("", &[cause("no rights", 1), cause("status 404", 2)]).len(), 1, "it is back");
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
