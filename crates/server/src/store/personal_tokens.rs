//! Personal access tokens, and sessions of the pages on which people manage them and their clients.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, StoreResult, channels, words};

/// A personal access token; the token itself is known to its user alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalToken {
    pub pat_id: String,
    pub user_key: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_us: i64,
    /// Last exchange; 0 if never.
    pub used_us: i64,
}

impl PersonalToken {
    fn read(row: &AnyRow) -> StoreResult<Self> {
        Ok(Self {
            pat_id: row.try_get("pat_id")?,
            user_key: row.try_get("user_key")?,
            name: row.try_get("name")?,
            scopes: words(row.try_get("scopes")?),
            created_us: row.try_get("created_us")?,
            used_us: row.try_get("used_us")?,
        })
    }
}

impl Store {
    /// False if there is a token of this id already.
    pub async fn add_personal_token(&self, hash: &str, token: &PersonalToken) -> StoreResult<bool> {
        let inserted = sqlx::query(
            "insert into personal_access_tokens (pat_id, pat_hash, user_key, name, scopes, created_us, used_us)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (pat_id) do nothing",
        )
        .bind(&token.pat_id)
        .bind(hash)
        .bind(&token.user_key)
        .bind(&token.name)
        .bind(token.scopes.join(" "))
        .bind(token.created_us)
        .bind(token.used_us)
        .execute(&self.write)
        .await?;
        Ok(inserted.rows_affected() > 0)
    }

    /// The token of this hash, which is marked as used now.
    pub async fn use_personal_token(&self, hash: &str, now_us: i64) -> StoreResult<Option<PersonalToken>> {
        let row = sqlx::query(
            "update personal_access_tokens set used_us = $1 where pat_hash = $2
             returning pat_id, user_key, name, scopes, created_us, used_us",
        )
        .bind(now_us)
        .bind(hash)
        .fetch_optional(&self.write)
        .await?;
        row.as_ref().map(PersonalToken::read).transpose()
    }

    /// Newest first, at most `limit`.
    pub async fn personal_tokens_of(&self, user_key: &str, limit: i64) -> StoreResult<Vec<PersonalToken>> {
        let rows = sqlx::query(
            "select pat_id, user_key, name, scopes, created_us, used_us from personal_access_tokens
             where user_key = $1 order by created_us desc, pat_id limit $2",
        )
        .bind(user_key)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(PersonalToken::read).collect()
    }

    /// Removes a token of this user with all access tokens that came from it, and the channels that these made:
    /// returns them; `None` if there is no such token.
    pub async fn revoke_personal_token(
        &self,
        user_key: &str,
        pat_id: &str,
    ) -> StoreResult<Option<Vec<String>>> {
        let mut tx = self.write.begin().await?;
        let deleted = sqlx::query("delete from personal_access_tokens where pat_id = $1 and user_key = $2")
            .bind(pat_id)
            .bind(user_key)
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query("delete from tokens where grant_id = $1").bind(pat_id).execute(&mut *tx).await?;
        let removed = channels::remove_of(&mut tx, None, Some(pat_id)).await?;
        tx.commit().await?;
        self.sessions.forget();
        Ok(Some(removed))
    }

    pub async fn put_portal_session(&self, hash: &str, user_key: &str, expires_us: i64) -> StoreResult<()> {
        sqlx::query("insert into portal_sessions (session_hash, user_key, expires_us) values ($1, $2, $3)")
            .bind(hash)
            .bind(user_key)
            .bind(expires_us)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// User key of a session that has not expired.
    pub async fn portal_session(&self, hash: &str, now_us: i64) -> StoreResult<Option<String>> {
        let row =
            sqlx::query("select user_key from portal_sessions where session_hash = $1 and expires_us > $2")
                .bind(hash)
                .bind(now_us)
                .fetch_optional(&self.read)
                .await?;
        row.map(|row| Ok(row.try_get("user_key")?)).transpose()
    }

    pub async fn delete_portal_session(&self, hash: &str) -> StoreResult<()> {
        sqlx::query("delete from portal_sessions where session_hash = $1")
            .bind(hash)
            .execute(&self.write)
            .await?;
        Ok(())
    }
}
