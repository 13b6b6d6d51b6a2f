//! An account that is made from a file: brought in line with it at each start, and the passwords of its people.

use std::collections::{HashMap, HashSet};

use sqlx::{AnyConnection, Row as _};

use super::rows::Row;
use super::{Account, Store, StoreResult, User};

/// Stands before the password's hash of somebody who was taken out of the file, as in `/etc/shadow`: it fits no
/// password, and taking the mark away brings the old one back.
pub(super) const REMOVED: char = '!';

impl User {
    /// Was taken out of the office file.
    pub fn is_removed(&self) -> bool {
        self.password_hash.starts_with(REMOVED)
    }
}

/// What a start changed of an account's people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfficeChanges {
    pub added: usize,
    pub changed: usize,
    /// Not in the file any more: kept, and cannot sign in.
    pub removed: usize,
    /// Were removed once and are in the file again.
    pub returned: usize,
    /// How many of the file's people have no password yet.
    pub without_password: usize,
    /// Subscriptions that ended with their person's line.
    pub lines_left: usize,
}

/// What became of a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    Done,
    /// Nobody has this e-mail address.
    Unknown,
    /// The person was taken out of the office file.
    Removed,
}

impl Store {
    /// Makes the account and its people what `account` and `people` say, all or nothing. The people's
    /// `password_hash` is not looked at: new ones have none. Who is gone, or no super admin any more, loses every
    /// access that was given: tokens, personal access tokens, sessions, channels with their subscriptions. Whose line
    /// is another's now loses the subscriptions by that line.
    pub async fn put_office(&self, account: &Account, people: &[User]) -> StoreResult<OfficeChanges> {
        let mut changes = OfficeChanges::default();
        let mut tx = self.write.begin().await?;
        put_account(&mut tx, account).await?;
        let before: HashMap<String, User> = users_of(&mut tx, &account.account_key)
            .await?
            .into_iter()
            .map(|u| (u.user_key.clone(), u))
            .collect();
        for person in people {
            let mut password_hash = String::new();
            match before.get(&person.user_key) {
                None => {
                    changes.added += 1;
                    person.insert(&mut tx, "").await?;
                }
                Some(known) => {
                    let returned = known.password_hash.strip_prefix(REMOVED);
                    password_hash = returned.unwrap_or(&known.password_hash).to_owned();
                    let same = known.name == person.name && known.super_admin == person.super_admin;
                    if returned.is_some() {
                        changes.returned += 1;
                    } else if !same {
                        changes.changed += 1;
                    }
                    if returned.is_some() || !same {
                        change(&mut tx, person, &password_hash).await?;
                    }
                    if known.super_admin && !person.super_admin {
                        end_access(&mut tx, &person.user_key).await?;
                    }
                }
            }
            changes.without_password += usize::from(password_hash.is_empty());
        }
        let kept: HashSet<&str> = people.iter().map(|person| person.user_key.as_str()).collect();
        for gone in before.values().filter(|user| !kept.contains(user.user_key.as_str())) {
            if gone.is_removed() {
                continue;
            }
            changes.removed += 1;
            change(&mut tx, gone, &format!("{REMOVED}{}", gone.password_hash)).await?;
            end_access(&mut tx, &gone.user_key).await?;
        }
        changes.lines_left = leave_lines(&mut tx, account, people).await?;
        tx.commit().await?;
        self.sessions.forget();
        Ok(changes)
    }

    /// Sets the password of the person with this e-mail address, in lower case, and ends the person's sessions at
    /// the login and the portal. Programs that the person let in go on.
    pub async fn set_password(&self, email: &str, hash: &str) -> StoreResult<PasswordChange> {
        let mut tx = self.write.begin().await?;
        // A write comes first: on SQLite a transaction that has read cannot wait for another program's turn.
        let touch = "update users set password_hash = password_hash where email = $1";
        sqlx::query(touch).bind(email).execute(&mut *tx).await?;
        let row =
            sqlx::query("select * from users where email = $1").bind(email).fetch_optional(&mut *tx).await?;
        let Some(user) = row.as_ref().map(|row| User::read(&Row::Any(row))).transpose()? else {
            return Ok(PasswordChange::Unknown);
        };
        if user.is_removed() {
            return Ok(PasswordChange::Removed);
        }
        change(&mut tx, &user, hash).await?;
        end_sessions(&mut tx, &user.user_key).await?;
        tx.commit().await?;
        self.sessions.forget();
        Ok(PasswordChange::Done)
    }
}

