//! What a debug log may show of a request and its answer. Tokens, secrets, codes and channel ids (whoever
//! has one can read the socket) are replaced here and nowhere else.

use serde_json::Value;
use url::Url;

use crate::limits::LOG_BODY_BYTES_MAX;

const MASK: &str = "****";

/// Names of members and parameters whose value is never shown, in lower case.
const SECRETS: [&str; 17] = [
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "pat",
    "code",
    "code_verifier",
    "state",
    "client_secret",
    "password",
    "authorization",
    "sharedsecret",
    "channelid",
    "channelurl",
    "resourceurl",
    "callbackurl",
    "service",
];

/// `url` with secret parameters and channel ids replaced.
#[must_use]
pub fn url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_path(&path(url.path()));
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().map(mask_pair).collect();
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    shown.into()
}

/// `body` cut to a length that a log bears, with secrets replaced; what is neither JSON nor a form is not shown.
#[must_use]
pub fn body(content_type: &str, body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        mask_value(&mut value);
        return cut(value.to_string());
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let pairs = url::form_urlencoded::parse(body).map(mask_pair);
        return cut(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    }
    format!("({} bytes of {content_type})", body.len())
}

fn mask_pair((name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)) -> (String, String) {
    let value = if is_secret(&name) { MASK.to_owned() } else { value.into_owned() };
    (name.into_owned(), value)
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name.to_ascii_lowercase().as_str())
}

/// `/…/channels/{nickname}/{channelId}/…` and `/…/channels/{channelId}/channelId/ws`.
fn path(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let channels = segments.iter().position(|segment| *segment == "channels").unwrap_or(segments.len());
    let shown = segments.iter().enumerate().map(|(index, segment)| {
        let is_id = index == channels + 2 || (index == channels + 1 && segment.len() > 32);
        let is_word = ["channelId", "ws", "channel-lifetime", ""].contains(segment);
        if is_id && !is_word { MASK } else { segment }
    });
    shown.collect::<Vec<_>>().join("/")
}

fn mask_value(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if is_secret(name) && (member.is_string() || member.is_number()) {
                    *member = MASK.into();
                } else {
                    mask_value(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        _ => {}
    }
}

fn cut(mut text: String) -> String {
    if text.len() > LOG_BODY_BYTES_MAX {
        let end = (0..=LOG_BODY_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        url(&Url::parse(text).unwrap())
    }

    #[test]
    fn urls_show_no_code_and_no_channel_id() {
        let id = "0abcdefghijklmnopqrstuvwxyz0123456789abcdefgh";
        assert_eq!(
            shown("http://127.0.0.1:12021/app/redirect?code=c0de&state=57a7e&x=1"),
            "http://127.0.0.1:12021/app/redirect?code=****&state=****&x=1"
        );
        assert_eq!(
            shown(&format!("https://api.goto.com/notification-channel/v1/channels/demo/{id}")),
            "https://api.goto.com/notification-channel/v1/channels/demo/****"
        );
        assert_eq!(
            shown(&format!("wss://webrtc.jive.com/notification-channel/v1/channels/{id}/channelId/ws")),
            "wss://webrtc.jive.com/notification-channel/v1/channels/****/channelId/ws"
        );
        assert_eq!(
            shown(&format!("https://api.goto.com/call-events/v1/subscriptions?channelId={id}&accountKey=17")),
            "https://api.goto.com/call-events/v1/subscriptions?channelId=****&accountKey=17"
        );
    }

    #[test]
    fn bodies_show_no_token() {
        let form = b"grant_type=refresh_token&refresh_token=s3cret&redirect_uri=http%3A%2F%2Fx";
        let text = body("application/x-www-form-urlencoded", form);
        assert_eq!(text, "grant_type=refresh_token&refresh_token=****&redirect_uri=http%3A%2F%2Fx");

        let json = br#"{"access_token":"s3cret","expires_in":3600,"items":[{"channelId":"s3cret"}]}"#;
        let text = body("application/json", json);
        assert_eq!(text, r#"{"access_token":"****","expires_in":3600,"items":[{"channelId":"****"}]}"#);
    }

    #[test]
    fn other_bodies_are_counted_and_long_ones_cut() {
        assert_eq!(body("text/html", b"<p>s3cret</p>"), "(13 bytes of text/html)");
        let long = format!(r#"{{"a":"{}"}}"#, "ä".repeat(LOG_BODY_BYTES_MAX));
        assert!(body("application/json", long.as_bytes()).len() <= LOG_BODY_BYTES_MAX + '…'.len_utf8());
    }
}
