//! What is read of a report to keep it. The rest is text: a shape that this version does not know is no reason to lose a
//! report.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// What the store knows a report by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    pub conversation_space_id: String,
    pub account_key: String,
    /// As it stands in the report; empty if it does not.
    pub call_created: String,
    pub call_ended: String,
}

impl Head {
    /// Of the text of a report, and whether that is whole: a whole one ends with the state that ends the call
    /// (spec/call-events.md, state). `None` without a `conversationSpaceId`, for that is no report.
    ///
    /// One that lacks its account is of the account that it was asked of. One that lacks its end, by which reports are
    /// kept for a time, ended `now`.
    #[must_use]
    pub fn read(raw: &str, account_key: &str, now: Timestamp) -> Option<(Self, bool)> {
        let report: Value = serde_json::from_str(raw).ok()?;
        let text = |name: &str| report.get(name).and_then(Value::as_str);
        let ended = text("callEnded").filter(|ended| ended.parse::<Timestamp>().is_ok());
        let head = Self {
            conversation_space_id: text("conversationSpaceId")?.to_owned(),
            account_key: text("accountKey").unwrap_or(account_key).to_owned(),
            call_created: text("callCreated").unwrap_or_default().to_owned(),
            call_ended: ended.map_or_else(|| now.to_string(), str::to_owned),
        };
        let last = report.get("callStates").and_then(Value::as_array).and_then(|states| states.last());
        let is_whole = last.and_then(|state| state.get("type")).is_some_and(|kind| kind == "ENDING");
        Some((head, is_whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_needs_no_more_than_its_call() {
        let now: Timestamp = "2026-02-03T18:00:00Z".parse().unwrap();
        let whole = r#"{"conversationSpaceId": "a", "accountKey": "17", "callCreated": "2026-02-03T17:00:00.5Z",
            "callEnded": "2026-02-03T17:02:41.35Z", "callStates": [{"type": "ACTIVE"}, {"type": "ENDING"}]}"#;
        let (head, is_whole) = Head::read(whole, "18", now).unwrap();
        assert_eq!(head, serde_json::from_str(whole).unwrap());
        assert!(is_whole && head.account_key == "17");

        let odd = r#"{"conversationSpaceId": "a", "accountKey": 17, "callEnded": "yesterday", "callStates": "none"}"#;
        let (head, is_whole) = Head::read(odd, "18", now).unwrap();
        assert_eq!((head.account_key.as_str(), head.call_created.as_str()), ("18", ""));
        assert_eq!(head.call_ended, "2026-02-03T18:00:00Z");
        assert!(!is_whole);
        assert_eq!(Head::read(r#"{"status": "maintenance"}"#, "18", now), None);
        assert_eq!(Head::read("[]", "18", now), None);
    }
}
