//! The client value that everything else hangs on: one HTTP connection pool, one user's tokens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::config::{Config, Hosts};
use crate::error::{Error, ErrorKind};
use crate::novelty::Novelty;
use crate::pace::Paces;
use crate::service_time::ServiceTime;
use crate::shape::Told;
use crate::tokens::{TokenFile, Tokens};
use crate::{limits, mask, oauth};

/// A client of the GoTo Connect APIs for one user. Cheap to clone; all clones share tokens and connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: Config,
    pub http: reqwest::Client,
    pub file: TokenFile,
    /// Shared by the sign-ins of one OAuth client: the service may count its requests together.
    pub paces: Arc<Paces>,
    /// Shared with visitors: it is the same service.
    pub time: Arc<ServiceTime>,
    /// Shapes of answers that were told as not known.
    pub told: Told,
    /// Members of messages that were told as not known.
    pub novelty: Novelty,
    // A std mutex: held for a few assignments, never across an await.
    held: Mutex<Option<Held>>,
    /// Taken while a refresh is under way, so that there is one at a time.
    pub refreshing: tokio::sync::Mutex<()>,
    /// What proves that the code of the last sign-in page is ours (RFC 7636).
    pub verifier: Mutex<Option<SecretString>>,
    /// Says that the tokens are others than before.
    changed: watch::Sender<u64>,
}

/// The tokens in use, with their times on a clock that nobody sets.
#[derive(Clone)]
pub(crate) struct Held {
    pub tokens: Tokens,
    pub refresh_at: Instant,
    pub expires_at: Instant,
    /// The authorization server refused the refresh token.
    pub refused: bool,
    /// When a refresh of ours brought the access token.
    pub refreshed_at: Option<Instant>,
}

impl Held {
    pub fn new(tokens: Tokens) -> Self {
        let age = tokens.age(Timestamp::now());
        let now = Instant::now();
        let third = refresh_pause(&tokens);
        Self {
            refresh_at: now + third.saturating_sub(age),
            expires_at: now + tokens.lifetime().saturating_sub(age),
            tokens,
            refused: false,
            refreshed_at: None,
        }
    }
}

/// One third of the token's life (spec/oauth.md, Refresh behaviour).
pub(crate) fn refresh_pause(tokens: &Tokens) -> Duration {
    (tokens.lifetime() / limits::REFRESH_AT_DIVISOR).max(limits::REFRESH_PAUSE_MIN)
}

