//! The opening handshake of a WebSocket (RFC 6455 §4.2), up to the bare connection: what the HTTP server kept for a
//! request is given back, so that an idle socket costs no buffers.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use ring::digest;

use crate::error::ApiError;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request that may become a WebSocket.
pub struct Upgrade {
    accept: HeaderValue,
    on_upgrade: OnUpgrade,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = asked_for(&parts.method, &parts.headers).map_err(refused)?;
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let on_upgrade = on_upgrade.ok_or_else(|| refused("the connection can't be upgraded"))?;
        Ok(Self { accept: accept(key), on_upgrade })
    }
}

fn refused(why: &str) -> ApiError {
    ApiError::bad_request("Upgrade", "REQUIRED")
        .with_message(format!("This URL is opened as a WebSocket: {why}."))
}

/// The key of a request that asks for a WebSocket as it should.
fn asked_for<'a>(method: &Method, headers: &'a HeaderMap) -> Result<&'a HeaderValue, &'static str> {
    if method != Method::GET {
        return Err("the method must be GET");
    }
    if !has_word(headers, &header::CONNECTION, "upgrade") {
        return Err("the Connection header did not include 'upgrade'");
    }
    if !has_word(headers, &header::UPGRADE, "websocket") {
        return Err("the Upgrade header did not include 'websocket'");
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err("the Sec-WebSocket-Version header must be 13");
    }
    headers.get(header::SEC_WEBSOCKET_KEY).ok_or("the Sec-WebSocket-Key header is missing")
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

fn accept(key: &HeaderValue) -> HeaderValue {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(GUID);
    HeaderValue::from_str(&STANDARD.encode(hash.finish())).expect("Base64 is a header value")
}

impl Upgrade {
    /// The answer, and the connection to wait for once it is sent.
    pub fn agree(self) -> (Response, impl Future<Output = hyper::Result<Upgraded>>) {
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, self.accept),
        ];
        ((StatusCode::SWITCHING_PROTOCOLS, headers).into_response(), self.on_upgrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_answered_as_in_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_missing_part_is_named() {
        let parts = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let without = |left_out: &str| -> HeaderMap {
            let kept = parts.iter().filter(|(name, _)| *name != left_out);
            kept.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect()
        };
        assert!(asked_for(&Method::GET, &without("")).is_ok());
        for (name, _) in parts {
            let why = asked_for(&Method::GET, &without(name)).expect_err("a part is missing");
            assert!(why.to_ascii_lowercase().contains(name), "{name}: {why}");
        }
        assert!(asked_for(&Method::POST, &without("")).is_err());
    }
}
