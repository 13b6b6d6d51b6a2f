//! Settings of the apps from a `.env` file and the environment, as the tutorials keep them. Every missing or
//! wrong value is named at once, with where to find it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use sdk::{Hosts, KeySource, Keyring};
use secrecy::SecretString;
use url::Url;

use crate::limits;

/// The file in the working folder that is read when none is named.
pub(crate) const DEFAULT_FILE: &str = ".env";

const ACCOUNT_KEY: &str = "ACCOUNT_KEY";
/// What each account has of its own.
const APART: [&str; 3] = ["OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", ACCOUNT_KEY];
const CLIENTS_PAGE: &str = "https://developer.logmeininc.com/clients";

/// What the apps need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `OAUTH_CLIENT_ID`.
    pub client_id: String,
    /// `OAUTH_CLIENT_SECRET`.
    pub client_secret: SecretString,
    /// `ACCOUNT_KEY`: digits; empty after [`load_for_sign_in`] where there is none yet.
    pub account_key: String,
    /// `LOG_LEVEL`; `info` unless set.
    pub log_level: LogLevel,
    /// `SHOW_DEBUG_LOGS`: requests and responses, with tokens and secrets masked.
    pub show_debug_logs: bool,
    /// `GOTO_AUTH_URL`, `GOTO_API_URL`, `GOTO_CHANNEL_URL`, `GOTO_ADMIN_URL`; the real GoTo Connect unless set.
    pub hosts: Hosts,
    /// `CALLFEED_TOKEN_KEY` (32 bytes in base64, or the word keyring) or `CALLFEED_TOKEN_KEY_FILE`; a key file in the state folder unless set.
    pub token_key: Option<KeySource>,
    /// `GOTO_RATE_LIMIT`: requests a second that the service allows to each API; GoTo Connect's 10 unless set.
    pub rate_limit: Option<u32>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// As `tracing` filters spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "off" | "none" => Some(Self::Off),
            "error" | "critical" => Some(Self::Error),
            "warn" | "warning" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// All that is wrong with the settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Reads `file`, or `.env` in the working folder if there is one. The process environment wins over the file.
///
/// # Errors
/// Every missing and wrong value at once.
pub fn load(file: Option<&Path>) -> Result<Settings, Problems> {
    load_with(file, Need::All, |name| std::env::var(name).ok())
}

/// Settings of several accounts, a file for each. What tells accounts apart (OAuth client and account key) then comes from
/// the files alone, for the environment would make them all the same. Without a file, as [`load`].
///
/// # Errors
/// Every missing and wrong value of every file at once, and two files of one account.
pub fn load_all(files: &[PathBuf]) -> Result<Vec<Settings>, Problems> {
    load_all_with(files, |name| std::env::var(name).ok())
}

fn load_all_with(
    files: &[PathBuf],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Settings>, Problems> {
    let [_, _, ..] = files else {
        let file = files.first().map(PathBuf::as_path);
        return load_with(file, Need::All, environment).map(|settings| vec![settings]);
    };
    let shared = |name: &str| if APART.contains(&name) { None } else { environment(name) };
    let (mut all, mut problems) = (Vec::<Settings>::new(), Vec::new());
    if files.len() > limits::ACCOUNTS_MAX {
        problems.push(format!("more than {} accounts: start a second collector", limits::ACCOUNTS_MAX));
    }
    for file in files {
        match load_with(Some(file), Need::All, shared) {
            Ok(settings) if all.iter().any(|known| known.account_key == settings.account_key) => {
                let key = &settings.account_key;
                problems.push(format!("{} names account {key}, as another file does", file.display()));
            }
            Ok(settings) => all.push(settings),
            Err(found) => problems.extend(found.0),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(Problems(problems)) }
}

/// The same for whoever signs in to find the account key: it may be missing.
///
/// # Errors
/// As [`load`].
pub fn load_for_sign_in(file: Option<&Path>) -> Result<Settings, Problems> {
    load_with(file, Need::SignIn, |name| std::env::var(name).ok())
}

/// What must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    All,
    /// All but the account key.
    SignIn,
}

fn load_with(
    file: Option<&Path>,
    need: Need,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Problems> {
    let path = file.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_owned);
    let mut problems = Vec::new();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if file.is_some() => {
            return Err(Problems(vec![format!("cannot read the settings in {}: {error}", path.display())]));
        }
        Err(_) => String::new(),
    };
    let values = parse(&text, &path, &mut problems);
    let mut reader = Reader { path, values, environment, problems };
    let settings = reader.settings(need);
    match settings {
        Some(settings) if reader.problems.is_empty() => Ok(settings),
        _ => Err(Problems(reader.problems)),
    }
}

