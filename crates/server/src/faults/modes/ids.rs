//! Ids that are no UUIDs: every identifier is an opaque string (spec/errors-and-limits.md, Formats), so a mode writes all of
//! them in another form, and takes that form back wherever a request names one.

use serde_json::Value;
use uuid::Uuid;

use crate::faults::Fault;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::shapes::each_string;

/// Before the 32 digits of what was a UUID.
const PREFIX: &str = "z.";
/// Length of a UUID as text, and of its digits alone.
const UUID_CHARS: usize = 36;
const DIGITS: usize = 32;

/// Every answer of the APIs, and every request that names an id.
pub const IN_REQUESTS: OnRequest =
    OnRequest { on: &[""], ask: Some(known_again), alter: Some(opaque_answer), ..OnRequest::NOTHING };

fn uuid(text: &str, chars: usize) -> Option<Uuid> {
    (text.len() == chars).then(|| Uuid::try_parse(text).ok()).flatten()
}

fn put_opaque(value: &mut Value) -> bool {
    each_string(value, &mut |text| {
        let Some(id) = uuid(text, UUID_CHARS) else { return false };
        *text = format!("{PREFIX}{}", id.simple());
        true
    })
}

fn plain(text: &str) -> Option<String> {
    let id = uuid(text.strip_prefix(PREFIX)?, DIGITS)?;
    Some(id.hyphenated().to_string())
}

fn known_again(_: &Fault, asked: &mut Asked<'_>) -> bool {
    let path: Vec<String> =
        asked.path.split('/').map(|part| plain(part).unwrap_or_else(|| part.to_owned())).collect();
    asked.path = path.join("/");
    let mut pairs = asked.pairs();
    let known = |(_, value): &mut (String, String)| plain(value).map(|id| *value = id).is_some();
    if pairs.iter_mut().fold(false, |changed, pair| known(pair) | changed) {
        asked.put_query(&pairs);
    }
    let mut back = |text: &mut String| plain(text).map(|id| *text = id).is_some();
    if let Some(mut body) = asked.json()
        && each_string(&mut body, &mut back)
    {
        asked.put_json(&body);
    }
    // What counts is an answer with such ids.
    false
}

fn opaque_answer(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && put_opaque(&mut answer.json)
}

pub fn opaque_frame(_: &Fault, frame: &mut Value) -> bool {
    put_opaque(frame)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_has_another_form_and_is_known_again() {
        let id = "371455e7-6d7e-31c5-bf88-ba8e8f242a14";
        let mut value = json!({"id": id, "list": [id], "key": "4827193056281740395", "channelId": format!("Webhook.{id}")});
        assert!(put_opaque(&mut value));
        assert_eq!(value["id"], "z.371455e76d7e31c5bf88ba8e8f242a14");
        assert_eq!(value["list"][0], value["id"]);
        assert_eq!(
            (&value["key"], &value["channelId"]),
            (&json!("4827193056281740395"), &json!(format!("Webhook.{id}")))
        );
        assert_eq!(plain("z.371455e76d7e31c5bf88ba8e8f242a14").as_deref(), Some(id));
        assert_eq!(plain(id), None);
    }
}
