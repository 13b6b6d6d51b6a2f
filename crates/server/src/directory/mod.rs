//! The accounts of this platform and their phones, as read at the start.

pub mod admin;
pub mod example;
pub mod lists;
pub mod office;
pub mod scim;
pub mod users;
pub mod voice_admin;

use std::collections::HashMap;
use std::sync::Arc;

use engine::{Line, Office};

use crate::store::{Store, StoreResult, User};

/// Offices by account key.
#[derive(Default)]
pub struct Directory(HashMap<String, Arc<Office>>);

impl Directory {
    pub async fn load(store: &Store) -> StoreResult<Self> {
        let accounts = store.accounts().await?;
        Ok(Self(accounts.into_iter().map(|a| (a.account_key, Arc::new(a.office))).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn office(&self, account_key: &str) -> Option<&Arc<Office>> {
        self.0.get(account_key)
    }

    /// The line, if the user owns it or is a super admin of its account.
    pub fn line(&self, user: &User, line_id: &str) -> Option<&Line> {
        let line = self.office(&user.account_key)?.lines.iter().find(|line| line.id == line_id)?;
        (user.super_admin || line.user_key == user.user_key).then_some(line)
    }

    /// Ids of the user's own lines.
    pub fn lines_of(&self, user: &User) -> Vec<&str> {
        let lines = self.office(&user.account_key).into_iter().flat_map(|office| &office.lines);
        lines.filter(|line| line.user_key == user.user_key).map(|line| line.id.as_str()).collect()
    }

    /// Account of a person who works there.
    pub fn account_of(&self, user_key: &str) -> Option<&str> {
        let mut offices = self.0.iter();
        offices
            .find(|(_, office)| office.users.iter().any(|user| user.key == user_key))
            .map(|(key, _)| key.as_str())
    }

    /// Whether a user of this key is in the asking user's account.
    pub fn user(&self, asking: &User, user_key: &str) -> bool {
        self.office(&asking.account_key).is_some_and(|o| o.users.iter().any(|user| user.key == user_key))
    }

    /// Whether a company number of this id is in the asking user's account.
    pub fn phone_number(&self, asking: &User, id: &str) -> bool {
        self.office(&asking.account_key).is_some_and(|o| o.numbers.iter().any(|number| number.id == id))
    }
}
