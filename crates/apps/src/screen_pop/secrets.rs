//! Cookies of sessions: chance to make them, and digests, so that the store and memory hold nothing that signs in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::ring::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider};

/// 256 bits of chance as text.
///
/// # Errors
/// When the operating system gives no chance.
pub fn token() -> Result<String, rustls::crypto::GetRandomFailed> {
    let mut bytes = [0; 32];
    default_provider().secure_random.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 of a purpose and a text. What is 256 bits of chance needs no slower digest.
#[must_use]
pub fn digest(purpose: &str, text: &str) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("it is a suite of TLS 1.3");
    let mut bytes = purpose.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(text.as_bytes());
    URL_SAFE_NO_PAD.encode(suite.common.hash_provider.hash(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha_256_and_differ_by_purpose() {
        // FIPS 180-2 has no example with a zero byte; this is `printf 'a\0b' | sha256sum`.
        assert_eq!(digest("a", "b"), URL_SAFE_NO_PAD.encode(EXPECTED));
        assert_ne!(digest("a", "b"), digest("b", "a"));
        assert_ne!(token().unwrap(), token().unwrap());
    }

    const EXPECTED: [u8; 32] = [
        0x59, 0xb2, 0x71, 0xae, 0x1b, 0xbc, 0xb1, 0xd3, 0x1d, 0x41, 0x92, 0x98, 0x17, 0xf4, 0xb1, 0x6f, 0xb4,
        0x39, 0xeb, 0x4f, 0x31, 0x52, 0x0b, 0x5a, 0xd1, 0xd5, 0xce, 0x98, 0x92, 0x0a, 0x71, 0x38,
    ];
}
