//! The tokens of a signed-in user, in memory and in a private file, so that a restart needs no login.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;

/// Where the tokens are kept: JSON, mode 0600, replaced in one step.
#[derive(Clone, Debug)]
pub struct TokenFile(pub PathBuf);

impl TokenFile {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The tokens of this client at this authorization server; those of another are not to be sent there.
    pub(crate) fn load(&self, client_id: &str, issuer: &str) -> Result<Option<Tokens>, Error> {
        let bytes = files::read_private(&self.0).map_err(|error| self.error("read", &error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        match serde_json::from_slice::<Tokens>(&bytes) {
            Ok(tokens) if tokens.client_id == client_id && tokens.issuer == issuer => Ok(Some(tokens)),
            Ok(_) => {
                tracing::warn!(
                    "{} holds tokens of another client or server: sign in again",
                    self.0.display()
                );
                Ok(None)
            }
            Err(_) => {
                tracing::warn!("{} holds no tokens that can be read: sign in again", self.0.display());
                Ok(None)
            }
        }
    }

    pub(crate) fn save(&self, tokens: &Tokens) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(tokens).expect("strings and numbers serialize");
        files::write_private(&self.0, &bytes).map_err(|error| self.error("write", &error))
    }

    fn error(&self, what: &str, error: &std::io::Error) -> Error {
        Error::local(format!("cannot {what} the token file {}: {error}", self.0.display()))
    }
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
}

impl Tokens {
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_in_s)
    }

    /// Time since the token was obtained; the whole life when the clock was set back meanwhile.
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.obtained)).unwrap_or(self.lifetime())
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
