//! Signatures of notifications, opt-in, as Standard Webhooks 1.0.0 has them: in headers only, so the body stays
//! what receivers know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    previous: Option<Previous>,
}

/// The key before the last rotation: it signs too, until the receiver has had time to change.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Previous {
    key: String,
    until_us: i64,
}

impl Signing {
    /// A new key from 32 bytes of chance.
    pub fn new(algorithm: Algorithm, chance: [u8; 32]) -> Self {
        Self { algorithm, key: STANDARD.encode(chance), previous: None }
    }

    /// A new key; the present one signs beside it until `until_us`, an older one no more.
    pub fn rotated(&self, chance: [u8; 32], until_us: i64) -> Self {
        let previous = Previous { key: self.key.clone(), until_us };
        Self { previous: Some(previous), ..Self::new(self.algorithm, chance) }
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
        let new = old.rotated([8; 32], now_us() + 60_000_000);
        let headers = new.headers("id", now_us(), BODY);
        for signing in [&old, &new] {
            let receiver = Webhook::new(&secret(signing)).expect("a secret");
            receiver.verify(BODY, &headers).expect("one of the two signatures is right");
        }
        let later = old.rotated([8; 32], now_us() - 1).headers("id", now_us(), BODY);
        let receiver = Webhook::new(&secret(&old)).expect("a secret");
        receiver.verify(BODY, &later).expect_err("the old key has ended");
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
