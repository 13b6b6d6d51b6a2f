//! `callfeed doctor`: what each part of the way from the phone system to the store needs and whether it is there, with
//! the step that mends it.

use std::io::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use sdk::wire::scope;
use sdk::{Client, Error, ErrorKind, Feed, FeedConfig, FeedEvent};
use serde::Serialize;
use url::Url;

use crate::env::Settings;
use crate::limits;
use crate::session::{SCOPES, session};
use crate::store::{Store, prepare};

/// Nickname of the channel that is made and deleted to try.
const NICKNAME: &str = "callfeed-doctor";

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    pub ok: bool,
    /// What is there, or what is wrong.
    pub found: String,
    /// What mends it; empty when nothing is wrong.
    pub step: String,
}

impl Finding {
    fn good(check: &str, found: impl Into<String>) -> Self {
        Self { check: check.to_owned(), ok: true, found: found.into(), step: String::new() }
    }

    fn bad(check: &str, found: impl Into<String>, step: impl Into<String>) -> Self {
        Self { check: check.to_owned(), ok: false, found: found.into(), step: step.into() }
    }

    /// For people: what, how, and what to do.
    #[must_use]
    pub fn line(&self) -> String {
        let mark = if self.ok { "ok " } else { "BAD" };
        let step = if self.step.is_empty() { String::new() } else { format!("\n    -> {}", self.step) };
        format!("{mark} {}: {}{step}", self.check, self.found)
    }
}

/// Looks at everything and tells each finding when it is made. A look that needs another one that failed is left out.
/// Makes a channel of its own and deletes it; the collector may run meanwhile.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn examine(
    settings: &Settings,
    state_dir: &Path,
    redirect_uri: Url,
    mut tell: impl FnMut(Finding),
) -> anyhow::Result<()> {
    tell(folder(state_dir));
    let client = match session(settings, state_dir, redirect_uri) {
        Ok(client) => client,
        Err(error) => {
            tell(Finding::bad("token file", error.to_string(), "do what it says, then: callfeed login"));
            return Ok(());
        }
    };
    let mut reached = true;
    for finding in hosts(settings).await? {
        reached &= finding.ok || finding.check == "clock";
        tell(finding);
    }
    if !reached {
        return Ok(());
    }
    tell(oauth_client(&client).await);
    tell(client_secret(&client).await);
    let signed_in = sign_in(&client).await;
    let may_go_on = signed_in.ok;
    tell(signed_in);
    if !may_go_on {
        return Ok(());
    }
    let account = settings.account_key.as_str();
    if let Some(finding) = role(&client, account).await {
        tell(finding);
    }
    people(&client).await.into_iter().for_each(&mut tell);
    tell(summaries(&client, account).await);
    tell(calls(&client, account).await);
    let (findings, may_listen) = notifications(&client, account).await;
    findings.into_iter().for_each(&mut tell);
    if may_listen {
        tell(socket(&client, account).await);
    }
    Ok(())
}

/// Whether the database of a store that is no file answers. `None` for a file: there the state folder says all.
pub async fn store(state_dir: &Path) -> Option<Finding> {
    let found = Store::answers(state_dir).await.transpose()?;
    let check = "store";
    Some(match found {
        Ok(()) => Finding::good(check, "the PostgreSQL database answers and can be written".to_owned()),
        Err(error) => Finding::bad(
            check,
            error.to_string(),
            "start the server, or mend the address in the state folder's file \"database\" or its user's rights",
        ),
    })
}

/// Whether the store can grow: a file as large as a busy day is written and taken away.
fn folder(state_dir: &Path) -> Finding {
    let check = "state folder";
    let path = state_dir.join("doctor.tmp");
    let write = || -> std::io::Result<()> {
        prepare(state_dir, &path)?;
        let mut file = std::fs::File::create(&path)?;
        file.write_all(&vec![0; limits::DOCTOR_FILE_BYTES])?;
        file.sync_all()
    };
    let written = write();
    let _ = std::fs::remove_file(&path);
    match written {
        Ok(()) => Finding::good(check, format!("{} can be written", state_dir.display())),
        Err(error) => Finding::bad(
            check,
            format!("{} cannot be written: {error}", state_dir.display()),
            "make room or give this user the right to write there, or name another folder with --state",
        ),
    }
}