/// An answer with its whole body.
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Client {
    /// Takes up the tokens of `file`, if it has some, and keeps them fresh in the background for as long as
    /// a clone of the client lives. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] when the token file cannot be read or TLS cannot be set up.
    pub fn new(config: Config, file: TokenFile) -> Result<Self, Error> {
        Self::with_paces(config, file, Arc::default())
    }

    /// As [`Client::new`], for another sign-in of a program: where one of these has the same OAuth client at the same
    /// service, both keep below the rate limit together.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn beside(others: &[&Self], config: Config, file: TokenFile) -> Result<Self, Error> {
        let same = others.iter().find(|other| {
            let known = &other.inner.config;
            known.client_id == config.client_id && known.hosts.api.origin() == config.hosts.api.origin()
        });
        let paces = same.map(|other| Arc::clone(&other.inner.paces)).unwrap_or_default();
        Self::with_paces(config, file, paces)
    }

    fn with_paces(config: Config, file: TokenFile, paces: Arc<Paces>) -> Result<Self, Error> {
        // Another part of the process may have installed a provider already: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("callfeed/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .timeout(limits::REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::local(format!("cannot set up HTTP: {error}")))?;
        let tokens = file.load(&config.client_id, &issuer(&config.hosts))?;
        let (changed, receiver) = watch::channel(0);
        let held = Mutex::new(tokens.map(Held::new));
        let refreshing = tokio::sync::Mutex::new(());
        let verifier = Mutex::default();
        let (time, told, novelty) = (Arc::default(), Told::default(), Novelty::default());
        let inner = Arc::new(Inner {
            config,
            http,
            file,
            held,
            refreshing,
            verifier,
            changed,
            paces,
            time,
            told,
            novelty,
        });
        tokio::spawn(oauth::keep_fresh(Arc::downgrade(&inner), receiver));
        Ok(Self { inner })
    }

    /// The service's time: this machine's, corrected by the `Date` of the last answer where the two differ by more than
    /// [`limits::CLOCK_TOLERANCE`]. What is asked for by time is asked for by this one.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.time.now()
    }

    /// Hears the service's time before anything else is asked, for programs whose first question has a time in it. A
    /// service that is away is none the worse: [`Client::now`] is this machine's time until it answers.
    pub async fn hear_time(&self) {
        let request = self.inner.http.head(self.inner.config.hosts.api.clone());
        if let Ok(answer) = request.timeout(limits::CLOCK_ASK_TIMEOUT).send().await {
            self.inner.time.heard(answer.headers(), Timestamp::now());
        }
    }

    /// A client of the same program for another person: nobody is signed in, and the tokens of whoever signs in are
    /// kept in memory alone, are not refreshed before they are refused, and end with the client.
    #[must_use]
    pub fn visitor(&self) -> Self {
        let inner = Inner {
            config: self.inner.config.clone(),
            http: self.inner.http.clone(),
            file: TokenFile::in_memory(),
            paces: Arc::default(),
            time: Arc::clone(&self.inner.time),
            told: Told::default(),
            novelty: Novelty::default(),
            held: Mutex::default(),
            refreshing: tokio::sync::Mutex::new(()),
            verifier: Mutex::default(),
            changed: watch::channel(0).0,
        };
        Self { inner: Arc::new(inner) }
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    #[must_use]
    pub fn redirect_uri(&self) -> &Url {
        &self.inner.config.redirect_uri
    }

    /// The service allows so many requests a second to each API, not the 10 that GoTo Connect allows. The client keeps to
    /// [`RATE_SHARE`](limits::RATE_SHARE) of it.
    pub fn allow_requests_per_s(&self, per_s: f64) {
        self.inner.paces.allow(per_s);
    }

    /// How many reports and lists of them this client asks for in a second at present, at most: what
    /// [`Client::allow_requests_per_s`] says, less while the service has answered 429. Programs of one OAuth client and user
    /// share it.
    #[must_use]
    pub fn report_requests_per_s(&self) -> f64 {
        self.inner.paces.rate(crate::rest::REPORTS_API)
    }

    /// E-mail address of the user who signed in, if known.
    #[must_use]
    pub fn principal(&self) -> Option<String> {
        self.inner.held()?.tokens.principal
    }

    /// Whether there are tokens that nobody has refused yet. Asks no server; see [`Client::ready`].
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.inner.held().is_some_and(|held| !held.refused)
    }

    /// When the sign-in ends unless the authorization server prolongs it, which it does by itself while the client
    /// runs; `None` when nobody is signed in or the end is not known.
    #[must_use]
    pub fn sign_in_ends(&self) -> Option<Timestamp> {
        self.inner.held().filter(|held| !held.refused)?.tokens.sign_in_ends()
    }

    /// A living access token, for a program that calls the APIs itself. It lives for at most an hour: ask again.
    ///
    /// # Errors
    /// As [`Client::ready`].
    pub async fn access_token(&self) -> Result<SecretString, Error> {
        self.inner.access_token().await.map(SecretString::from)
    }

    /// Makes sure that there is a living access token, refreshing it when it is too old.
    ///
    /// # Errors
    /// [`ErrorKind::SignInNeeded`] when a person must sign in; else why the refresh failed.
    pub async fn ready(&self) -> Result<(), Error> {
        self.inner.access_token().await.map(|_| ())
    }

    /// Resolves when other tokens are in use than at the time of the call.
    pub(crate) fn token_changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// What a token file is bound to.
pub(crate) fn issuer(hosts: &Hosts) -> String {
    hosts.auth.origin().ascii_serialization()
}

impl Inner {
    pub fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a refresh has brought this token less than [`limits::REFUSED_PAUSE`] ago.
    pub fn is_just_refreshed(&self, token: &str) -> bool {
        let held = self.held().filter(|held| held.tokens.access_token == token);
        let at = held.and_then(|held| held.refreshed_at);
        at.is_some_and(|at| at.elapsed() < limits::REFUSED_PAUSE)
    }

