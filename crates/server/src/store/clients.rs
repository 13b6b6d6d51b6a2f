//! Clients: the programs that people register, with their secrets. Secrets arrive here hashed.

use sqlx::AnyConnection;

use super::office::REMOVED;
use super::rows::Row;
use super::{Store, StoreResult, channels, words};

#[derive(Clone, Debug)]
pub struct ClientRow {
    pub client_id: String,
    pub owner_user_key: String,
    pub name: String,
    pub description: String,
    /// The newest secret; replaced ones that still work stand in a table of their own.
    pub secret_hash: String,
    pub redirect_uris: Vec<String>,
    pub scopes: Vec<String>,
    /// Grant types that the client may use (`oauth::grants`).
    pub grants: Vec<String>,
    pub created_us: i64,
}

impl ClientRow {
    pub(super) async fn insert(&self, connection: &mut AnyConnection) -> StoreResult<bool> {
        let inserted = sqlx::query(
            "insert into clients (client_id, owner_user_key, name, description, secret_hash, redirect_uris,
                                  scopes, grants, created_us)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             on conflict (client_id) do nothing",
        )
        .bind(&self.client_id)
        .bind(&self.owner_user_key)
        .bind(&self.name)
        .bind(&self.description)
        .bind(&self.secret_hash)
        .bind(serde_json::to_string(&self.redirect_uris)?)
        .bind(self.scopes.join(" "))
        .bind(self.grants.join(" "))
        .bind(self.created_us)
        .execute(connection)
        .await?;
        Ok(inserted.rows_affected() > 0)
    }

    fn read(row: &Row<'_>) -> StoreResult<Self> {
        Ok(Self {
            client_id: row.text("client_id")?,
            owner_user_key: row.text("owner_user_key")?,
            name: row.text("name")?,
            description: row.text("description")?,
            secret_hash: row.text("secret_hash")?,
            redirect_uris: serde_json::from_str(&row.text("redirect_uris")?)?,
            scopes: words(&row.text("scopes")?),
            grants: words(&row.text("grants")?),
            created_us: row.number("created_us")?,
        })
    }

    pub fn may(&self, grant: &str) -> bool {
        self.grants.iter().any(|allowed| allowed == grant)
    }
}

impl Store {
    pub async fn client(&self, client_id: &str) -> StoreResult<Option<ClientRow>> {
        let text = "select * from clients where client_id = $1";
        Ok(self.select(text, &[client_id.into()], ClientRow::read).await?.pop())
    }

    /// The clients that a user made, newest first, at most `limit`.
    pub async fn clients_of(&self, owner_user_key: &str, limit: i64) -> StoreResult<Vec<ClientRow>> {
        let text =
            "select * from clients where owner_user_key = $1 order by created_us desc, client_id limit $2";
        self.select(text, &[owner_user_key.into(), limit.into()], ClientRow::read).await
    }

    /// The clients of people who have left the account, newest first, at most `limit`.
    pub async fn clients_of_leavers(&self, account_key: &str, limit: i64) -> StoreResult<Vec<ClientRow>> {
        let text = "select clients.* from clients join users on users.user_key = clients.owner_user_key
             where users.account_key = $1 and substr(users.password_hash, 1, 1) = $2
             order by clients.created_us desc, clients.client_id limit $3";
        let removed = REMOVED.to_string();
        self.select(text, &[account_key.into(), removed.as_str().into(), limit.into()], ClientRow::read).await
    }

    /// Gives a client to somebody else. False, and nothing changed, if it is not this owner's any more.
    pub async fn hand_client_over(&self, client_id: &str, from: &str, to: &str) -> StoreResult<bool> {
        let text = "update clients set owner_user_key = $1 where client_id = $2 and owner_user_key = $3";
        let handed = sqlx::query(text).bind(to).bind(client_id).bind(from).execute(&self.write).await?;
        Ok(handed.rows_affected() == 1)
    }

    /// False if there is a client of this id already.
    pub async fn add_client(&self, client: &ClientRow) -> StoreResult<bool> {
        let mut connection = self.write.acquire().await?;
        client.insert(&mut connection).await
    }

    /// Writes what the form can change: name, description, redirect URIs, scopes, grants.
    pub async fn change_client(&self, client: &ClientRow) -> StoreResult<()> {
        sqlx::query(
            "update clients set name = $1, description = $2, redirect_uris = $3, scopes = $4, grants = $5
             where client_id = $6",
        )
        .bind(&client.name)
        .bind(&client.description)
        .bind(serde_json::to_string(&client.redirect_uris)?)
        .bind(client.scopes.join(" "))
        .bind(client.grants.join(" "))
        .bind(&client.client_id)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Puts a new secret in the place of the present one, which works until `old_until_us`. False, and nothing
    /// changed, if somebody else replaced the secret meanwhile.
    pub async fn rotate_secret(
        &self,
        client_id: &str,
        present_hash: &str,
        new_hash: &str,
        old_until_us: i64,
    ) -> StoreResult<bool> {
        let mut tx = self.write.begin().await?;
        let changed =
            sqlx::query("update clients set secret_hash = $1 where client_id = $2 and secret_hash = $3")
                .bind(new_hash)
                .bind(client_id)
                .bind(present_hash)
                .execute(&mut *tx)
                .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("insert into client_secrets (secret_hash, client_id, until_us) values ($1, $2, $3)")
            .bind(present_hash)
            .bind(client_id)
            .bind(old_until_us)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Replaced secrets that still work: hash and end, soonest end first.
    pub async fn old_secrets(&self, client_id: &str, now_us: i64) -> StoreResult<Vec<(String, i64)>> {
        let text = "select secret_hash, until_us from client_secrets where client_id = $1 and until_us > $2
             order by until_us";
        let read = |row: &Row<'_>| Ok((row.text("secret_hash")?, row.number("until_us")?));
        self.select(text, &[client_id.into(), now_us.into()], read).await
    }

    /// Ends all replaced secrets of a client at once.
    pub async fn end_old_secrets(&self, client_id: &str) -> StoreResult<()> {
        sqlx::query("delete from client_secrets where client_id = $1")
            .bind(client_id)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Deletes a client with its secrets, consents, codes and tokens, and the channels that it made: returns them.
    pub async fn delete_client(&self, client_id: &str) -> StoreResult<Vec<String>> {
        let mut tx = self.write.begin().await?;
        for statement in [
            // First: a grant under way holds it until its tokens are there to be deleted.
            "delete from clients where client_id = $1",
            "delete from client_secrets where client_id = $1",
            "delete from consents where client_id = $1",
            "delete from codes where client_id = $1",
            "delete from tokens where client_id = $1",
        ] {
            sqlx::query(statement).bind(client_id).execute(&mut *tx).await?;
        }
        let removed = channels::remove_of(&mut tx, Some(client_id), None).await?;
        tx.commit().await?;
        self.sessions.forget();
        Ok(removed)
    }
}
