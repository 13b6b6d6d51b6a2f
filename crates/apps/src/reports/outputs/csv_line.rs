//! A report as a line of a table, for spreadsheets.

use sdk::wire::report::Report;

use crate::reports::people;
use crate::store::changes::Change;

const COLUMNS: [&str; 14] = [
    "conversation_space_id",
    "revision",
    "account_key",
    "direction",
    "call_created",
    "call_ended",
    "outside_number",
    "outside_name",
    "lines",
    "answered_by",
    "talk_s",
    "queue",
    "call_reason",
    "changed",
];

/// Where the call's id stands …
pub(super) const ID_COLUMN: usize = 0;
/// … where its account does …
pub(super) const ACCOUNT_COLUMN: usize = 2;
/// … and where the number of whoever is not of the company does.
pub(super) const NUMBER_COLUMN: usize = 6;

/// The names of the columns.
pub(super) fn head() -> String {
    write(COLUMNS.map(str::to_owned))
}

/// One text of a report. What cannot be read leaves its cells empty.
pub(super) fn line(change: &Change) -> String {
    let stored = &change.report;
    let report = serde_json::from_str::<Report>(&stored.raw).ok();
    let (number, name) = report.as_ref().and_then(people::outside_party).unwrap_or_default();
    let of = |read: fn(&Report) -> String| report.as_ref().map(read).unwrap_or_default();
    write([
        stored.conversation_space_id.clone(),
        change.revision.to_string(),
        stored.account_key.clone(),
        of(|report| people::direction(report).to_uppercase()),
        stored.call_created.clone(),
        stored.call_ended.clone(),
        safe_number(number),
        safe(name),
        safe(of(|report| people::lines(report).join("; "))),
        safe(of(|report| people::answered_by(report).unwrap_or_default())),
        of(|report| {
            people::talk_time(&report.call_states).map(|talk| talk.as_secs().to_string()).unwrap_or_default()
        }),
        safe(of(|report| people::queues(report).join("; "))),
        safe(of(|report| report.call_reason.clone().unwrap_or_default())),
        change.changed.clone(),
    ])
}

/// A caller's name is what the caller chose; a spreadsheet must not take it for a formula.
fn safe(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

/// A number is what the caller's system chose, too; one that begins with + and goes on with digits is no formula that
/// does anything.
fn safe_number(text: String) -> String {
    let is_plain = text
        .strip_prefix('+')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    if is_plain { text } else { safe(text) }
}

fn write(cells: [String; COLUMNS.len()]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(&cells).ok().and_then(|()| writer.into_inner().ok());
    String::from_utf8(written.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::reports::StoredReport;

    pub fn change(file: &str) -> Change {
        let path = format!("{}/../wire/tests/examples/{file}", env!("CARGO_MANIFEST_DIR"));
        let raw = std::fs::read_to_string(path).unwrap();
        let report: Report = serde_json::from_str(&raw).unwrap();
        let report = StoredReport {
            number: 1,
            conversation_space_id: report.conversation_space_id,
            account_key: report.account_key,
            call_created: report.call_created,
            call_ended: report.call_ended,
            stored: jiff::Timestamp::UNIX_EPOCH,
            raw,
        };
        Change { number: 1, revision: 1, changed: String::new(), report }
    }

    #[test]
    fn a_report_is_a_line_and_no_formula() {
        let mut change = change("report-inbound-call.json");
        let told = line(&change);
        assert!(told.contains(",INBOUND,2026-02-03T17:00:00"), "{told}");
        assert!(told.contains(",+13125550147,EXAMPLE CALLER,Front Desk 1001,Front Desk 1001,153,"), "{told}");
        assert_eq!(told.matches(',').count(), head().matches(',').count());
        change.report.raw = change.report.raw.replace("EXAMPLE CALLER", "=1+1");
        assert!(line(&change).contains(",'=1+1,"), "{}", line(&change));
        for number in ["=1+2", "+1+2", "-1", "@SUM(A1)", "+"] {
            let mut change = change.clone();
            change.report.raw = change.report.raw.replace("+13125550147", number);
            assert!(line(&change).contains(&format!(",'{number},")), "{}", line(&change));
        }
    }
}