    /// Changes what is held without telling: the tokens stay the same.
    pub fn update_held(&self, change: impl FnOnce(&mut Held)) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_mut() {
            change(held);
        }
    }

    /// Puts new tokens into the file, then into use.
    pub fn install(&self, tokens: Tokens) -> Result<(), Error> {
        let saved = self.file.save(&tokens);
        self.take_up(tokens);
        saved
    }

    fn take_up(&self, tokens: Tokens) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held::new(tokens));
        self.tell_change();
    }

    pub fn tell_change(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Takes up tokens that another process has put into the file since; `false` when there are none.
    pub fn take_up_from_file(&self) -> bool {
        let loaded = match self.file.load(&self.config.client_id, &issuer(&self.config.hosts)) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::debug!("{error}");
                None
            }
        };
        let Some(tokens) = loaded else { return false };
        let is_newer = |held: &Held| {
            tokens.access_token != held.tokens.access_token && tokens.obtained >= held.tokens.obtained
        };
        let is_news = self.held().as_ref().is_none_or(is_newer);
        if is_news {
            self.take_up(tokens);
        }
        is_news
    }

    /// A living access token, refreshed first when it has expired.
    pub async fn access_token(self: &Arc<Self>) -> Result<String, Error> {
        match self.held() {
            None => Err(Error::new(ErrorKind::SignInNeeded, "nobody has signed in yet: sign in")),
            Some(held) if held.refused => Err(sign_in_again()),
            Some(held) if Instant::now() < held.expires_at => Ok(held.tokens.access_token),
            Some(held) => {
                self.refresh(&held.tokens.access_token).await?;
                self.held().map(|held| held.tokens.access_token).ok_or_else(sign_in_again)
            }
        }
    }

    pub async fn send(&self, doing: &str, request: reqwest::Request) -> Result<Answer, Error> {
        let answer = send(&self.http, doing, request).await?;
        self.time.heard(&answer.headers, Timestamp::now());
        Ok(answer)
    }
}

/// Sends one request and reads the whole answer. The debug log shows both, masked.
pub(crate) async fn send(
    http: &reqwest::Client,
    doing: &str,
    request: reqwest::Request,
) -> Result<Answer, Error> {
    let url = request.url().clone();
    let host = url.host_str().unwrap_or("?").to_owned();
    let method = request.method().clone();
    log_request(&request);
    let transport = |error: reqwest::Error| {
        let error = Error::from_transport(doing, &host, &error);
        tracing::debug!("{method} {}: {error}", mask::url(&url));
        error
    };
    let mut response = http.execute(request).await.map_err(transport)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limits::ANSWER_BYTES_MAX {
            return Err(
                Error::bad_answer(format!("{doing} failed: the answer is too long")).with_status(status)
            );
        }
        body.extend_from_slice(&chunk);
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        let text = mask::body(content_type(&headers), &body);
        tracing::debug!("{method} {} answered {status} {text}", mask::url(&url));
    }
    Ok(Answer { status, headers, body })
}

pub(crate) fn sign_in_again() -> Error {
    Error::new(ErrorKind::SignInNeeded, "the sign-in has ended: sign in again")
}

fn log_request(request: &reqwest::Request) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        let bytes = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let text = mask::body(content_type(request.headers()), bytes);
        tracing::debug!("{} {} {text}", request.method(), mask::url(request.url()));
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or("unknown type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sign_ins_of_one_oauth_client_keep_one_pace() {
        let client = |id: &str, others: &[&Client]| {
            let config = Config {
                client_id: id.to_owned(),
                client_secret: "s3cret".into(),
                redirect_uri: Url::parse("http://127.0.0.1:12021/app/redirect").unwrap(),
                hosts: Hosts::single(Url::parse("http://127.0.0.1:9").unwrap()),
            };
            Client::beside(others, config, TokenFile::in_memory()).unwrap()
        };
        let first = client("one", &[]);
        let (second, other) = (client("one", &[&first]), client("two", &[&first]));
        assert!(Arc::ptr_eq(&first.inner.paces, &second.inner.paces));
        assert!(!Arc::ptr_eq(&first.inner.paces, &other.inner.paces));
        assert!(!Arc::ptr_eq(&first.inner.paces, &first.visitor().inner.paces));
    }
}
