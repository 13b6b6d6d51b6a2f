//! Accounts and their people.

use sqlx::{AnyConnection, Row as _};

use super::rows::Row;
use super::{Store, StoreResult};

#[derive(Clone, Debug)]
pub struct Account {
    pub account_key: String,
    pub organization_id: String,
    pub name: String,
    /// The company's phones.
    pub office: engine::Office,
}

#[derive(Clone, Debug)]
pub struct User {
    pub user_key: String,
    pub user_id: String,
    pub account_key: String,
    pub email: String,
    pub name: String,
    /// Argon2id; empty for who has none yet. Who was taken out of the office file has a mark before it.
    pub password_hash: String,
    pub super_admin: bool,
}

impl User {
    pub(super) fn read(row: &Row<'_>) -> StoreResult<Self> {
        Ok(Self {
            user_key: row.text("user_key")?,
            user_id: row.text("user_id")?,
            account_key: row.text("account_key")?,
            email: row.text("email")?,
            name: row.text("name")?,
            password_hash: row.text("password_hash")?,
            super_admin: row.number("super_admin")? != 0,
        })
    }

    pub(super) async fn insert(&self, connection: &mut AnyConnection, hash: &str) -> StoreResult<()> {
        sqlx::query(
            "insert into users (user_key, user_id, account_key, email, name, password_hash, super_admin)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&self.user_key)
        .bind(&self.user_id)
        .bind(&self.account_key)
        .bind(&self.email)
        .bind(&self.name)
        .bind(hash)
        .bind(i64::from(self.super_admin))
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Store {
    pub async fn accounts(&self) -> StoreResult<Vec<Account>> {
        let rows = sqlx::query("select account_key, organization_id, name, office from accounts order by 1")
            .fetch_all(&self.read)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Account {
                    account_key: row.try_get("account_key")?,
                    organization_id: row.try_get("organization_id")?,
                    name: row.try_get("name")?,
                    office: serde_json::from_str(row.try_get("office")?)?,
                })
            })
            .collect()
    }

    /// Adds an account with its people and its first client in one transaction: all or nothing.
    pub async fn add_account(
        &self,
        account: &Account,
        users: &[User],
        client: &super::ClientRow,
    ) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        sqlx::query(
            "insert into accounts (account_key, organization_id, name, log_head, office)
             values ($1, $2, $3, 0, $4)",
        )
        .bind(&account.account_key)
        .bind(&account.organization_id)
        .bind(&account.name)
        .bind(serde_json::to_string(&account.office)?)
        .execute(&mut *tx)
        .await?;
        for user in users {
            user.insert(&mut tx, &user.password_hash).await?;
        }
        client.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// `email` in lower case.
    pub async fn user_by_email(&self, email: &str) -> StoreResult<Option<User>> {
        Ok(self.select("select * from users where email = $1", &[email.into()], User::read).await?.pop())
    }

    pub async fn user(&self, user_key: &str) -> StoreResult<Option<User>> {
        Ok(self
            .select("select * from users where user_key = $1", &[user_key.into()], User::read)
            .await?
            .pop())
    }
}
