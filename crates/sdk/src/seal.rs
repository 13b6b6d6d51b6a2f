//! Sealing of the token file, and where its key comes from.
//!
//! What each key protects from: a key file beside the tokens keeps them from whoever gets the token file alone, not
//! from whoever copies the whole folder; a key file elsewhere keeps backups and copies of the state folder useless;
//! a key from the environment (a secret store of the service manager) leaves nothing on the disk that opens them; the
//! system's keyring opens them while its person is signed in to the machine.
//! None helps against the user that the program runs as, or the administrator.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;
use crate::keyring::Keyring;

const KEY_BYTES: usize = 32;
/// Binds the sealed bytes to what they are.
const PURPOSE: &[u8] = b"callfeed tokens 1";

/// Where the key of the token file comes from.
#[derive(Clone)]
pub enum KeySource {
    /// A private file, made at the first save: 32 random bytes in base64.
    File(PathBuf),
    /// The keyring of the system, which makes the key at the first save.
    Keyring(Keyring),
    /// See [`KeySource::given`].
    Given(Key),
}

/// 32 bytes that nobody else knows.
#[derive(Clone)]
pub struct Key(std::sync::Arc<SecretBox<[u8; KEY_BYTES]>>);

impl KeySource {
    /// A key handed over as text: 32 random bytes in base64, such as `openssl rand -base64 32` prints.
    ///
    /// # Errors
    /// [`ErrorKind::Local`](crate::ErrorKind::Local) when it is not that.
    pub fn given(text: &str) -> Result<Self, Error> {
        let advice =
            "the key of the token file must be 32 bytes in base64: openssl rand -base64 32 makes one";
        Key::parse(text).map(Self::Given).ok_or_else(|| Error::local(advice))
    }

    /// The key for a file that is sealed already.
    pub(crate) fn existing(&self) -> Result<Key, Error> {
        match self {
            Self::Given(key) => Ok(key.clone()),
            Self::Keyring(keyring) => keyring.find()?.ok_or_else(|| {
                Error::local(
                    "the system's keyring has no key of Callfeed, without which the tokens cannot be read: put it back, or \
                     delete the token file and sign in again",
                )
            }),
            Self::File(path) => read_key(path)?.ok_or_else(|| {
                Error::local(format!(
                    "the key file {} is missing, without which the tokens cannot be read: put it back, or delete the \
                     token file and sign in again",
                    path.display()
                ))
            }),
        }
    }

    pub(crate) fn existing_or_new(&self) -> Result<Key, Error> {
        let there = match self {
            Self::Given(_) => return self.existing(),
            Self::Keyring(keyring) => keyring.find()?,
            Self::File(path) => read_key(path)?,
        };
        if let Some(key) = there {
            return Ok(key);
        }
        let mut bytes = [0; KEY_BYTES];
        random(&mut bytes)?;
        let text = STANDARD.encode(bytes);
        match self {
            Self::Given(_) => {}
            Self::Keyring(keyring) => keyring.keep(&text)?,
            // Another process may be first: then its key counts.
            Self::File(path) => files::write_private_new(path, format!("{text}\n").as_bytes())
                .map_err(|error| key_error("write", path, &error))?,
        }
        self.existing()
    }
}

fn read_key(path: &Path) -> Result<Option<Key>, Error> {
    let bytes = files::read_private(path).map_err(|error| key_error("read", path, &error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let key = std::str::from_utf8(&bytes).ok().and_then(Key::parse);
    let advice = "put the right one back, or delete it with the token file and sign in again";
    key.map(Some).ok_or_else(|| Error::local(format!("{} holds no key: {advice}", path.display())))
}

fn key_error(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::local(format!("cannot {what} the key file {}: {error}", path.display()))
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Keyring(_) => f.write_str("the system's keyring"),
            Self::Given(_) => f.write_str("the environment"),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()?;
        let bytes: [u8; KEY_BYTES] = bytes.try_into().ok()?;
        Some(Self(std::sync::Arc::new(SecretBox::new(Box::new(bytes)))))
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, self.0.expose_secret());
        LessSafeKey::new(key.expect("the key has the length of this cipher's keys"))
    }
}

/// A sealed document as it lies in the file.
#[derive(Serialize, Deserialize)]
pub(crate) struct SealedFile {
    cipher: Cipher,
    nonce: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
enum Cipher {
    #[serde(rename = "ChaCha20-Poly1305")]
    ChaCha20Poly1305,
}

impl SealedFile {
    pub fn seal(key: &Key, mut bytes: Vec<u8>) -> Result<Self, Error> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let sealed = key.cipher().seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(PURPOSE),
            &mut bytes,
        );
        sealed.map_err(|_| Error::local("the tokens are too long to be sealed"))?;
        let (nonce, sealed) = (STANDARD.encode(nonce), STANDARD.encode(bytes));
        Ok(Self { cipher: Cipher::ChaCha20Poly1305, nonce, sealed })
    }

    /// `None` when it was sealed with another key, or changed since.
    pub fn open(&self, key: &Key) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = STANDARD.decode(&self.nonce).ok()?.try_into().ok()?;
        let mut bytes = STANDARD.decode(&self.sealed).ok()?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.cipher().open_in_place(nonce, Aad::from(PURPOSE), &mut bytes).ok()?;
        Some(opened.to_vec())
    }
}

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::local("this machine gives no random numbers"))
}
