//! `callfeed doctor`: what each part of the way from the phone system to the store needs and whether it is there, with
//! the step that mends it.

use std::io::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use sdk::wire::scope;
use sdk::{Client, Error, ErrorKind, Feed, FeedConfig, FeedEvent};
use url::Url;

use super::findings::Findings;
use super::reach::{REACH_API, REACH_AUTH, REACH_CHANNELS, hosts};
use super::{NICKNAME as COLLECTOR, causes, counted};
use crate::env::Settings;
use crate::limits;
use crate::session::{SCOPES, session};
use crate::store::causes::{Cause, causes as standing};
use crate::store::{OneApp, OpenError, Store, prepare};

pub use super::findings::Finding;

/// The other checks that some depend on, by their names …
const FOLDER: &str = "state folder";
const TOKEN_FILE: &str = "token file";
const OAUTH_CLIENT: &str = "OAuth client and redirect URI";
const CLIENT_SECRET: &str = "client secret";
const SIGN_IN: &str = "sign-in";
const ACCOUNT: &str = "account";
const PEOPLE: &str = "read people and lines";
const RECORD: &str = "read one's record";
const REPORTS: &str = "read reports";
const CALLS: &str = "read calls under way";
const CHANNEL: &str = "make a channel";
const FOLLOW_REPORTS: &str = "subscribe to reports";
const FOLLOW_CALLS: &str = "subscribe to call events";
const SOCKET: &str = "connect the socket";
const HELD_BACK: &str = "reports held back";
/// … those that need the authorization server alone …
const OF_AUTH: [&str; 3] = [OAUTH_CLIENT, CLIENT_SECRET, SIGN_IN];
/// … those that need a sign-in and the API …
const OF_API: [&str; 5] = [ACCOUNT, PEOPLE, RECORD, REPORTS, CALLS];
/// … and those that need the channels besides.
const OF_CHANNELS: [&str; 4] = [CHANNEL, FOLLOW_REPORTS, FOLLOW_CALLS, SOCKET];

/// Nickname of the channel that is made and deleted to try.
const NICKNAME: &str = "callfeed-doctor";

/// Looks at everything and tells each finding when it is made. The store is in `state_dir`, the tokens in
/// `sign_in`. A cause is told once: a look that needs another one that failed
/// is told as not made. Makes a channel of its own and deletes it; the collector may run meanwhile.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn examine(
    settings: &Settings,
    state_dir: &Path,
    sign_in: &Path,
    redirect_uri: Url,
    tell: impl FnMut(Finding),
) -> anyhow::Result<()> {
    let mut told = Findings::new(tell);
    told.tell(folder(sign_in));
    let client = session(settings, sign_in, redirect_uri);
    if let Err(error) = &client {
        if told.is_wrong(FOLDER) {
            told.not_checked(&[TOKEN_FILE], FOLDER);
        } else {
            told.tell(Finding::bad(TOKEN_FILE, error.to_string(), "do what it says, then: callfeed login"));
        }
    }
    hosts(settings).await?.into_iter().for_each(|finding| told.tell(finding));
    let Ok(client) = client else {
        for checks in [&OF_AUTH[..], &OF_API, &OF_CHANNELS] {
            told.not_checked(checks, TOKEN_FILE);
        }
        return Ok(());
    };
    if told.is_wrong(REACH_AUTH) {
        told.not_checked(&OF_AUTH, REACH_AUTH);
    } else {
        authorization(&client, &mut told).await;
    }
    let account = settings.account_key.as_str();
    let missing = |told: &Findings<_>, needed: &[&'static str]| {
        needed.iter().copied().find(|check| told.is_wrong(check))
    };
    match missing(&told, &[SIGN_IN, REACH_API]) {
        Some(missing) => told.not_checked(&OF_API, missing),
        None => api(&client, account, &mut told).await,
    }
    match missing(&told, &[SIGN_IN, REACH_API, REACH_CHANNELS]) {
        Some(missing) => told.not_checked(&OF_CHANNELS, missing),
        None => notifications(&client, account, &mut told).await,
    }
    let is_refused_now = told.is_wrong(REPORTS);
    held_back(state_dir, account, is_refused_now).await.into_iter().for_each(|finding| told.tell(finding));
    Ok(())
}

