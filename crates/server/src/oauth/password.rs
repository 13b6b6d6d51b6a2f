//! Passwords of people: Argon2id, a few at a time, since each check takes a core and memory.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::limits;

pub struct Passwords {
    turns: std::sync::Arc<Semaphore>,
}

/// Checked when there is no such user, so that the answer takes as long: nobody's password has it. It stands here because
/// making one at each start takes 30 ms and 19 MiB.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Y2FsbGZlZWQgZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: std::sync::Arc::new(Semaphore::new(limits::PASSWORD_CHECKS_MAX)) }
    }
}

impl Passwords {
    /// Whether the password fits the hash; without a hash it never does.
    pub async fn fit(&self, password: String, hash: Option<String>) -> bool {
        let Ok(turn) = std::sync::Arc::clone(&self.turns).acquire_owned().await else { return false };
        // Who has no password, or was taken out of the office file, has no hash that can be checked.
        let hash = hash.filter(|hash| PasswordHash::new(hash).is_ok());
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| DECOY.to_owned());
        let check = tokio::task::spawn_blocking(move || {
            let fits = PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
            drop(turn);
            fits
        });
        check.await.unwrap_or(false) && known
    }
}

/// PHC string of a password with a fresh salt.
pub fn hash(password: &str) -> String {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .expect("the default parameters are valid and the system gives a salt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::default();
        let kept = hash("correct horse");
        assert!(passwords.fit("correct horse".into(), Some(kept.clone())).await);
        assert!(!passwords.fit("battery staple".into(), Some(kept)).await);
        for no_hash in ["", "!", &format!("!{}", hash("correct horse"))] {
            assert!(!passwords.fit("correct horse".into(), Some(no_hash.to_owned())).await, "{no_hash}");
        }
        assert!(!passwords.fit("no user has this password".into(), None).await);
    }

    #[test]
    fn the_decoy_takes_as_long_as_a_real_hash() {
        let (decoy, real) = (PasswordHash::new(DECOY).expect("a PHC string"), hash("x"));
        let real = PasswordHash::new(&real).expect("a PHC string");
        assert_eq!((decoy.algorithm, decoy.version), (real.algorithm, real.version));
        assert_eq!(decoy.params, real.params);
        let length = |hash: &PasswordHash| hash.hash.as_ref().map(|output| output.len());
        assert_eq!(length(&decoy), length(&real));
    }
}
