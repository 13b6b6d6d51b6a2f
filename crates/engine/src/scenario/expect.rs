//! Whether a call came to what its file expects.

use wire::call_events::{CallEvent, Status};
use wire::report::{Report, Summary};

use super::Expectation;
use crate::history;

/// What a finished call came to otherwise than expected, one line for people each; empty when all is as expected.
///
/// `events` are all its states, report and summary those with everything in them, `revisions` how often its report is
/// revised.
#[must_use]
pub fn unexpected(
    expected: &Expectation,
    events: &[CallEvent],
    (report, summary): (&Report, &Summary),
    revisions: usize,
) -> Vec<String> {
    let mut rows: Vec<u32> = history(report, false).iter().map(|row| row.hangup_cause).collect();
    rows.sort_unstable();
    let mut differences = Vec::new();
    let mut compare = |member: &str, expected: String, came: String| {
        if expected != came {
            differences.push(format!("{member} is {came}, expected was {expected}"));
        }
    };
    compare("outcome", quoted(expected.outcome.as_str()), quoted(summary.caller_outcome.as_str()));
    compare("answered", expected.answered.to_string(), summary.call_answered.is_some().to_string());
    compare("caller", words(&expected.caller), words(&course(events)));
    compare("reached", expected.reached.to_string(), summary.participants.len().to_string());
    let mut expected_rows = expected.rows.clone();
    expected_rows.sort_unstable();
    compare("rows", format!("{expected_rows:?}"), format!("{rows:?}"));
    compare("revisions", expected.revisions.to_string(), revisions.to_string());
    differences
}

/// Statuses of the one who started the call, one after the other.
fn course(events: &[CallEvent]) -> Vec<Status> {
    let participants = events.iter().flat_map(|event| &event.state.participants);
    let callers = participants.filter(|participant| participant.id == participant.originator);
    let mut statuses: Vec<Status> = callers.map(|caller| caller.status.value.clone()).collect();
    statuses.dedup();
    statuses
}

fn quoted(word: &str) -> String {
    format!("{word:?}")
}

/// As the file writes them.
fn words(statuses: &[Status]) -> String {
    serde_json::to_string(statuses).unwrap_or_default().replace(',', ", ")
}