/// Whether each host answers, and what time it has there.
async fn hosts(settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let http = reqwest::Client::builder()
        .connect_timeout(limits::DOCTOR_TIMEOUT)
        .timeout(limits::DOCTOR_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let hosts = &settings.hosts;
    let named = [
        ("authorization server", &hosts.auth, "GOTO_AUTH_URL"),
        ("API", &hosts.api, "GOTO_API_URL"),
        ("channels", &hosts.channel, "GOTO_CHANNEL_URL"),
    ];
    let (mut findings, mut skew) = (Vec::new(), None);
    for (name, url, setting) in named {
        let check = format!("reach {name}");
        let asked = Timestamp::now();
        match http.get(url.clone()).send().await {
            Ok(answer) => {
                skew = skew.or_else(|| clock_skew(asked, answer.headers()));
                findings.push(Finding::good(&check, format!("{} answers", host_of(url))));
            }
            Err(error) => {
                let step = format!(
                    "check name resolution, firewall and proxy of this machine for {}, and {setting} if you set it",
                    host_of(url)
                );
                let why =
                    if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(&error) };
                findings.push(Finding::bad(&check, format!("{}: {why}", host_of(url)), step));
            }
        }
    }
    findings.extend(skew.map(clock));
    Ok(findings)
}

/// With the port where it is not the usual one.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The last of the causes says what is the matter: "Connection refused", a name that is not known, a certificate.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// How much this machine's clock is ahead of the server's; its `Date` has whole seconds.
fn clock_skew(asked: Timestamp, headers: &reqwest::header::HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(asked.duration_since(there))
}

fn clock(skew: SignedDuration) -> Finding {
    let seconds = skew.as_secs();
    if skew.unsigned_abs() <= limits::CLOCK_SKEW_MAX {
        return Finding::good("clock", format!("within {} s of the server's", seconds.abs() + 1));
    }
    let way = if seconds > 0 { "ahead of" } else { "behind" };
    let time = match seconds.unsigned_abs() {
        seconds @ 0..7200 => format!("{seconds} s"),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    };
    let found = format!("{time} {way} the server's");
    let step = "set the clock of this machine by NTP (timedatectl set-ntp true): tokens and looks go by it";
    Finding::bad("clock", found, step)
}

/// Asks for the login page without logging in.
async fn oauth_client(client: &Client) -> Finding {
    let check = "OAuth client and redirect URI";
    match client.authorization(&SCOPES).await {
        Ok(authorization) => {
            let url = authorization.login_url;
            let refused =
                url.query_pairs().find(|(name, _)| name == "error").map(|(_, value)| value.into_owned());
            match refused {
                None => Finding::good(check, format!("{} is registered", client.redirect_uri())),
                Some(error) => Finding::bad(
                    check,
                    format!("the authorization server says {error}"),
                    format!("give the OAuth client the scopes {}", SCOPES.join(" ")),
                ),
            }
        }
        Err(error) => Finding::bad(
            check,
            error.to_string(),
            format!(
                "at the page of OAuth clients compare OAUTH_CLIENT_ID, register the redirect URI {} letter for letter \
                 (another one: --listen), and tick the scopes {}",
                client.redirect_uri(),
                SCOPES.join(" ")
            ),
        ),
    }
}

/// Offers a code that nobody was given: only who knows the secret hears that the code is wrong (RFC 6749 §5.2).
async fn client_secret(client: &Client) -> Finding {
    let check = "client secret";
    match client.visitor().exchange("callfeed-doctor").await {
        Err(error) if error.kind != ErrorKind::SignInNeeded => {
            let step = step(&error, "", "");
            Finding::bad(check, error.to_string(), step)
        }
        _ => Finding::good(check, "the authorization server knows it"),
    }
}

/// Whether who signed in belongs to the account and administers it; `None` where the scopes do not let us see that.
async fn role(client: &Client, account: &str) -> Option<Finding> {
    let check = "account";
    let accounts = match client.accounts().await {
        Ok(accounts) => accounts,
        Err(error) => {
            tracing::debug!("{error}");
            return None;
        }
    };
    let Some(mine) = accounts.iter().find(|known| known.key == account) else {
        let keys: Vec<&str> = accounts.iter().map(|known| known.key.as_str()).collect();
        let found = format!("the sign-in cannot see account {account}, only {}", keys.join(", "));
        return Some(Finding::bad(check, found, MEND_KEY));
    };
    Some(match mine.admin {
        Some(false) => Finding::bad(
            check,
            "who signed in is no super admin of the account",
            format!("sign in as a super admin of account {account}: callfeed login"),
        ),
        Some(true) => Finding::good(check, format!("{} is administered by who signed in", mine.name)),
        None => Finding::good(check, format!("{} is seen by who signed in", mine.name)),
    })
}

