//! `callfeed accounts`: the accounts that a sign-in can see, so that nobody has to look for an account key, and the one
//! that the settings name.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sdk::wire::directory::PhoneNumber;
use sdk::wire::scope;
use sdk::{Account, Client, ErrorKind};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::env::{self, Settings};
use crate::reports::redirect_uri;
use crate::session::{SCOPES, session};
use crate::sign_in;

/// What a sign-in for this command asks for besides: the numbers of the account.
const SCOPES_WITH_NUMBERS: [&str; 6] = {
    let [notify, calls, reports, users, record] = SCOPES;
    [notify, calls, reports, users, record, scope::VOICE_ADMIN_READ]
};

/// How to ask.
pub struct Options {
    /// Folder of the tokens.
    pub state_dir: PathBuf,
    /// Host and port of the redirect URI.
    pub listen: String,
    /// Print the login address and open nothing.
    pub no_browser: bool,
    /// Sign in even when somebody is signed in.
    pub sign_in: bool,
}

/// An account as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub account_key: String,
    pub name: String,
    /// Whether who signed in administers it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<bool>,
    /// Lines of who signed in.
    pub lines: Vec<Named>,
    /// Telephone numbers of the account, where the sign-in may see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_numbers: Option<Vec<Named>>,
    /// The settings name it.
    pub chosen: bool,
}

/// A line or a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Extension, or E.164.
    pub number: String,
    pub name: String,
}

impl Told {
    fn new(account: Account, numbers: Option<Vec<PhoneNumber>>, chosen: &str) -> Self {
        let lines = account.lines.into_iter().map(|line| Named { number: line.number, name: line.name });
        let named = |number: PhoneNumber| Named { number: number.number, name: number.name };
        Self {
            chosen: account.key == chosen,
            account_key: account.key,
            name: account.name,
            admin: account.admin,
            lines: lines.collect(),
            phone_numbers: numbers.map(|numbers| numbers.into_iter().map(named).collect()),
        }
    }

    /// For people: the account, then its lines and numbers.
    #[must_use]
    pub fn text(&self) -> String {
        let mark = if self.chosen { '*' } else { ' ' };
        let right = match self.admin {
            Some(true) => "  (admin)",
            Some(false) => "  (no admin: its calls and reports are visible to super admins only)",
            None => "",
        };
        let mut text = format!("{mark} {}  {}{right}", self.account_key, self.name);
        for line in &self.lines {
            text += &format!("\n    line {}  {}", line.number, line.name);
        }
        for number in self.phone_numbers.iter().flatten() {
            text += &format!("\n    number {}  {}", number.number, number.name);
        }
        text
    }
}

/// Lists the accounts that the sign-in can see; signs in through the pages first where that is needed.
///
/// # Errors
/// When the sign-in fails, or no source of accounts answers.
pub async fn list(
    settings: &Settings,
    options: &Options,
    shutdown: &CancellationToken,
) -> anyhow::Result<Vec<Told>> {
    let client = session(settings, &options.state_dir, redirect_uri(&options.listen)?)?;
    let needed = options.sign_in || client.ready().await.is_err_and(|error| sign_in::is_needed(&error));
    if needed {
        let how =
            sign_in::Options { no_browser: options.no_browser, listen_flag: "--listen", asks_again: false };
        sign_in::sign_in_for(&client, &SCOPES_WITH_NUMBERS, how, shutdown).await?.page_shown().await;
    }
    let accounts = client.accounts().await.map_err(|error| match error.kind {
        ErrorKind::Forbidden => anyhow::anyhow!(
            "{error}\nTick {} or {} for the OAuth client, then: callfeed accounts --sign-in. Or set ACCOUNT_KEY by \
             hand: it is the number in the address of https://admin.goto.com after you have signed in there",
            scope::USERS_READ,
            scope::SCIM_ME
        ),
        _ => error.into(),
    })?;
    let mut told = Vec::new();
    for account in accounts {
        let numbers = numbers(&client, &account.key).await;
        told.push(Told::new(account, numbers, &settings.account_key));
    }
    Ok(told)
}

/// Not to see the numbers is no failure: most sign-ins need not.
async fn numbers(client: &Client, account_key: &str) -> Option<Vec<PhoneNumber>> {
    match client.phone_numbers(account_key).await {
        Ok(numbers) => Some(numbers),
        Err(error) => {
            tracing::debug!("{error}");
            None
        }
    }
}