/// What somebody must mend before reports can be had, as the collector met it last. Where it does not run, and nothing is refused
/// now, its start is what is missing. Nothing without a store.
async fn held_back(state_dir: &Path, account: &str, is_refused_now: bool) -> Vec<Finding> {
    let Ok(store) = Store::open_existing(state_dir).await else { return Vec::new() };
    let found = standing(&store.pool, Some(account), false, 0, limits::LIST_PAGE).await;
    let found = found.unwrap_or_default().into_iter().filter(|cause| causes::is_common(&cause.reason));
    let finding = |cause: Cause| {
        let number = counted(cause.reports, "report", "reports");
        let (said, step) = causes::parts(&cause.reason);
        let found = format!("{number} could not be had when the collector asked last: {said}");
        let asks_again = is_refused_now || OneApp::is_running(state_dir, COLLECTOR);
        let step = if asks_again { step } else { "start callfeed reports: it asks again" };
        Finding::bad(HELD_BACK, found, step)
    };
    found.map(finding).collect()
}

/// What a sign-in needs, and whether there is one.
async fn authorization(client: &Client, told: &mut Findings<impl FnMut(Finding)>) {
    told.tell(oauth_client(client).await);
    match client_secret(client).await {
        // To a client that is not known any secret is wrong.
        Err(error) if is_invalid_client(&error) && told.is_wrong(OAUTH_CLIENT) => {
            told.not_checked(&[CLIENT_SECRET], OAUTH_CLIENT);
        }
        Err(error) => told.tell(Finding::bad(CLIENT_SECRET, error.to_string(), step(&error, "", ""))),
        Ok(()) => told.tell(Finding::good(CLIENT_SECRET, "the authorization server knows it")),
    }
    let signed_in = sign_in(client).await;
    // Nobody can sign in before these are mended, and whoever has may still be.
    match [FOLDER, OAUTH_CLIENT].into_iter().find(|check| told.is_wrong(check)) {
        Some(missing) if signed_in.is_bad() => told.not_checked(&[SIGN_IN], missing),
        _ => told.tell(signed_in),
    }
}

/// What is asked for with a sign-in.
async fn api(client: &Client, account: &str, told: &mut Findings<impl FnMut(Finding)>) {
    if let Some(finding) = role(client, account).await {
        told.tell(finding);
    }
    people(client).await.into_iter().for_each(|finding| told.tell(finding));
    told.tell(summaries(client, account).await);
    told.tell(calls(client, account).await);
}

