//! Signatures of notifications, opt-in, as Standard Webhooks 1.0.0 has them: in headers only, so the body stays
//! what receivers know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::limits;

/// How notifications are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// `v1`: both sides know one secret.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// `v1a`: the receiver knows a public key only.
    #[serde(rename = "ed25519")]
    Ed25519,
}

/// The keys of a webhook. No `Debug`: they are secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    algorithm: Algorithm,
    /// 32 bytes, base64.
    key: String,
    /// Newest first.
    #[serde(default, deserialize_with = "one_or_more")]
    previous: Vec<Previous>,
}

/// A key of before a rotation: it signs too, until the receiver has had time to change.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Previous {
    key: String,
    until_us: i64,
}

/// Older versions kept one key, or none.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Previous>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        More(Vec<Previous>),
        One(Option<Previous>),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::More(keys) => keys,
        Stored::One(key) => key.into_iter().collect(),
    })
}

impl Signing {
    /// A new key from 32 bytes of chance.
    pub fn new(algorithm: Algorithm, chance: [u8; 32]) -> Self {
        Self { algorithm, key: STANDARD.encode(chance), previous: Vec::new() }
    }

    /// A new key; the present one signs beside it until `until_us`, and older ones as long as they were told to. A key
    /// that ends at once takes all older ones with it: somebody else knows it. `None` when
    /// [`limits::WEBHOOK_KEYS_MAX`] would sign at the same time.
    pub fn rotated(&self, chance: [u8; 32], now_us: i64, until_us: i64) -> Option<Self> {
        let mut previous = Vec::new();
        if until_us > now_us {
            previous.push(Previous { key: self.key.clone(), until_us });
            previous.extend(self.previous.iter().filter(|key| now_us < key.until_us).cloned());
        }
        let fits = previous.len() < limits::WEBHOOK_KEYS_MAX;
        fits.then(|| Self { previous, ..Self::new(self.algorithm, chance) })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What the channel API shows. A secret that both sides know is shown only when it is made.
    pub fn describe(&self, with_secret: bool) -> Value {
        match self.algorithm {
            Algorithm::HmacSha256 if with_secret => {
                json!({"algorithm": self.algorithm, "secret": format!("whsec_{}", self.key)})
            }
            Algorithm::HmacSha256 => json!({"algorithm": self.algorithm}),
            Algorithm::Ed25519 => {
                let public = ed25519(&self.key).map(|pair| STANDARD.encode(pair.public_key().as_ref()));
                json!({"algorithm": self.algorithm, "publicKey": public.map(|key| format!("whpk_{key}"))})
            }
        }
    }

    /// `webhook-id`, `webhook-timestamp` and `webhook-signature` of one request.
    pub fn headers(&self, id: &str, now_us: i64, body: &[u8]) -> HeaderMap {
        let timestamp = (now_us / 1_000_000).to_string();
        let mut content = format!("{id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        let previous = self.previous.iter().filter(|previous| now_us < previous.until_us);
        let keys = std::iter::once(&self.key).chain(previous.map(|previous| &previous.key));
        let signatures: Vec<String> = keys.filter_map(|key| sign(self.algorithm, key, &content)).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signatures.join(" ").as_str()),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

fn sign(algorithm: Algorithm, key: &str, content: &[u8]) -> Option<String> {
    match algorithm {
        Algorithm::HmacSha256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).ok()?);
            Some(format!("v1,{}", STANDARD.encode(hmac::sign(&key, content))))
        }
        Algorithm::Ed25519 => Some(format!("v1a,{}", STANDARD.encode(ed25519(key)?.sign(content)))),
    }
}

fn ed25519(seed: &str) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&STANDARD.decode(seed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};
    use standardwebhooks::Webhook;

    use super::*;

    const BODY: &[u8] = br#"{"id":"a"}"#;

    fn now_us() -> i64 {
        jiff::Timestamp::now().as_microsecond()
    }

    fn secret(signing: &Signing) -> String {
        signing.describe(true)["secret"].as_str().expect("it is shown").to_owned()
    }

    #[test]
    fn standard_webhooks_verifies_what_we_sign() {
        let signing = Signing::new(Algorithm::HmacSha256, [7; 32]);
        let receiver = Webhook::new(&secret(&signing)).expect("a secret");
        let headers = signing.headers("id", now_us(), BODY);
        receiver.verify(BODY, &headers).expect("the signature is right");
        receiver.verify(b"other", &headers).expect_err("of another body it is not");
        assert_eq!(signing.describe(false), json!({"algorithm": "hmac-sha256"}));
    }

    #[test]
    fn while_keys_overlap_receivers_with_either_are_content() {
        let old = Signing::new(Algorithm::HmacSha256, [7; 32]);
        let new = old.rotated([8; 32], now_us(), now_us() + 60_000_000).expect("a key");
        let headers = new.headers("id", now_us(), BODY);
        for signing in [&old, &new] {
            let receiver = Webhook::new(&secret(signing)).expect("a secret");
            receiver.verify(BODY, &headers).expect("one of the two signatures is right");
        }
        let later = old.rotated([8; 32], now_us(), now_us()).expect("a key").headers("id", now_us(), BODY);
        let receiver = Webhook::new(&secret(&old)).expect("a secret");
        receiver.verify(BODY, &later).expect_err("the old key has ended");
    }

    #[test]
    fn a_second_rotation_ends_no_key_early_and_their_number_is_bounded() {
        let until_us = now_us() + 60_000_000;
        let first = Signing::new(Algorithm::HmacSha256, [7; 32]);
        let mut newest = first.clone();
        for number in 1..limits::WEBHOOK_KEYS_MAX {
            newest = newest.rotated([number as u8; 32], now_us(), until_us).expect("there is room");
            let headers = newest.headers("id", now_us(), BODY);
            let receiver = Webhook::new(&secret(&first)).expect("a secret");
            receiver.verify(BODY, &headers).expect("the first key's time is not over");
        }
        assert!(newest.rotated([9; 32], now_us(), until_us).is_none());
        assert!(newest.rotated([9; 32], until_us, until_us + 1).is_some(), "older ones have ended by then");
        let now = now_us();
        let alone = newest.rotated([9; 32], now, now).expect("a key");
        assert!(alone.previous.is_empty(), "a key that ends at once takes the older ones with it");
    }

    #[test]
    fn keys_as_older_versions_kept_them_are_read() {
        let read = |previous: &str| {
            let text = format!(r#"{{"algorithm":"hmac-sha256","key":"a","previous":{previous}}}"#);
            serde_json::from_str::<Signing>(&text).expect("keys").previous.len()
        };
        assert_eq!(["null", r#"{"key":"b","until_us":1}"#, "[]"].map(read), [0, 1, 0]);
    }

    #[test]
    fn an_ed25519_signature_verifies_with_the_public_key() {
        let signing = Signing::new(Algorithm::Ed25519, [9; 32]);
        let shown = signing.describe(true);
        assert_eq!(shown.get("secret"), None);
        let public = shown["publicKey"].as_str().and_then(|key| key.strip_prefix("whpk_")).expect("a key");
        let headers = signing.headers("id", 1_760_000_000_000_000, BODY);
        let signature = headers["webhook-signature"].to_str().expect("ASCII");
        let signature =
            STANDARD.decode(signature.strip_prefix("v1a,").expect("its version")).expect("base64");
        let key = UnparsedPublicKey::new(&ED25519, STANDARD.decode(public).expect("base64"));
        key.verify(br#"id.1760000000.{"id":"a"}"#, &signature).expect("the signature is right");
    }
}
