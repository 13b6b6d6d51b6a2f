//! The tokens of a signed-in user, in memory and in a sealed private file, so that a restart needs no login.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::seal::{KeySource, SealedFile};
use crate::{files, limits};

/// Where the tokens are kept: sealed, mode 0600, replaced in one step. Any number of processes may share it; a
/// lock file beside it makes their refreshes one.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    key: KeySource,
    /// Nothing is read or written.
    in_memory: bool,
}

impl TokenFile {
    /// Sealed with a key from a file beside it, which is made at first use: `tokens.key` for `tokens.json`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let key = KeySource::File(path.with_extension("key"));
        Self { path, key, in_memory: false }
    }

    /// No file: the tokens end with the client.
    pub(crate) fn in_memory() -> Self {
        Self { in_memory: true, ..Self::new("") }
    }

    /// The same file with a key from elsewhere.
    #[must_use]
    pub fn with_key(self, key: KeySource) -> Self {
        Self { key, ..self }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokens of this client at this authorization server; those of another are not to be sent there.
    /// A file that an earlier version wrote without a seal is taken up and sealed.
    pub(crate) fn load(&self, client_id: &str, issuer: &str) -> Result<Option<Tokens>, Error> {
        if self.in_memory {
            return Ok(None);
        }
        let Some(bytes) = files::read_private(&self.path).map_err(|error| self.error("read", &error))? else {
            return Ok(None);
        };
        let (tokens, is_open) = match serde_json::from_slice::<SealedFile>(&bytes) {
            Ok(sealed) => {
                let opened = sealed.open(&self.key.existing()?);
                let Some(opened) = opened else { return Err(self.other_key()) };
                (serde_json::from_slice::<Tokens>(&opened).ok(), false)
            }
            Err(_) => (serde_json::from_slice::<Tokens>(&bytes).ok(), true),
        };
        match tokens {
            Some(tokens) if tokens.client_id == client_id && tokens.issuer == issuer => {
                if is_open && let Err(error) = self.save(&tokens) {
                    tracing::warn!("the tokens stay without a seal: {error}");
                }
                Ok(Some(tokens))
            }
            Some(_) => {
                tracing::warn!(
                    "{} holds tokens of another client or server: sign in again",
                    self.path.display()
                );
                Ok(None)
            }
            None => {
                tracing::warn!("{} holds no tokens that can be read: sign in again", self.path.display());
                Ok(None)
            }
        }
    }

    /// Which file is there now, without reading it; `None` for none.
    pub(crate) fn version(&self) -> Option<Version> {
        let found = std::fs::metadata(&self.path).ok().filter(|_| !self.in_memory)?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&found);
        #[cfg(not(unix))]
        let number = 0;
        Some(Version { changed: found.modified().ok(), bytes: found.len(), number })
    }

    pub(crate) fn save(&self, tokens: &Tokens) -> Result<(), Error> {
        if self.in_memory {
            return Ok(());
        }
        let bytes = serde_json::to_vec(tokens).expect("strings and numbers serialize");
        let sealed = SealedFile::seal(&self.key.existing_or_new()?, bytes)?;
        let bytes = serde_json::to_vec(&sealed).expect("strings and numbers serialize");
        files::write_private(&self.path, &bytes).map_err(|error| self.error("write", &error))
    }

    /// Waits until no other process changes the tokens, for at most [`limits::TOKEN_LOCK_WAIT`]. Held until the
    /// value is dropped; a crash lets go of it.
    pub(crate) async fn lock(&self) -> Result<TokenLock, Error> {
        if self.in_memory {
            return Ok(TokenLock { _file: None });
        }
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let file = files::open_lock(Path::new(&path)).map_err(|error| self.error("lock", &error))?;
        let deadline = tokio::time::Instant::now() + limits::TOKEN_LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(TokenLock { _file: Some(file) }),
                Err(TryLockError::Error(error)) => return Err(self.error("lock", &error)),
                Err(TryLockError::WouldBlock) if tokio::time::Instant::now() >= deadline => {
                    return Err(Error::local(format!(
                        "another process has held {} for too long: end it if it hangs",
                        Path::new(&path).display()
                    )));
                }
                // The system tells nobody when a lock becomes free.
                Err(TryLockError::WouldBlock) => tokio::time::sleep(limits::TOKEN_LOCK_LOOK).await,
            }
        }
    }

    fn error(&self, what: &str, error: &std::io::Error) -> Error {
        Error::local(format!("cannot {what} the token file {}: {error}", self.path.display()))
    }

    fn other_key(&self) -> Error {
        Error::local(format!(
            "{} cannot be opened with the key from {}: give the key that it was sealed with, or delete the file and \
             sign in again",
            self.path.display(),
            self.key
        ))
    }
}