/// Whether the database of a store that is no file answers. `None` for a file, and for a folder that cannot be read: there
/// the state folder says all.
pub async fn store(state_dir: &Path) -> Option<Finding> {
    let found = Store::answers(state_dir).await.transpose()?;
    let check = "store";
    Some(match found {
        Err(OpenError::Folder { .. }) if !folder(state_dir).ok => return None,
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
    let check = FOLDER;
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

/// Asks for the login page without logging in.
async fn oauth_client(client: &Client) -> Finding {
    let check = OAUTH_CLIENT;
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
async fn client_secret(client: &Client) -> Result<(), Error> {
    match client.visitor().exchange("callfeed-doctor").await {
        Err(error) if error.kind != ErrorKind::SignInNeeded => Err(error),
        _ => Ok(()),
    }
}

fn is_invalid_client(error: &Error) -> bool {
    error.code.as_deref() == Some("invalid_client")
}

/// Whether who signed in belongs to the account and administers it; `None` where the scopes do not let us see that.
async fn role(client: &Client, account: &str) -> Option<Finding> {
    let check = ACCOUNT;
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
        Some(false) => {
            Finding::bad(check, "who signed in is no super admin of the account", super_admin(account))
        }
        Some(true) => Finding::good(check, format!("{} is administered by who signed in", mine.name)),
        None => Finding::good(check, format!("{} is seen by who signed in", mine.name)),
    })
}

/// Who signed in, their accounts and lines: each scope for itself, since one can stand in for another for a while.
async fn people(client: &Client) -> [Finding; 2] {
    let lines = client.my_accounts().await;
    let lines =
        lines.map(|mine| counted(mine.iter().map(|mine| mine.lines.len()).sum::<usize>(), "line", "lines"));
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
        of(PEOPLE, lines, scope::USERS_READ, "whose lines ring, for screen pop and accounts"),
        of(RECORD, record, scope::SCIM_ME, "who may administer, for screen pop and accounts"),
    ]
}

/// What mends an account key that is not that of the account.
const MEND_KEY: &str =
    "mend ACCOUNT_KEY: callfeed accounts lists the accounts, callfeed accounts --pick KEY writes one";

async fn sign_in(client: &Client) -> Finding {
    let check = SIGN_IN;
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
    let found = result.map(|list| format!("{} ended in the last hour", counted(list.len(), "call", "calls")));
    judged(REPORTS, found, "cr.v1.read", account)
}

async fn calls(client: &Client, account: &str) -> Finding {
    let result = client.conversation_spaces(&[account.to_owned()]).await;
    let found = result.map(|list| format!("{} under way", counted(list.len(), "call is", "calls are")));
    judged(CALLS, found, "call-events.v1.events.read", account)
}

/// What pushing needs.
async fn notifications(client: &Client, account: &str, told: &mut Findings<impl FnMut(Finding)>) {
    let scope = "call-events.v1.notifications.manage";
    let channel = match client.create_channel(NICKNAME).await {
        Ok(channel) => channel,
        Err(error) => {
            told.tell(judged(CHANNEL, Err(error), scope, account));
            return told.not_checked(&[FOLLOW_REPORTS, FOLLOW_CALLS, SOCKET], CHANNEL);
        }
    };
    told.tell(Finding::good(CHANNEL, "made"));
    let keys = [account.to_owned()];
    let id = channel.channel_id.as_str();
    let reports = client.subscribe_reports(id, &keys).await.map(|_| "subscribed".to_owned());
    told.tell(judged(FOLLOW_REPORTS, reports, scope, account));
    let calls = client.subscribe_call_events(id, &keys, None).await.map(|()| "subscribed".to_owned());
    told.tell(judged(FOLLOW_CALLS, calls, scope, account));
    if let Err(error) = client.delete_channel(NICKNAME, id).await {
        tracing::debug!("the channel ends by itself: {error}");
    }
    match [FOLLOW_REPORTS, FOLLOW_CALLS].into_iter().find(|check| told.is_wrong(check)) {
        Some(missing) => told.not_checked(&[SOCKET], missing),
        None => told.tell(socket(client, account).await),
    }
}

async fn socket(client: &Client, account: &str) -> Finding {
    let check = SOCKET;
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

/// What mends a role that is too small.
fn super_admin(account: &str) -> String {
    format!("sign in as a super admin of account {account} (callfeed login)")
}

/// What mends a refusal (spec/errors-and-limits.md, Status and code).
pub(super) fn step(error: &Error, scope: &str, account: &str) -> String {
    match (error.kind, error.code.as_deref()) {
        (_, Some("AUTHZ_INSUFFICIENT_SCOPE")) => {
            format!("tick the scope {scope} at the page of OAuth clients, then: callfeed login")
        }
        (ErrorKind::Forbidden, _) => {
            format!("{}, or {MEND_KEY}", super_admin(account))
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
        (ErrorKind::Unreachable, _) if error.status == Some(401) => {
            "wait and try again; if that lasts: callfeed login, with the same --env and --state".to_owned()
        }
        (ErrorKind::Unreachable, _) => "wait and try again; the service or the way to it is down".to_owned(),
        // Each such message has a cause of its own.
        (ErrorKind::BadAnswer | ErrorKind::Local, _) => format!("see the message: {}", error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_back_is_mended_by_a_start_where_nothing_is_refused_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let pool = &crate::store::testing::open(folder.path()).await.pool;
        let at = Timestamp::UNIX_EPOCH;
        crate::store::reports::announce(pool, "17", "a", at).await.unwrap();
        let mut error = Error::new(ErrorKind::Forbidden, "no rights");
        error.status = Some(403);
        let reason = causes::reason(&error, "17", "a");
        crate::store::causes::cannot_be_had(pool, "17", "a", &reason, at).await.unwrap();
        let step = async |is_refused_now| {
            let found = held_back(folder.path(), "17", is_refused_now).await.remove(0);
            assert!(found.found.ends_with("asked last: no rights (status 403)"), "{}", found.found);
            found.step
        };
        assert_eq!(step(false).await, "start callfeed reports: it asks again");
        assert_eq!(step(true).await, super::step(&error, "cr.v1.read", "17"));
        let _running = OneApp::take(folder.path(), COLLECTOR).unwrap();
        assert_eq!(step(false).await, super::step(&error, "cr.v1.read", "17"));
    }

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
}
