//! Random identifiers and secrets. Secrets are kept as SHA-256: they are 256 bits of chance, so a slow hash adds
//! nothing (passwords are another matter, see `oauth::password`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Bytes of chance.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// 32 random bytes behind a prefix that tells people and secret scanners what it is.
pub fn token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes::<32>()))
}

/// `reference` of an error: 24 characters.
pub fn reference() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<18>())
}

/// Opaque, base64url, 87 characters, begins with `0` like every example (spec/notification-channel.md).
pub fn channel_id() -> String {
    let mut id = URL_SAFE_NO_PAD.encode(bytes::<65>());
    id.truncate(86);
    format!("0{id}")
}

/// A password of 20 letters and digits.
pub fn password() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    bytes::<20>().iter().map(|b| LETTERS[*b as usize % LETTERS.len()] as char).collect()
}

pub fn nonce() -> u128 {
    u128::from_le_bytes(bytes())
}

/// A nonce whose calls lie behind those of earlier ones: the time in milliseconds, then 80 bits of chance.
pub fn nonce_of_call(now: Timestamp) -> engine::Nonce {
    let time = u128::try_from(now.as_millisecond()).unwrap_or_default();
    engine::Nonce(time << 80 | nonce() >> 48)
}

/// The same for a call that is the same at each run: its bits follow from a text.
pub fn nonce_of_call_from(now: Timestamp, text: &str) -> engine::Nonce {
    let time = u128::try_from(now.as_millisecond()).unwrap_or_default();
    engine::Nonce(time << 80 | derived(text) >> 48)
}

/// 128 bits that follow from a text; no secret.
pub fn derived(text: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let (first, _) = digest.split_at(16);
    u128::from_be_bytes(first.try_into().expect("16 of 32 bytes"))
}

/// What the store keeps of a secret.
pub fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// Compares in constant time.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_id_looks_like_the_real_ones() {
        let id = channel_id();
        assert_eq!(id.len(), 87);
        assert!(id.starts_with('0'));
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        assert_ne!(id, channel_id());
    }
}
