//! Tokens with their users, as requests need them: read once, then known for a moment.
//!
//! What takes a token away clears all that is known, after its commit and before its own answer: a revoked token stops
//! at once. Another process on the same database is noticed within [`limits::SESSION_KNOWN`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{Store, StoreResult, TokenKind, TokenRow, User};
use crate::limits;

/// An access token, expired or not, and the user it speaks for.
#[derive(Debug)]
pub struct Session {
    pub token: TokenRow,
    /// `None` when the user is gone.
    pub user: Option<User>,
}

#[derive(Default)]
pub(super) struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: HashMap<String, (Instant, Arc<Session>)>,
    /// Counts how often everything was forgotten: what was read before is not put in after.
    generation: u64,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called after the commit of whatever takes tokens or users away, or changes them.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        inner.known.clear();
        inner.generation += 1;
    }
}

impl Store {
    /// An access token by its hash.
    pub async fn session(&self, hash: &str) -> StoreResult<Option<Arc<Session>>> {
        let generation = {
            let inner = self.sessions.lock();
            match inner.known.get(hash) {
                Some((read, session)) if read.elapsed() < limits::SESSION_KNOWN => {
                    return Ok(Some(Arc::clone(session)));
                }
                _ => inner.generation,
            }
        };
        let read = Instant::now();
        let Some(token) = self.token(TokenKind::Access, hash).await? else { return Ok(None) };
        let user = self.user(&token.user_key).await?;
        let session = Arc::new(Session { token, user });
        let mut inner = self.sessions.lock();
        if inner.generation == generation {
            if inner.known.len() >= limits::SESSIONS_KNOWN_MAX {
                inner.known.clear();
            }
            inner.known.insert(hash.to_owned(), (read, Arc::clone(&session)));
        }
        Ok(Some(session))
    }
}
