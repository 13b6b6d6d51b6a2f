//! One way for all apps to become a client of the APIs.

use std::path::Path;

use sdk::wire::scope;
use sdk::{Client, Config, TokenFile};
use url::Url;

use crate::env::Settings;

/// What the apps ask for at sign-in: calls and reports, and, where the client may, the people whose lines ring.
pub const SCOPES: [&str; 5] = {
    let [notify, calls, reports] = scope::TUTORIALS;
    [notify, calls, reports, scope::USERS_READ, scope::SCIM_ME]
};

/// Name of the token file in the state folder, shared by the apps that use the same folder. Unless the settings
/// name another key, `tokens.key` beside it holds the key.
const TOKEN_FILE: &str = "tokens.json";

/// A client for `settings` that keeps its tokens in `state_dir`. Must be called inside a Tokio runtime.
///
/// # Errors
/// When the token file cannot be read.
pub fn session(settings: &Settings, state_dir: &Path, redirect_uri: Url) -> Result<Client, sdk::Error> {
    session_beside(&[], settings, state_dir, redirect_uri)
}

/// As [`session`], keeping below the service's limit together with those of `others` that have the same OAuth client.
///
/// # Errors
/// When the token file cannot be read.
pub fn session_beside(
    others: &[&Client],
    settings: &Settings,
    state_dir: &Path,
    redirect_uri: Url,
) -> Result<Client, sdk::Error> {
    let config = Config {
        client_id: settings.client_id.clone(),
        client_secret: settings.client_secret.clone(),
        redirect_uri,
        hosts: settings.hosts.clone(),
    };
    let file = TokenFile::new(state_dir.join(TOKEN_FILE));
    let file = match &settings.token_key {
        Some(key) => file.with_key(key.clone()),
        None => file,
    };
    let client = Client::beside(others, config, file)?;
    if let Some(per_s) = settings.rate_limit {
        client.allow_requests_per_s(f64::from(per_s));
    }
    Ok(client)
}