struct Reader<E> {
    path: PathBuf,
    values: HashMap<String, String>,
    environment: E,
    problems: Vec<String>,
}

impl<E: Fn(&str) -> Option<String>> Reader<E> {
    fn settings(&mut self, need: Need) -> Option<Settings> {
        let client_id = self.required(
            "OAUTH_CLIENT_ID",
            &format!("create an OAuth client at {CLIENTS_PAGE} and copy its ID"),
        );
        let client_secret = self.required(
            "OAUTH_CLIENT_SECRET",
            &format!("it is shown once when the OAuth client is made at {CLIENTS_PAGE}; a lost one is replaced there"),
        );
        let account_key = match need {
            Need::SignIn if self.value(ACCOUNT_KEY).is_none() => Some(String::new()),
            _ => self.account_key(),
        };
        let log_level = self.log_level();
        let show_debug_logs = self.flag("SHOW_DEBUG_LOGS");
        let hosts = self.hosts();
        let token_key = self.token_key();
        let rate_limit = self.rate_limit();
        Some(Settings {
            client_id: client_id?,
            client_secret: client_secret?.into(),
            account_key: account_key?,
            log_level,
            show_debug_logs,
            hosts,
            token_key,
            rate_limit,
        })
    }

    /// The value of `name`; an empty one or a placeholder counts as missing.
    fn value(&self, name: &str) -> Option<String> {
        let usable = |value: &String| !is_placeholder(value);
        let environment = (self.environment)(name).map(|value| value.trim().to_owned()).filter(usable);
        environment.or_else(|| self.values.get(name).cloned().filter(usable))
    }

    fn required(&mut self, name: &str, advice: &str) -> Option<String> {
        let value = self.value(name);
        if value.is_none() {
            self.problems.push(format!("{name} is missing in {}: {advice}", self.path.display()));
        }
        value
    }

    fn wrong(&mut self, name: &str, advice: &str) {
        self.problems.push(format!("{name} in {} is wrong: {advice}", self.path.display()));
    }

    fn account_key(&mut self) -> Option<String> {
        let name = ACCOUNT_KEY;
        let advice = "callfeed accounts lists what you can see; it is also the number in the address of \
                      https://admin.goto.com after you have signed in there";
        let key = self.required(name, advice)?;
        if !key.bytes().all(|byte| byte.is_ascii_digit()) {
            self.wrong(name, &format!("an account key has digits only; {advice}"));
            return None;
        }
        Some(key)
    }

    fn log_level(&mut self) -> LogLevel {
        let Some(text) = self.value("LOG_LEVEL") else { return LogLevel::default() };
        LogLevel::parse(&text).unwrap_or_else(|| {
            self.wrong("LOG_LEVEL", "possible values are off, error, warn, info, debug, trace");
            LogLevel::default()
        })
    }

    fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.value(name) else { return false };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => {
                self.wrong(name, "possible values are true and false");
                false
            }
        }
    }

    fn hosts(&mut self) -> Hosts {
        let defaults = Hosts::default();
        let auth = self.origin("GOTO_AUTH_URL");
        let api = self.origin("GOTO_API_URL");
        let channel = self.origin("GOTO_CHANNEL_URL");
        let admin = self.origin("GOTO_ADMIN_URL");
        Hosts {
            auth: auth.unwrap_or(defaults.auth),
            // A server of one's own serves the channels beside the APIs, as api.goto.com does.
            channel: channel.or_else(|| api.clone()).unwrap_or(defaults.channel),
            api: api.unwrap_or(defaults.api),
            admin: admin.unwrap_or(defaults.admin),
        }
    }

    fn rate_limit(&mut self) -> Option<u32> {
        let name = "GOTO_RATE_LIMIT";
        let number =
            self.value(name)?.parse().ok().filter(|number| (1..=limits::RATE_LIMIT_MAX).contains(number));
        if number.is_none() {
            self.wrong(name, "give the requests a second that the service allows to each API, such as 10");
        }
        number
    }

    fn token_key(&mut self) -> Option<KeySource> {
        if let Some(path) = self.value("CALLFEED_TOKEN_KEY_FILE") {
            return Some(KeySource::File(path.into()));
        }
        let name = "CALLFEED_TOKEN_KEY";
        let value = self.value(name)?;
        if value == "keyring" {
            return Some(KeySource::Keyring(Keyring::default()));
        }
        let key = KeySource::given(&value);
        key.map_err(|error| self.wrong(name, &error.message)).ok()
    }

    fn origin(&mut self, name: &str) -> Option<Url> {
        let text = self.value(name)?;
        let url = Url::parse(&text).ok().filter(|url| {
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && bare
        });
        if url.is_none() {
            self.wrong(name, "give scheme, host and port without a path, such as https://api.goto.com");
        }
        url
    }
}

/// What sample files have in the place of a value.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bracketed = [('<', '>'), ('{', '}'), ('[', ']')];
    value.is_empty()
        || bracketed.iter().any(|(open, close)| value.starts_with(*open) && value.ends_with(*close))
        || ["your-", "your_", "your "].iter().any(|start| lower.starts_with(start))
        || ["changeme", "change-me", "todo", "xxx", "..."].contains(&lower.as_str())
}

/// `NAME=value` lines. A library would expand `$` inside values, which damages secrets that contain one.
fn parse(text: &str, path: &Path, problems: &mut Vec<String>) -> HashMap<String, String> {
    let mut values = HashMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=') {
            Some((name, value)) => {
                values.insert(name.trim().to_owned(), unquote(value.trim()).to_owned());
            }
            // The line is not repeated: it may be half a secret.
            None => problems.push(format!("line {} of {} is not NAME=value", index + 1, path.display())),
        }
    }
    values
}

