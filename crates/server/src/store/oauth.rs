//! Consents, codes and tokens. Secrets arrive here hashed.

use sqlx::{AnyConnection, Row as _};

use super::rows::Row;
use super::{Store, StoreResult, channels, words};

/// An authorization code, not yet used.
#[derive(Clone, Debug)]
pub struct CodeRow {
    pub client_id: String,
    pub user_key: String,
    pub redirect_uri: String,
    pub scopes: Vec<String>,
    pub challenge: String,
    pub expires_us: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Access,
    Refresh,
}

impl TokenKind {
    fn parse(text: &str) -> Self {
        if text == "refresh" { Self::Refresh } else { Self::Access }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

#[derive(Clone, Debug)]
pub struct TokenRow {
    pub client_id: String,
    pub user_key: String,
    pub scopes: Vec<String>,
    pub created_us: i64,
    pub expires_us: i64,
    /// What it came from: the hash of the code, or the id of the personal access token.
    pub grant_id: String,
    /// Grant type of the first token of this grant (`oauth::grants`).
    pub grant_type: String,
}

impl TokenRow {
    fn read(row: &Row<'_>) -> StoreResult<Self> {
        Ok(Self {
            client_id: row.text("client_id")?,
            user_key: row.text("user_key")?,
            scopes: words(&row.text("scopes")?),
            created_us: row.number("created_us")?,
            expires_us: row.number("expires_us")?,
            grant_id: row.text("grant_id")?,
            grant_type: row.text("grant_type")?,
        })
    }
}

/// What a grant rests on: without it there are no more tokens.
#[derive(Clone, Copy, Debug)]
pub enum Basis<'a> {
    /// The client alone, at a grant's first tokens.
    Client,
    /// By its hash.
    RefreshToken(&'a str),
    /// By its id.
    PersonalToken(&'a str),
}

impl Store {
    /// Scopes that a user has granted to a client.
    pub async fn consent(&self, user_key: &str, client_id: &str) -> StoreResult<Vec<String>> {
        let row = sqlx::query("select scopes from consents where user_key = $1 and client_id = $2")
            .bind(user_key)
            .bind(client_id)
            .fetch_optional(&self.read)
            .await?;
        row.map_or(Ok(Vec::new()), |row| Ok(words(row.try_get("scopes")?)))
    }

    pub async fn put_consent(&self, user_key: &str, client_id: &str, scopes: &[String]) -> StoreResult<()> {
        sqlx::query(
            "insert into consents (user_key, client_id, scopes) values ($1, $2, $3)
             on conflict (user_key, client_id) do update set scopes = excluded.scopes",
        )
        .bind(user_key)
        .bind(client_id)
        .bind(scopes.join(" "))
        .execute(&self.write)
        .await?;
        Ok(())
    }

    pub async fn put_sign_in(&self, hash: &str, user_key: &str, expires_us: i64) -> StoreResult<()> {
        sqlx::query("insert into sign_ins (sign_in_hash, user_key, expires_us) values ($1, $2, $3)")
            .bind(hash)
            .bind(user_key)
            .bind(expires_us)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// User key of a sign-in that has not expired.
    pub async fn sign_in(&self, hash: &str, now_us: i64) -> StoreResult<Option<String>> {
        let row = sqlx::query("select user_key from sign_ins where sign_in_hash = $1 and expires_us > $2")
            .bind(hash)
            .bind(now_us)
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| Ok(row.try_get("user_key")?)).transpose()
    }

    pub async fn delete_sign_in(&self, hash: &str) -> StoreResult<()> {
        sqlx::query("delete from sign_ins where sign_in_hash = $1").bind(hash).execute(&self.write).await?;
        Ok(())
    }

    pub async fn put_code(&self, hash: &str, code: &CodeRow) -> StoreResult<()> {
        sqlx::query(
            "insert into codes (code_hash, client_id, user_key, redirect_uri, scopes, challenge, expires_us)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(hash)
        .bind(&code.client_id)
        .bind(&code.user_key)
        .bind(&code.redirect_uri)
        .bind(code.scopes.join(" "))
        .bind(&code.challenge)
        .bind(code.expires_us)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Takes a code out: of two that ask at the same time, one gets it.
    pub async fn take_code(&self, hash: &str) -> StoreResult<Option<CodeRow>> {
        let row = sqlx::query(
            "delete from codes where code_hash = $1
             returning client_id, user_key, redirect_uri, scopes, challenge, expires_us",
        )
        .bind(hash)
        .fetch_optional(&self.write)
        .await?;
        row.map(|row| {
            Ok(CodeRow {
                client_id: row.try_get("client_id")?,
                user_key: row.try_get("user_key")?,
                redirect_uri: row.try_get("redirect_uri")?,
                scopes: words(row.try_get("scopes")?),
                challenge: row.try_get("challenge")?,
                expires_us: row.try_get("expires_us")?,
            })
        })
        .transpose()
    }

    /// Adds the tokens of one grant to one client. False when the client or what the grant rests on was taken away
    /// meanwhile: then nothing is added.
    pub async fn issue_tokens(
        &self,
        basis: Basis<'_>,
        tokens: &[(TokenKind, String, TokenRow)],
    ) -> StoreResult<bool> {
        let mut tx = self.write.begin().await?;
        let client_id = tokens.first().map_or("", |(_, _, token)| token.client_id.as_str());
        // Writing keeps the rows until the end of this transaction: PostgreSQL locks them, SQLite knows one writer.
        // Who takes them away begins with them, and so takes away what is added here, too.
        let mut held = vec![("update clients set client_id = client_id where client_id = $1", client_id)];
        match basis {
            Basis::Client => {}
            Basis::RefreshToken(hash) => {
                held.push(("update tokens set token_hash = token_hash where token_hash = $1", hash));
            }
            Basis::PersonalToken(id) => {
                held.push(("update personal_access_tokens set pat_id = pat_id where pat_id = $1", id));
            }
        }
        for (touch, key) in held {
            if sqlx::query(touch).bind(key).execute(&mut *tx).await?.rows_affected() == 0 {
                return Ok(false);
            }
        }
        insert_tokens(&mut tx, tokens).await?;
        tx.commit().await?;
        Ok(true)
    }

    #[cfg(test)]
    pub async fn put_tokens(&self, tokens: &[(TokenKind, String, TokenRow)]) -> StoreResult<()> {
        insert_tokens(&mut *self.write.acquire().await?, tokens).await
    }

    /// A token by its hash, expired or not.
    pub async fn token(&self, kind: TokenKind, hash: &str) -> StoreResult<Option<TokenRow>> {
        let text = "select * from tokens where token_hash = $1 and kind = $2";
        Ok(self.select(text, &[hash.into(), kind.as_str().into()], TokenRow::read).await?.pop())
    }

    /// A token of either kind, expired or not.
    pub async fn token_of_any_kind(&self, hash: &str) -> StoreResult<Option<(TokenKind, TokenRow)>> {
        let text = "select * from tokens where token_hash = $1";
        let read = |row: &Row<'_>| Ok((TokenKind::parse(&row.text("kind")?), TokenRow::read(row)?));
        Ok(self.select(text, &[hash.into()], read).await?.pop())
    }

    /// Deletes one token. With the last one of its grant go the channels that were made by it: returns them.
    pub async fn delete_token(&self, hash: &str, token: &TokenRow) -> StoreResult<Vec<String>> {
        let mut tx = self.write.begin().await?;
        sqlx::query("delete from tokens where token_hash = $1").bind(hash).execute(&mut *tx).await?;
        // A personal access token outlives what it was exchanged for.
        let left = sqlx::query(
            "select 1 from tokens where client_id = $1 and grant_id = $2
             union select 1 from personal_access_tokens where pat_id = $2",
        )
        .bind(&token.client_id)
        .bind(&token.grant_id)
        .fetch_optional(&mut *tx)
        .await?;
        let removed = match left {
            None if !token.grant_id.is_empty() => {
                channels::remove_of(&mut tx, Some(&token.client_id), Some(&token.grant_id)).await?
            }
            _ => Vec::new(),
        };
        tx.commit().await?;
        self.sessions.forget();
        Ok(removed)
    }

    /// Deletes all tokens of one grant to one client, and the channels that were made by it: returns them.
    pub async fn delete_grant(&self, client_id: &str, grant_id: &str) -> StoreResult<Vec<String>> {
        let mut tx = self.write.begin().await?;
        // Twice: while the first waits for a refresh under way, that one adds tokens that it does not see.
        for _ in 0..2 {
            sqlx::query("delete from tokens where client_id = $1 and grant_id = $2")
                .bind(client_id)
                .bind(grant_id)
                .execute(&mut *tx)
                .await?;
        }
        let removed = channels::remove_of(&mut tx, Some(client_id), Some(grant_id)).await?;
        tx.commit().await?;
        self.sessions.forget();
        Ok(removed)
    }

    /// Removes what expired before the given instants.
    pub async fn sweep_oauth(&self, now_us: i64, tokens_before_us: i64) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        sqlx::query("delete from codes where expires_us < $1").bind(now_us).execute(&mut *tx).await?;
        sqlx::query("delete from sign_ins where expires_us < $1").bind(now_us).execute(&mut *tx).await?;
        sqlx::query("delete from portal_sessions where expires_us < $1")
            .bind(now_us)
            .execute(&mut *tx)
            .await?;
        sqlx::query("delete from client_secrets where until_us < $1").bind(now_us).execute(&mut *tx).await?;
        sqlx::query("delete from recording_tokens where expires_us < $1")
            .bind(now_us)
            .execute(&mut *tx)
            .await?;
        sqlx::query("delete from tokens where expires_us < $1")
            .bind(tokens_before_us)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.sessions.forget();
        Ok(())
    }
}

async fn insert_tokens(
    connection: &mut AnyConnection,
    tokens: &[(TokenKind, String, TokenRow)],
) -> StoreResult<()> {
    for (kind, hash, token) in tokens {
        sqlx::query(
            "insert into tokens (token_hash, kind, client_id, user_key, scopes, created_us, expires_us,
                                 grant_id, grant_type)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(hash)
        .bind(kind.as_str())
        .bind(&token.client_id)
        .bind(&token.user_key)
        .bind(token.scopes.join(" "))
        .bind(token.created_us)
        .bind(token.expires_us)
        .bind(&token.grant_id)
        .bind(&token.grant_type)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
