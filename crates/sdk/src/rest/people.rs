//! People, their lines, and the accounts that a sign-in can see (spec/users-lines-admin.md; spec/oauth.md, Where account
//! keys come from).

use http::Method;
use wire::Page;
use wire::directory::{AdminMe, Line, MyAccount, PhoneNumber, ScimMe, User};

use super::{Call, endpoint, with_query};
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;

/// The entitlement of whoever may administer an account (spec/oauth.md, Where account keys come from).
const ADMIN: &str = "acctadmin";

/// An account that the person who signed in belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Digits.
    pub key: String,
    /// Empty where nobody told it.
    pub name: String,
    /// Whether the person administers it; `None` where nobody told.
    pub admin: Option<bool>,
    /// The person's own.
    pub lines: Vec<Line>,
}

impl Client {
    /// The accounts of the person who signed in, each with this person's lines. Scope `users.v1.read`.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] without the scope; see [`ErrorKind`].
    pub async fn my_accounts(&self) -> Result<Vec<MyAccount>, Error> {
        let url = endpoint(&self.config().hosts.api, &["users", "v1"], &["me"]);
        let page: Page<MyAccount> = self.json(Call::new("reading one's lines", Method::GET, url)).await?;
        Ok(page.items)
    }

    /// The record of the person who signed in (spec/oauth.md, Where account keys come from). Scope
    /// `identity:scim.me`.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] without the scope; see [`ErrorKind`].
    pub async fn my_record(&self) -> Result<ScimMe, Error> {
        let url = endpoint(&self.config().hosts.api, &["identity", "v1"], &["Users", "me"]);
        self.json(Call::new("reading one's record", Method::GET, url)).await
    }

    /// The people of an account with their lines. Scope `users.v1.read`, for a super admin.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] without the scope or the right; see [`ErrorKind`].
    pub async fn account_users(&self, account_key: &str) -> Result<Vec<User>, Error> {
        let url = endpoint(&self.config().hosts.api, &["users", "v1"], &["users"]);
        self.pages("listing the people of the account", with_query(url, &[("accountKey", account_key)])).await
    }

    /// The telephone numbers of an account. Scope `voice-admin.v1.read`, for an admin.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] without the scope or the right; see [`ErrorKind`].
    pub async fn phone_numbers(&self, account_key: &str) -> Result<Vec<PhoneNumber>, Error> {
        let url = endpoint(&self.config().hosts.api, &["voice-admin", "v1"], &["phone-numbers"]);
        self.pages("listing the numbers of the account", with_query(url, &[("accountKey", account_key)]))
            .await
    }

    /// The accounts that the person who signed in can see, by all sources that answer. One of the scopes
    /// `users.v1.read`, `identity:scim.me` and `identity:` is enough; each adds what it knows.
    ///
    /// # Errors
    /// When no source answers: what the first one said.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        let mut accounts = Vec::new();
        let lines = self.my_accounts().await;
        for mine in lines.iter().flatten() {
            let account = entry(&mut accounts, &mine.account_key, &mine.organization_name);
            account.lines.clone_from(&mine.lines);
        }
        let record = self.my_record().await;
        let told = record.iter().filter_map(|record| record.getgo.as_ref());
        for known in told.flat_map(|getgo| &getgo.accounts) {
            let account = entry(&mut accounts, &known.value, &known.display);
            account.admin = Some(known.entitlements.iter().any(|name| name == ADMIN));
        }
        if !accounts.is_empty() {
            return Ok(accounts);
        }
        match self.admin_record().await {
            Ok(record) => {
                for known in &record.accounts {
                    entry(&mut accounts, &known.key, &known.name).admin = Some(true);
                }
                if accounts.is_empty() && !record.account_key.is_empty() {
                    entry(&mut accounts, &record.account_key, "").admin = Some(true);
                }
                Ok(accounts)
            }
            Err(_) if lines.is_ok() || record.is_ok() => Ok(accounts),
            Err(error) => Err(lines.err().or(record.err()).unwrap_or(error)),
        }
    }

    /// 401 `not.authenticated` for a user who is no admin.
    async fn admin_record(&self) -> Result<AdminMe, Error> {
        let url = endpoint(&self.config().hosts.admin, &["admin", "rest", "v1"], &["me"]);
        self.json(Call::new("reading the admin's record", Method::GET, url)).await
    }
}

/// The account of that key, which is put in if need be.
fn entry<'a>(accounts: &'a mut Vec<Account>, key: &str, name: &str) -> &'a mut Account {
    let at = accounts.iter().position(|account| account.key == key).unwrap_or_else(|| {
        let (key, name) = (key.to_owned(), String::new());
        accounts.push(Account { key, name, admin: None, lines: Vec::new() });
        accounts.len() - 1
    });
    let account = &mut accounts[at];
    if account.name.is_empty() {
        name.clone_into(&mut account.name);
    }
    account
}