/// Who signed in, their accounts and lines: each scope for itself, since one can stand in for another for a while.
async fn people(client: &Client) -> [Finding; 2] {
    let lines = client.my_accounts().await;
    let lines =
        lines.map(|mine| format!("{} lines", mine.iter().map(|mine| mine.lines.len()).sum::<usize>()));
    let record = client.my_record().await.map(|_| "read".to_owned());
    let of = |check: &str, found: Result<String, Error>, scope: &str, for_what: &str| match found {
        Ok(found) => Finding::good(check, found),
        Err(error) if error.kind == ErrorKind::Forbidden => {
            let step = format!(
                "tick the scope {scope} at the page of OAuth clients, then: callfeed login; it tells {for_what}"
            );
            Finding::bad(check, error.to_string(), step)
        }
        Err(error) => {
            let step = step(&error, scope, "");
            Finding::bad(check, error.to_string(), step)
        }
    };
    [
        of(
            "read people and lines",
            lines,
            scope::USERS_READ,
            "whose lines ring, for screen pop and accounts",
        ),
        of("read one's record", record, scope::SCIM_ME, "who may administer, for screen pop and accounts"),
    ]
}

/// What mends an account key that is not that of the account.
const MEND_KEY: &str =
    "mend ACCOUNT_KEY: callfeed accounts lists the accounts, callfeed accounts --pick KEY writes one";

async fn sign_in(client: &Client) -> Finding {
    let check = "sign-in";
    match client.ready().await {
        Ok(()) => {
            let who = client.principal().unwrap_or_else(|| "somebody".to_owned());
            let end = client.sign_in_ends().map(|end| format!(", until {end:.0} unless prolonged"));
            Finding::good(check, format!("as {who}{}", end.unwrap_or_default()))
        }
        Err(error) if error.kind == ErrorKind::SignInNeeded => {
            Finding::bad(check, error.to_string(), "callfeed login, with the same --env and --state")
        }
        Err(error) => Finding::bad(check, error.to_string(), step(&error, "", "")),
    }
}

/// What pulling needs.
async fn summaries(client: &Client, account: &str) -> Finding {
    let now = Timestamp::now();
    let hour = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
    let result = client.report_summaries(account, hour, now).await;
    let found = result.map(|list| format!("{} calls ended in the last hour", list.len()));
    judged("read reports", found, "cr.v1.read", account)
}

async fn calls(client: &Client, account: &str) -> Finding {
    let result = client.conversation_spaces(&[account.to_owned()]).await;
    let found = result.map(|list| format!("{} calls are under way", list.len()));
    judged("read calls under way", found, "call-events.v1.events.read", account)
}

/// What pushing needs; whether a socket can be tried.
async fn notifications(client: &Client, account: &str) -> (Vec<Finding>, bool) {
    let scope = "call-events.v1.notifications.manage";
    let channel = match client.create_channel(NICKNAME).await {
        Ok(channel) => channel,
        Err(error) => return (vec![judged("make a channel", Err(error), scope, account)], false),
    };
    let mut findings = vec![Finding::good("make a channel", "made")];
    let keys = [account.to_owned()];
    let id = channel.channel_id.as_str();
    let reports = client.subscribe_reports(id, &keys).await.map(|_| "subscribed".to_owned());
    findings.push(judged("subscribe to reports", reports, scope, account));
    let calls = client.subscribe_call_events(id, &keys, None).await.map(|()| "subscribed".to_owned());
    findings.push(judged("subscribe to call events", calls, scope, account));
    if let Err(error) = client.delete_channel(NICKNAME, id).await {
        tracing::debug!("the channel ends by itself: {error}");
    }
    let may_listen = findings.iter().all(|finding| finding.ok);
    (findings, may_listen)
}

