//! Tells once of each member that no one has described yet: how the service grows is worth knowing, and nothing else
//! notices, since new members are kept and ignored (spec/errors-and-limits.md, Compatibility rule).

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::limits;

/// Member names in the contents of call events, report summaries and reports (spec/call-events.md, call-events-report.md).
const KNOWN: &[&str] = &[
    "accountKey",
    "actions",
    "aiAnalysis",
    "associatedConversations",
    "callAnswered",
    "callCreated",
    "callEnded",
    "callInitiator",
    "callProvider",
    "callReason",
    "callStates",
    "callbackOffered",
    "calledNumber",
    "callee",
    "caller",
    "callerName",
    "callerNumber",
    "callerOutcome",
    "callerWaitDuration",
    "configuredWrapUpDuration",
    "connector",
    "contact",
    "conversationSpaceId",
    "createdTime",
    "currentNode",
    "destination",
    "device",
    "deviceId",
    "dialPlanId",
    "dialString",
    "direction",
    "duration",
    "durationMs",
    "executionId",
    "extensionId",
    "extensionNumber",
    "flags",
    "folder",
    "hangupOriginatorId",
    "id",
    "initiator",
    "initiatorId",
    "intents",
    "interactiveVoiceResponseSystemId",
    "interactiveVoiceResponseSystems",
    "leftQueueReason",
    "legId",
    "lineId",
    "liveTranscriptId",
    "liveTranscripts",
    "mailboxType",
    "matchedSkills",
    "metadata",
    "model",
    "name",
    "notAddedReason",
    "number",
    "originator",
    "parkingSpot",
    "participantId",
    "participants",
    "phoneNumberId",
    "postCallTranscriptEnabled",
    "previousNode",
    "queueId",
    "queueName",
    "queueType",
    "recordingId",
    "recordings",
    "result",
    "sentiment",
    "sequenceNumber",
    "skills",
    "startTimestamp",
    "state",
    "status",
    "summary",
    "timestamp",
    "topics",
    "transcriptEnabled",
    "transcripts",
    "transferrer",
    "type",
    "user",
    "userId",
    "userKey",
    "value",
    "virtualParticipantId",
    "voicemailBoxId",
    "voicemailId",
    "voicemailStatus",
    "voicemailboxId",
    "wrapUpDuration",
];

/// What was told, of notifications and answers alike: a report that was told of in a notification is fetched next.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    // A std mutex: held for a look into the set, never across an await.
    told: Mutex<HashSet<String>>,
}

impl Novelty {
    /// Says which members of a notification or an answer are new, each once.
    pub fn tell(&self, source: &str, content: &Value) {
        for path in self.look(source, content) {
            tracing::info!("the service has a member that is not known yet: {path}");
        }
    }

    /// The same for the text of an answer; one that is no JSON is somebody else's to refuse.
    pub fn tell_text(&self, source: &str, text: &str) {
        if let Ok(content) = serde_json::from_str(text) {
            self.tell(source, &content);
        }
    }

    /// Paths of members that are new and were not told before. No values: those can be about people.
    fn look(&self, source: &str, content: &Value) -> Vec<String> {
        let mut found = Vec::new();
        walk(content, source, &mut found);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        found.retain(|path| told.len() < limits::NEW_MEMBERS_MAX && told.insert(path.clone()));
        found
    }
}

fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = format!("{path}.{name}");
                if KNOWN.binary_search(&name.as_str()).is_ok() {
                    walk(value, &path, found);
                } else {
                    found.push(path);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn new_members_max_members_are_told_and_no_more() {
        let novelty = Novelty::default();
        let many = |from: usize, to: usize| {
            let members = (from..to).map(|number| (format!("new{number}"), Value::Null));
            Value::Object(members.collect())
        };
        let most = limits::NEW_MEMBERS_MAX;
        assert_eq!(novelty.look("reports", &many(0, most - 1)).len(), most - 1);
        assert_eq!(novelty.look("reports", &many(0, most + 9)).len(), 1);
        assert_eq!(novelty.look("reports", &many(most, most + 9)), Vec::<String>::new());
    }

    #[test]
    fn the_list_can_be_searched() {
        assert!(KNOWN.is_sorted());
    }

    /// Files of reports, and whether they are in a list.
    const REPORTS: [(&str, bool); 4] = [
        ("report-inbound-call.json", false),
        ("report-queue-call.json", false),
        ("report-voicemail-call.json", false),
        ("report-summaries-response.json", true),
    ];

    #[test]
    fn every_described_message_is_known() {
        let folder = &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/examples");
        let (novelty, mut count) = (Novelty::default(), 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.file_name().unwrap().to_string_lossy().starts_with("ws-") {
                continue;
            }
            let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let frames = file.as_array().cloned().unwrap_or_else(|| vec![file]);
            for frame in frames {
                let source = frame["data"]["source"].as_str().unwrap();
                if [wire::call_events::SOURCE, wire::report::SOURCE].contains(&source) {
                    count += 1;
                    let new = novelty.look(source, &frame["data"]["content"]);
                    assert_eq!(new, Vec::<String>::new(), "{path:?}");
                }
            }
        }
        assert!(count > 5);
        for (name, items) in REPORTS {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            let file: Value = serde_json::from_str(&text).unwrap();
            let items = if items { &file["items"] } else { &file };
            assert_eq!(novelty.look("reports", items), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn a_new_member_is_told_once_and_without_its_value() {
        let novelty = Novelty::default();
        let content = json!({"state": {"participants": [{"mood": "Ada is glad"}, {"mood": {"id": 1}}]}});
        assert_eq!(novelty.look("call-events", &content), ["call-events.state.participants.mood"]);
        assert_eq!(novelty.look("call-events", &content), Vec::<String>::new());
    }
}