/// Takes off quotes, or a comment after a blank.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside;
        }
    }
    let comment = value.find(" #").or_else(|| value.find("\t#"));
    if value.starts_with('#') { "" } else { value[..comment.unwrap_or(value.len())].trim_end() }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Problems> {
        load_needing(Need::All, text, environment)
    }

    fn load_needing(need: Need, text: &str, environment: &[(&str, &str)]) -> Result<Settings, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.env");
        std::fs::write(&path, text).unwrap();
        let lookup = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        load_with(Some(&path), need, lookup)
    }

    const GOOD: &str = "\u{feff}# Callfeed\r\nexport OAUTH_CLIENT_ID=id-1\r\nOAUTH_CLIENT_SECRET='s$x #1'\r\n\
        ACCOUNT_KEY=\"4827193056281740395\" # main\r\nLOG_LEVEL=DEBUG\r\nSHOW_DEBUG_LOGS=true # yes\r\n\
        GOTO_API_URL=http://127.0.0.1:8080\r\n";

    #[test]
    fn files_are_read_as_people_write_them() {
        let settings = load_text(GOOD, &[]).unwrap();
        assert_eq!(settings.client_id, "id-1");
        assert_eq!(settings.client_secret.expose_secret(), "s$x #1");
        assert_eq!(settings.account_key, "4827193056281740395");
        assert_eq!(settings.log_level, LogLevel::Debug);
        assert!(settings.show_debug_logs);
        assert_eq!(settings.hosts.channel.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(settings.hosts.auth, Hosts::default().auth);
    }

    #[test]
    fn a_rate_limit_is_between_one_and_rate_limit_max() {
        let limit =
            |text: &str| load_text(GOOD, &[("GOTO_RATE_LIMIT", text)]).map(|settings| settings.rate_limit);
        let most = limits::RATE_LIMIT_MAX;
        assert_eq!((limit("1").unwrap(), limit(&most.to_string()).unwrap()), (Some(1), Some(most)));
        for wrong in ["0", "-1", "ten", &(most + 1).to_string()] {
            assert!(limit(wrong).unwrap_err().to_string().contains("GOTO_RATE_LIMIT"), "{wrong}");
        }
    }

    #[test]
    fn the_environment_wins_unless_it_is_empty() {
        let settings = load_text(GOOD, &[("OAUTH_CLIENT_ID", "id-2"), ("ACCOUNT_KEY", "")]).unwrap();
        assert_eq!(settings.client_id, "id-2");
        assert_eq!(settings.account_key, "4827193056281740395");
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let text = "OAUTH_CLIENT_ID=<client id>\nACCOUNT_KEY=12a\nLOG_LEVEL=loud\nSHOW_DEBUG_LOGS=maybe\n\
                    GOTO_AUTH_URL=localhost:8080/x\nCALLFEED_TOKEN_KEY=short\nnonsense\n";
        let problems = load_text(text, &[]).unwrap_err().0;
        let names = ["line 7", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "ACCOUNT_KEY", "LOG_LEVEL"];
        let names = names.into_iter().chain(["SHOW_DEBUG_LOGS", "GOTO_AUTH_URL", "CALLFEED_TOKEN_KEY"]);
        assert_eq!(problems.len(), 8, "{problems:?}");
        for (name, problem) in names.zip(&problems) {
            assert!(problem.starts_with(name), "{problem}");
        }
        assert!(problems[1].contains(CLIENTS_PAGE));
        assert!(problems[4].contains("warn"));
    }

    #[test]
    fn a_collector_has_accounts_max_accounts_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let file = |number: usize| {
            let path = folder.path().join(format!("{number}.env"));
            let text = format!("OAUTH_CLIENT_ID=id\nOAUTH_CLIENT_SECRET=s\nACCOUNT_KEY={}\n", 1000 + number);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut files: Vec<PathBuf> = (0..limits::ACCOUNTS_MAX).map(file).collect();
        assert_eq!(load_all_with(&files, |_| None).unwrap().len(), limits::ACCOUNTS_MAX);
        files.push(file(limits::ACCOUNTS_MAX));
        let problems = load_all_with(&files, |_| None).unwrap_err().0;
        assert!(problems.len() == 1 && problems[0].contains("more than 64 accounts"), "{problems:?}");
    }

    #[test]
    fn several_accounts_have_a_file_each() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, key: &str| {
            let path = folder.path().join(name);
            let text = format!("OAUTH_CLIENT_ID=id\nOAUTH_CLIENT_SECRET=s\nACCOUNT_KEY={key}\n");
            std::fs::write(&path, text).unwrap();
            path
        };
        let keys = |files: &[PathBuf]| {
            let all = load_all_with(files, |name| (name == "ACCOUNT_KEY").then(|| "99".to_owned()));
            all.map(|all| all.into_iter().map(|settings| settings.account_key).collect::<Vec<_>>())
        };
        let (one, two) = (file("a.env", "17"), file("b.env", "18"));
        assert_eq!(keys(&[one.clone(), two.clone()]).unwrap(), ["17", "18"]);
        assert_eq!(
            keys(std::slice::from_ref(&one)).unwrap(),
            ["99"],
            "alone, the environment wins as always"
        );
        let wrong = file("c.env", "");
        let problems = keys(&[one.clone(), wrong, one]).unwrap_err().0;
        assert!(problems[0].contains("ACCOUNT_KEY is missing"), "{problems:?}");
        assert!(problems[1].contains("names account 17, as another file"), "{problems:?}");
    }

    #[test]
    fn whoever_looks_for_the_account_key_need_not_have_one() {
        let text = "OAUTH_CLIENT_ID=id-1\nOAUTH_CLIENT_SECRET=s\nACCOUNT_KEY=\n";
        assert_eq!(load_needing(Need::SignIn, text, &[]).unwrap().account_key, "");
        assert!(load_text(text, &[]).unwrap_err().to_string().contains("callfeed accounts"));
        assert!(load_needing(Need::SignIn, text, &[("ACCOUNT_KEY", "12a")]).is_err());
    }

    #[test]
    fn a_named_file_that_is_not_there_is_said() {
        let problems = load(Some(Path::new("no/such/file.env"))).unwrap_err();
        assert!(problems.to_string().starts_with("cannot read the settings in no/such/file.env"));
    }
}