async fn socket(client: &Client, account: &str) -> Finding {
    let check = "connect the socket";
    let mut feed = Feed::open(
        client.clone(),
        FeedConfig {
            nickname: NICKNAME.to_owned(),
            account_keys: vec![account.to_owned()],
            call_events: None,
            reports: true,
            state_file: None,
        },
    );
    let mut problem = "no answer in time".to_owned();
    let connected = async {
        while let Some(event) = feed.next().await {
            match event {
                FeedEvent::Connected { .. } => return true,
                FeedEvent::Problem(error) => problem = error.to_string(),
                FeedEvent::Disconnected { reason } => problem = reason,
                _ => {}
            }
        }
        false
    };
    let is_connected = tokio::time::timeout(limits::DOCTOR_SOCKET_WAIT, connected).await.unwrap_or(false);
    feed.close().await;
    if is_connected {
        return Finding::good(check, "connected");
    }
    let step = "allow WebSockets (wss, port 443) to the host of the channels through firewall and proxy";
    Finding::bad(check, problem, step)
}

fn judged(check: &str, result: Result<String, Error>, scope: &str, account: &str) -> Finding {
    match result {
        Ok(found) => Finding::good(check, found),
        Err(error) => {
            let step = step(&error, scope, account);
            Finding::bad(check, error.to_string(), step)
        }
    }
}

/// What mends a refusal (spec/errors-and-limits.md, Status and code).
pub(super) fn step(error: &Error, scope: &str, account: &str) -> String {
    match (error.kind, error.code.as_deref()) {
        (_, Some("AUTHZ_INSUFFICIENT_SCOPE")) => {
            format!("tick the scope {scope} at the page of OAuth clients, then: callfeed login")
        }
        (ErrorKind::Forbidden, _) => {
            format!("sign in as a super admin of account {account} (callfeed login), or {MEND_KEY}")
        }
        (ErrorKind::NotFound | ErrorKind::Rejected, Some("invalid_client")) => {
            "compare OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET with the page of OAuth clients; a lost secret is replaced \
             there"
                .to_owned()
        }
        (ErrorKind::NotFound | ErrorKind::Rejected, Some("unauthorized_client")) => {
            "allow the grant types authorization code and refresh token at the page of OAuth clients".to_owned()
        }
        (ErrorKind::NotFound | ErrorKind::Rejected, _) => MEND_KEY.to_owned(),
        (ErrorKind::SignInNeeded, _) => "callfeed login, with the same --env and --state".to_owned(),
        (ErrorKind::RateLimited, _) => "end the other programs of this OAuth client, or wait".to_owned(),
        (ErrorKind::Unreachable, _) => "wait and try again; the service or the way to it is down".to_owned(),
        (ErrorKind::BadAnswer | ErrorKind::Local, _) => "see the message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_what_mends_it() {
        let with = |kind, code: Option<&str>| {
            let mut error = Error::new(kind, "no");
            error.code = code.map(str::to_owned);
            step(&error, "cr.v1.read", "17")
        };
        assert!(with(ErrorKind::Forbidden, Some("AUTHZ_INSUFFICIENT_SCOPE")).contains("scope cr.v1.read"));
        assert!(with(ErrorKind::Forbidden, Some("UNAUTHORIZED")).contains("super admin of account 17"));
        assert!(with(ErrorKind::Rejected, Some("invalid_client")).contains("OAUTH_CLIENT_SECRET"));
        assert!(with(ErrorKind::NotFound, None).contains("ACCOUNT_KEY"));
    }

    #[test]
    fn a_wrong_clock_is_named_with_the_way() {
        assert!(clock(SignedDuration::from_secs(-1)).ok);
        let finding = clock(SignedDuration::from_secs(-600));
        assert!(!finding.ok && finding.found.contains("600 s behind"), "{finding:?}");
        let found = |hours: i64| clock(SignedDuration::from_hours(hours)).found;
        assert_eq!(
            [found(5), found(-99)]
                .map(|found| found.contains("5 hours ahead") || found.contains("4 days behind")),
            [true; 2]
        );
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("date", "Tue, 03 Feb 2026 17:00:00 GMT".parse().unwrap());
        let skew = clock_skew("2026-02-03T17:05:00Z".parse().unwrap(), &headers);
        assert_eq!(skew, Some(SignedDuration::from_secs(300)));
    }
}