/// Differs for a file that was replaced. Its number too: two files of one moment have the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    changed: Option<SystemTime>,
    bytes: u64,
    number: u64,
}

/// The right to change the tokens.
#[derive(Debug)]
pub(crate) struct TokenLock {
    _file: Option<File>,
}

/// Content of the token file. `Debug` hides the tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub issuer: String,
    pub client_id: String,
    pub access_token: String,
    #[serde(default)]
    pub refresh_token: Option<String>,
    pub expires_in_s: u64,
    pub obtained: Timestamp,
    #[serde(default)]
    pub scope: Option<String>,
    #[serde(default)]
    pub principal: Option<String>,
    /// When this refresh token was first seen; in files of earlier versions when the access token was.
    #[serde(default)]
    pub refresh_obtained: Option<Timestamp>,
    /// When somebody signed in, which refreshes leave as it is; not known of files of earlier versions.
    #[serde(default)]
    pub signed_in: Option<Timestamp>,
}

/// Tells one sign-in from another: when it was, and whose.
pub(crate) type SignIn = (Option<Timestamp>, Option<String>);

impl Tokens {
    pub fn sign_in(&self) -> SignIn {
        (self.signed_in, self.principal.clone())
    }

    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_in_s)
    }

    /// Time since the token was obtained; the whole life when the clock was set back meanwhile.
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.obtained)).unwrap_or(self.lifetime())
    }

    /// When the refresh token dies (spec/oauth.md, Refresh behaviour); `None` without one.
    pub fn sign_in_ends(&self) -> Option<Timestamp> {
        self.refresh_token.as_ref()?;
        let since = self.refresh_obtained.unwrap_or(self.obtained);
        since.checked_add(limits::REFRESH_TOKEN_LIFE).ok()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .field("expires_in_s", &self.expires_in_s)
            .field("obtained", &self.obtained)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            issuer: "https://auth.example".to_owned(),
            client_id: "client-1".to_owned(),
            access_token: "access-secret".to_owned(),
            refresh_token: Some("refresh-secret".to_owned()),
            expires_in_s: 3600,
            obtained: Timestamp::UNIX_EPOCH,
            scope: None,
            principal: Some("ada@example.com".to_owned()),
            refresh_obtained: None,
            signed_in: None,
        }
    }

    fn load(file: &TokenFile) -> Result<Option<Tokens>, Error> {
        file.load("client-1", "https://auth.example")
    }

    #[test]
    fn the_file_tells_nothing_without_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("tokens.json"));
        file.save(&tokens()).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains("secret") && !text.contains("ada@"), "{text}");
        assert_eq!(load(&file).unwrap(), Some(tokens()));

        let other = file.clone().with_key(KeySource::given(&"A".repeat(43)).unwrap());
        assert!(load(&other).unwrap_err().message.contains("cannot be opened"));
        std::fs::remove_file(folder.path().join("tokens.key")).unwrap();
        assert!(load(&file).unwrap_err().message.contains("tokens.key"));
    }

    #[test]
    fn a_file_of_an_earlier_version_is_taken_up_and_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("tokens.json"));
        files::write_private(file.path(), &serde_json::to_vec(&tokens()).unwrap()).unwrap();
        assert_eq!(load(&file).unwrap(), Some(tokens()));
        assert!(!std::fs::read_to_string(file.path()).unwrap().contains("secret"));
        assert_eq!(load(&file).unwrap(), Some(tokens()));
    }

    #[test]
    fn a_changed_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::new(folder.path().join("tokens.json"));
        file.save(&tokens()).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let at = text.find("sealed\":\"").unwrap() + 12;
        let letter = if &text[at..=at] == "A" { "B" } else { "A" };
        files::write_private(file.path(), [&text[..at], letter, &text[at + 1..]].concat().as_bytes())
            .unwrap();
        assert!(load(&file).is_err());
    }

    #[test]
    fn the_sign_in_ends_thirty_days_after_its_refresh_token_came() {
        let mut tokens = tokens();
        tokens.obtained = Timestamp::from_second(5_000_000).unwrap();
        tokens.refresh_obtained = Some(Timestamp::from_second(1_000_000).unwrap());
        assert_eq!(tokens.sign_in_ends(), Some(Timestamp::from_second(1_000_000 + 2_592_000).unwrap()));
        tokens.refresh_token = None;
        assert_eq!(tokens.sign_in_ends(), None);
    }
}