async fn put_account(tx: &mut AnyConnection, account: &Account) -> StoreResult<()> {
    sqlx::query(
        "insert into accounts (account_key, organization_id, name, log_head, office) values ($1, $2, $3, 0, $4)
         on conflict (account_key) do update set name = excluded.name, office = excluded.office",
    )
    .bind(&account.account_key)
    .bind(&account.organization_id)
    .bind(&account.name)
    .bind(serde_json::to_string(&account.office)?)
    .execute(tx)
    .await?;
    Ok(())
}

async fn users_of(tx: &mut AnyConnection, account_key: &str) -> StoreResult<Vec<User>> {
    let rows =
        sqlx::query("select * from users where account_key = $1").bind(account_key).fetch_all(tx).await?;
    rows.iter().map(|row| User::read(&Row::Any(row))).collect()
}

/// Ends subscriptions by lines that are not, or no longer, the subscriber's: only super admins follow others' lines.
async fn leave_lines(tx: &mut AnyConnection, account: &Account, people: &[User]) -> StoreResult<usize> {
    let owners: HashMap<&str, &str> =
        account.office.lines.iter().map(|line| (line.id.as_str(), line.user_key.as_str())).collect();
    let admins: HashSet<&str> =
        people.iter().filter(|person| person.super_admin).map(|person| person.user_key.as_str()).collect();
    let rows = sqlx::query(
        "select s.id, s.key_value, c.user_key from subscriptions s join channels c on c.channel_id = s.channel_id
         where s.account_key = $1 and s.key_kind = 'line'",
    )
    .bind(&account.account_key)
    .fetch_all(&mut *tx)
    .await?;
    let mut left = 0;
    for row in rows {
        let owner = owners.get(row.try_get::<&str, _>("key_value")?).copied();
        let follower: &str = row.try_get("user_key")?;
        if owner.is_some() && (owner == Some(follower) || admins.contains(follower)) {
            continue;
        }
        left += 1;
        let id: &str = row.try_get("id")?;
        sqlx::query("delete from subscriptions where id = $1").bind(id).execute(&mut *tx).await?;
    }
    Ok(left)
}

async fn change(tx: &mut AnyConnection, user: &User, password_hash: &str) -> StoreResult<()> {
    sqlx::query("update users set name = $1, super_admin = $2, password_hash = $3 where user_key = $4")
        .bind(&user.name)
        .bind(i64::from(user.super_admin))
        .bind(password_hash)
        .bind(&user.user_key)
        .execute(tx)
        .await?;
    Ok(())
}

async fn end_sessions(tx: &mut AnyConnection, user_key: &str) -> StoreResult<()> {
    for statement in
        ["delete from sign_ins where user_key = $1", "delete from portal_sessions where user_key = $1"]
    {
        sqlx::query(statement).bind(user_key).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Everything by which a person or a program in the person's name still gets in, or hears of calls.
async fn end_access(tx: &mut AnyConnection, user_key: &str) -> StoreResult<()> {
    end_sessions(tx, user_key).await?;
    for statement in [
        "delete from codes where user_key = $1",
        "delete from tokens where user_key = $1",
        "delete from personal_access_tokens where user_key = $1",
    ] {
        sqlx::query(statement).bind(user_key).execute(&mut *tx).await?;
    }
    let channels = sqlx::query("select channel_id from channels where user_key = $1");
    for row in channels.bind(user_key).fetch_all(&mut *tx).await? {
        super::channels::remove(tx, row.try_get("channel_id")?).await?;
    }
    Ok(())
}
