//! Signatures of webhooks as Standard Webhooks 1.0.0 has them (<https://www.standardwebhooks.com>): the collector signs
//! with them, and a program that receives its requests verifies.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;
use crate::files;

const PREFIX: &str = "whsec_";
/// Standard Webhooks, Signature scheme: between 24 and 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What both sides of a webhook know. `Debug` hides it.
#[derive(Clone, Debug)]
pub struct SigningSecret(SecretString);

impl SigningSecret {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    ///
    /// # Errors
    /// [`ErrorKind::Local`](crate::ErrorKind::Local) when it is not that; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let key = text.trim().strip_prefix(PREFIX).unwrap_or(text.trim());
        let fits = STANDARD.decode(key).is_ok_and(|bytes| KEY_BYTES.contains(&bytes.len()));
        let advice = "a signing secret is whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32) \
                      makes one";
        if fits { Ok(Self(key.to_owned().into())) } else { Err(Error::local(advice)) }
    }

    /// The secret of a private file, which is made with a new one when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Local`](crate::ErrorKind::Local) when the file cannot be read or written, or holds something else.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::local(format!("cannot use the signing secret in {}: {error}", path.display()))
        };
        if !path.exists() {
            let mut key = [0; 32];
            SystemRandom::new().fill(&mut key).map_err(|_| failed(&"the system has no random numbers"))?;
            let text = format!("{PREFIX}{}\n", STANDARD.encode(key));
            files::write_private_new(path, text.as_bytes()).map_err(|error| failed(&error))?;
        }
        let bytes = files::read_private(path).map_err(|error| failed(&error))?.unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| failed(&error.message))
    }

    /// The value of `webhook-signature` for a request with these `webhook-id`, `webhook-timestamp` and body.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let signature = hmac::sign(&self.key(), &content(id, timestamp_s, body));
        format!("v1,{}", STANDARD.encode(signature))
    }

    /// Whether a request is from who knows the secret and not older than `tolerance`, which is 5 minutes as a rule.
    #[must_use]
    pub fn verify(
        &self,
        id: &str,
        timestamp_s: i64,
        signatures: &str,
        body: &[u8],
        tolerance: Duration,
    ) -> bool {
        let age = Timestamp::now().as_second().abs_diff(timestamp_s);
        let content = content(id, timestamp_s, body);
        let fits = |signature: &str| {
            let bytes = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            bytes.is_some_and(|bytes| hmac::verify(&self.key(), &content, &bytes).is_ok())
        };
        age <= tolerance.as_secs() && signatures.split(' ').any(fits)
    }

    fn key(&self) -> hmac::Key {
        let bytes = STANDARD.decode(self.0.expose_secret()).expect("parse has decoded it");
        hmac::Key::new(hmac::HMAC_SHA256, &bytes)
    }
}

fn content(id: &str, timestamp_s: i64, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{timestamp_s}.").as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_signed_and_verified() {
        // The example's key has 18 bytes, fewer than its own standard asks for: `parse` would refuse it.
        let secret = SigningSecret("plJ3nmyCDGBKInavdOK15jsl".to_owned().into());
        let body = br#"{"event_type":"ping","data":{"success":true}}"#;
        let signature = secret.sign("msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
        assert_eq!(signature, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");

        let now = Timestamp::now().as_second();
        let signature = format!("v1a,other {}", secret.sign("a", now, body));
        let tolerance = Duration::from_secs(300);
        assert!(secret.verify("a", now, &signature, body, tolerance));
        assert!(!secret.verify("b", now, &signature, body, tolerance));
        let old = now - 301;
        assert!(!secret.verify("a", old, &secret.sign("a", old, body), body, tolerance));
    }

    #[test]
    fn a_secret_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook.secret");
        let first = SigningSecret::of_file(&path).unwrap().sign("a", 1, b"x");
        assert_eq!(SigningSecret::of_file(&path).unwrap().sign("a", 1, b"x"), first);
        assert!(SigningSecret::parse("whsec_short").is_err());
    }
}
