//! The example office: seeded once, with random secrets that stand in `example.env` alone.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use engine::Office;
use uuid::Uuid;

use crate::oauth::{grants, password};
use crate::secrets;
use crate::store::{ClientRow, Store, StoreError, StoreResult, User};

/// Redirect URIs of the two tutorials (spec/oauth.md, Redirect handling on the client).
pub const REDIRECT_URIS: [&str; 2] =
    ["http://127.0.0.1:12021/app/redirect", "http://localhost:5000/app/redirect"];

/// Ports besides the tutorials' at which the apps may listen on this machine are allowed by name, so that
/// `--listen` works with the example's client: any port on loopback with the same path (RFC 8252 §7.3).
pub const REDIRECT_PATH: &str = "/app/redirect";

/// The settings of the office's client, in the data folder.
pub const FILE: &str = "example.env";

/// Seeds the office unless the database holds an account already; the file comes first, so that the secrets of a
/// seeded office are never lost.
pub async fn seed(store: &Store, folder: &Path, public_url: &str) -> StoreResult<()> {
    let path = folder.join(FILE);
    if !store.accounts().await?.is_empty() {
        return come_back(store, &path).await;
    }
    // The same at each run where time is the same at each run, or no two runs could be alike.
    let nonce = if store.clock.is_virtual() { secrets::derived("example office") } else { secrets::nonce() };
    let office = Office::example(nonce);
    let secret = secrets::token("cfs_");
    let client_id = Uuid::new_v4().to_string();
    let mut people = Vec::new();
    for user in &office.users {
        people.push((user, secrets::password()));
    }
    let users = tokio::task::block_in_place(|| {
        people
            .iter()
            .map(|(user, password)| User {
                user_key: user.key.clone(),
                user_id: user.id.clone(),
                account_key: office.account_key.clone(),
                email: user.email.clone(),
                name: user.name(),
                password_hash: password::hash(password),
                super_admin: user.admin,
            })
            .collect::<Vec<_>>()
    });
    let client = ClientRow {
        client_id: client_id.clone(),
        owner_user_key: users.first().map(|user| user.user_key.clone()).unwrap_or_default(),
        name: "Callfeed example".into(),
        description: "The program of the tutorials and of Callfeed's own apps".into(),
        secret_hash: secrets::hash(&secret),
        redirect_uris: REDIRECT_URIS.map(str::to_owned).to_vec(),
        scopes: wire::scope::ALL.iter().map(|(name, _)| (*name).to_owned()).collect(),
        grants: grants::EXAMPLE.map(str::to_owned).to_vec(),
        created_us: store.clock.now_us(),
    };
    let logins: Vec<(&str, &str)> =
        people.iter().map(|(user, password)| (user.email.as_str(), password.as_str())).collect();
    let text = environment(&office.account_key, &client_id, &secret, public_url, &logins);
    write_private(&path, &text)?;
    // It is nobody's file: --office must not take it over.
    let account = super::office::account(Office { from_file: false, ..office });
    store.add_account(&account, &users, &client).await
}

/// Puts the file back where the database is a backup that carried it.
async fn come_back(store: &Store, path: &Path) -> StoreResult<()> {
    if !path.exists() {
        let Some(text) = store.backup_file(FILE).await? else {
            // The secrets are nowhere else: better to say so now than to leave people searching.
            return Err(StoreError::SecretsElsewhere(path.display().to_string()));
        };
        write_private(path, &text)?;
    }
    store.forget_backup_file(FILE).await
}

fn environment(
    account_key: &str,
    client_id: &str,
    secret: &str,
    origin: &str,
    logins: &[(&str, &str)],
) -> String {
    let mut text = format!(
        "# The example office of this platform. Made at its first start; unchanged since.\n\
         OAUTH_CLIENT_ID={client_id}\n\
         OAUTH_CLIENT_SECRET={secret}\n\
         ACCOUNT_KEY={account_key}\n\
         GOTO_AUTH_URL={origin}\n\
         GOTO_API_URL={origin}\n\
         GOTO_CHANNEL_URL={origin}\n\
         GOTO_ADMIN_URL={origin}\n\
         # The first person is the super admin; the others have a line each.\n"
    );
    for (place, (email, password)) in logins.iter().enumerate() {
        let suffix = if place == 0 { String::new() } else { format!("_{}", place + 1) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "CALLFEED_USER{suffix}={email}\nCALLFEED_PASSWORD{suffix}={password}");
    }
    text
}

/// Writes a file that its owner alone can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> StoreResult<()> {
    let failed = |source| StoreError::Folder { path: path.display().to_string(), source };
    let unfinished = path.with_extension("env.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)?;
    // The rename itself must survive a power cut, or a seeded office could be left without its secrets.
    let folder = path.parent().map(std::fs::File::open).transpose().map_err(failed)?;
    folder.map_or(Ok(()), |folder| folder.sync_all()).map_err(failed)
}
