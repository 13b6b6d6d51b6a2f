//! Tells once of each member that no one has described yet: how the service grows is worth knowing, and nothing else
//! notices, since new members are kept and ignored (spec/errors-and-limits.md, Compatibility rule).

use std::collections::HashSet;

use serde_json::Value;

use crate::limits;

/// Member names in the contents of call events and report summaries (spec/call-events.md, call-events-report.md).
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
    "callee",
    "caller",
    "callerOutcome",
    "configuredWrapUpDuration",
    "connector",
    "contact",
    "conversationSpaceId",
    "currentNode",
    "destination",
    "device",
    "deviceId",
    "dialPlanId",
    "dialString",
    "direction",
    "duration",
    "executionId",
    "extensionNumber",
    "flags",
    "folder",
    "hangupOriginatorId",
    "id",
    "initiator",
    "initiatorId",
    "interactiveVoiceResponseSystems",
    "legId",
    "lineId",
    "liveTranscriptId",
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
    "previousNode",
    "queueId",
    "queueName",
    "queueType",
    "recordingId",
    "recordings",
    "result",
    "sentiment",
    "sequenceNumber",
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
    "voicemailStatus",
];

#[derive(Debug, Default)]
pub(crate) struct Novelty {
    told: HashSet<String>,
}

impl Novelty {
    /// Paths of members that are new and were not told before. No values: those can be about people.
    pub fn look(&mut self, source: &str, content: &Value) -> Vec<String> {
        let mut found = Vec::new();
        walk(content, source, &mut found);
        found.retain(|path| self.told.len() < limits::NEW_MEMBERS_MAX && self.told.insert(path.clone()));
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
    fn the_list_can_be_searched() {
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn every_described_message_is_known() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/examples");
        let (mut novelty, mut count) = (Novelty::default(), 0);
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
    }

    #[test]
    fn a_new_member_is_told_once_and_without_its_value() {
        let mut novelty = Novelty::default();
        let content = json!({"state": {"participants": [{"mood": "Ada is glad"}, {"mood": {"id": 1}}]}});
        assert_eq!(novelty.look("call-events", &content), ["call-events.state.participants.mood"]);
        assert_eq!(novelty.look("call-events", &content), Vec::<String>::new());
    }
}
