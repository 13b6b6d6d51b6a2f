//! The account that `--office FILE` describes: read at each start, and the passwords of its people.

use std::path::{Path, PathBuf};

use engine::{Office, OfficeFileError};

use crate::limits;
use crate::oauth::password;
use crate::secrets;
use crate::store::{
    Account, DatabaseState, OfficeChanges, PasswordChange, Store, StoreError, User, database_state,
};

/// Why `--office` cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    #[error("cannot read the office file {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the office file {path} cannot be used: {error}")]
    File { path: PathBuf, error: OfficeFileError },
    #[error(
        "the database holds an account that was not made from a file, such as the example office: give --office a \
         data folder or database of its own"
    )]
    Taken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has {min} characters or more, and {max} bytes at most",
            min = limits::PASSWORD_CHARS_MIN, max = limits::PASSWORD_BYTES_MAX)]
    Length,
    #[error(
        "nobody here has the e-mail address {0}: add the person to the office file and start the platform once"
    )]
    Unknown(String),
    #[error("{0} was taken out of the office file: put the person back and start the platform once")]
    Removed(String),
    #[error("there is no database yet, or not of this version: start the platform once with this callfeed")]
    Database,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The office of a file, with ids from `secret`.
///
/// # Errors
/// When the file cannot be read, or with every problem that it has.
pub fn read(path: &Path, secret: u128) -> Result<Office, OfficeError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| OfficeError::Read { path: path.to_owned(), source })?;
    let failed = |error| OfficeError::File { path: path.to_owned(), error };
    let office = Office::from_file(&text, secret).map_err(failed)?;
    // An empty list of time zones means a system without them: then none can be told from a wrong one.
    let zone = &office.time_zone;
    let known = zone.is_empty() || jiff::tz::db().available().next().is_none();
    if !known && jiff::tz::TimeZone::get(zone).is_err() {
        let problem = format!("time-zone: {zone} is not known; write one such as America/Chicago");
        return Err(failed(OfficeFileError { problems: vec![problem] }));
    }
    Ok(office)
}

/// Brings the account in line with the file; makes it at the first start.
///
/// # Errors
/// When the file has problems, or the database holds another kind of account; then nothing is changed.
pub async fn apply(store: &Store, path: &Path) -> Result<OfficeChanges, OfficeError> {
    let accounts = store.accounts().await?;
    let secret = match accounts.as_slice() {
        [] => secrets::nonce(),
        [account] if account.office.from_file => {
            uuid::Uuid::parse_str(&account.organization_id).map_err(|_| OfficeError::Taken)?.as_u128()
        }
        _ => return Err(OfficeError::Taken),
    };
    let office = read(path, secret)?;
    let people = people(&office);
    Ok(store.put_office(&account(office), &people).await?)
}

/// The account of an office.
pub fn account(office: Office) -> Account {
    Account {
        account_key: office.account_key.clone(),
        organization_id: office.organization_id.clone(),
        name: office.name.clone(),
        office,
    }
}

fn people(office: &Office) -> Vec<User> {
    let user = |person: &engine::User| User {
        user_key: person.key.clone(),
        user_id: person.id.clone(),
        account_key: office.account_key.clone(),
        email: person.email.clone(),
        name: person.name(),
        password_hash: String::new(),
        super_admin: person.admin,
    };
    office.users.iter().map(user).collect()
}

/// Sets the password of a person, also while a platform runs on the database.
///
/// # Errors
/// When the password is too short or too long, nobody has the address, or the database is not of this version.
pub async fn set_password(
    data: &Path,
    database: Option<&str>,
    email: &str,
    password: String,
) -> Result<(), PasswordError> {
    if password.chars().count() < limits::PASSWORD_CHARS_MIN || password.len() > limits::PASSWORD_BYTES_MAX {
        return Err(PasswordError::Length);
    }
    if !matches!(database_state(data, database).await?, DatabaseState::Current(_)) {
        return Err(PasswordError::Database);
    }
    let store = Store::open(data, database).await?;
    let email = email.trim().to_lowercase();
    let hash = tokio::task::block_in_place(|| password::hash(&password));
    let change = store.set_password(&email, &hash).await?;
    store.close().await;
    match change {
        PasswordChange::Done => Ok(()),
        PasswordChange::Unknown => Err(PasswordError::Unknown(email)),
        PasswordChange::Removed => Err(PasswordError::Removed(email)),
    }
}