/// The account to be chosen: that of the key, or the only one.
///
/// # Errors
/// When there is no account of this key, or several and none is named.
pub fn choice<'a>(accounts: &'a [Told], key: Option<&str>) -> anyhow::Result<&'a Told> {
    let keys = || accounts.iter().map(|account| account.account_key.as_str()).collect::<Vec<_>>().join(", ");
    match (key, accounts) {
        (_, []) => bail!("the sign-in can see no account: sign in as somebody else with --sign-in"),
        (None, [only]) => Ok(only),
        (None, _) => bail!("there are several accounts; name one: --pick KEY, of {}", keys()),
        (Some(key), _) => {
            let found = accounts.iter().find(|account| account.account_key == key);
            found.with_context(|| format!("the sign-in cannot see account {key}, only {}", keys()))
        }
    }
}

/// Where a choice was written.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// Into this file of settings.
    Into(PathBuf),
    /// Nowhere, since there is no file: this line belongs into the settings.
    Nowhere(String),
}

/// Writes `ACCOUNT_KEY` into the file of settings, if there is one. All other lines stay as they are.
///
/// # Errors
/// When the file cannot be written; it is as before then.
pub fn pick(file: Option<&Path>, account_key: &str) -> anyhow::Result<Written> {
    let line = format!("ACCOUNT_KEY={account_key}");
    let path = file.map_or_else(|| PathBuf::from(env::DEFAULT_FILE), Path::to_owned);
    // A link stays a link.
    let Ok(target) = path.canonicalize() else { return Ok(Written::Nowhere(line)) };
    let replace = || -> io::Result<()> {
        let text = with_line(&std::fs::read_to_string(&target)?, &line);
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let temporary = target.with_file_name(name);
        // A copy first: it has the rights of the file, which holds a secret.
        std::fs::copy(&target, &temporary)?;
        std::fs::write(&temporary, text)?;
        std::fs::rename(&temporary, &target)
    };
    replace().with_context(|| format!("cannot write {}: put this line into it: {line}", path.display()))?;
    Ok(Written::Into(path))
}

fn with_line(text: &str, line: &str) -> String {
    let is_key = |found: &str| {
        let found = found.trim_start_matches('\u{feff}').trim();
        let found = found.strip_prefix("export ").unwrap_or(found);
        found.split_once('=').is_some_and(|(name, _)| name.trim() == "ACCOUNT_KEY")
    };
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<&str> = text.lines().filter(|found| !is_key(found)).collect();
    let at = text.lines().position(is_key).unwrap_or(lines.len());
    lines.insert(at.min(lines.len()), line);
    lines.join(ending) + ending
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(key: &str) -> Told {
        let line = Named { number: "1001".to_owned(), name: "Front Desk".to_owned() };
        Told {
            account_key: key.to_owned(),
            name: "Example".to_owned(),
            admin: Some(true),
            lines: vec![line],
            phone_numbers: None,
            chosen: key == "17",
        }
    }

    #[test]
    fn the_only_account_is_chosen_without_a_key_and_several_are_named() {
        let two = [account("17"), account("18")];
        assert_eq!(choice(&two[..1], None).unwrap().account_key, "17");
        assert_eq!(choice(&two, Some("18")).unwrap().account_key, "18");
        for (key, said) in [(None, "17, 18"), (Some("19"), "only 17, 18")] {
            let error = choice(&two, key).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(choice(&[], None).is_err());
        assert_eq!(two[0].text(), "* 17  Example  (admin)\n    line 1001  Front Desk");
    }

    #[test]
    fn a_picked_key_stands_in_the_settings_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.env");
        let check = |before: &str, after: &str| {
            std::fs::write(&path, before).unwrap();
            assert_eq!(pick(Some(&path), "17").unwrap(), Written::Into(path.clone()));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        };
        check("A=1\nexport ACCOUNT_KEY = 3 # old\nB='x #1'\n", "A=1\nACCOUNT_KEY=17\nB='x #1'\n");
        check("A=1", "A=1\nACCOUNT_KEY=17\n");
        check("ACCOUNT_KEY=\r\n#ACCOUNT_KEY=4\r\nACCOUNT_KEY=5\r\n", "ACCOUNT_KEY=17\r\n#ACCOUNT_KEY=4\r\n");
        check("", "ACCOUNT_KEY=17\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no leftovers");
        let nowhere = pick(Some(&folder.path().join("no.env")), "17").unwrap();
        assert_eq!(nowhere, Written::Nowhere("ACCOUNT_KEY=17".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_stays_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.env");
        std::fs::write(&path, "A=1\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        pick(Some(&path), "17").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
