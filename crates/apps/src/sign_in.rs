//! Signing in through the browser: a page on this machine waits for the redirect (spec/oauth.md, Redirect
//! handling on the client).

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use sdk::{Client, Error};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::session::SCOPES;

/// How a sign-in is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Print the login address and open nothing.
    pub no_browser: bool,
    /// The flag that changes the port, for the message that it is taken.
    pub listen_flag: &'static str,
    /// After a failure another address is shown without a new start: what the page tells the person.
    pub asks_again: bool,
}

impl Options {
    /// The same for a program that asks until somebody signs in.
    #[must_use]
    pub fn asking_again(self) -> Self {
        Self { asks_again: true, ..self }
    }
}

/// The person, or the authorization server in the redirect, said no.
#[derive(Debug, thiserror::Error)]
#[error("sign-in failed: {0}")]
pub struct Denied(String);

/// What the redirect brings.
#[derive(Debug, Default, Deserialize)]
pub struct RedirectQuery {
    pub code: Option<String>,
    pub state: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

/// What a redirect means.
#[derive(Debug, PartialEq, Eq)]
pub enum Redirect {
    /// To be exchanged with [`Client::exchange`].
    Code(String),
    /// The person, or the authorization server, said no: why, in words.
    Refused(String),
    /// Not the answer to our question: 403.
    Foreign,
}

impl RedirectQuery {
    /// Compares the state first: a foreign request learns and changes nothing.
    #[must_use]
    pub fn judge(self, expected_state: &str) -> Redirect {
        if self.state.as_deref() != Some(expected_state) {
            return Redirect::Foreign;
        }
        match (self.code, self.error.as_deref()) {
            (_, Some("access_denied")) => {
                Redirect::Refused("access was not allowed; sign in again and choose Allow".to_owned())
            }
            (_, Some(error)) => {
                let description = self.error_description.map(|text| format!(": {text}")).unwrap_or_default();
                Redirect::Refused(format!("the authorization server answered {error}{description}"))
            }
            (Some(code), None) if !code.is_empty() => Redirect::Code(code),
            _ => Redirect::Foreign,
        }
    }
}

/// The page that was shown last goes on being served for a moment.
#[derive(Debug)]
pub struct SignedIn {
    server: JoinHandle<()>,
}

impl SignedIn {
    /// Waits until the browser has had the time to load the last page.
    pub async fn page_shown(self) {
        let _ = self.server.await;
    }
}

/// Shows the login address, waits for the person and exchanges the code. The listener is shut afterwards.
///
/// # Errors
/// When the port is taken, the authorization server refuses, the person refuses, or `shutdown` comes first.
pub async fn sign_in(
    client: &Client,
    options: Options,
    shutdown: &CancellationToken,
) -> anyhow::Result<SignedIn> {
    sign_in_for(client, &SCOPES, options, shutdown).await
}

/// The same with other scopes.
///
/// # Errors
/// As [`sign_in`].
pub async fn sign_in_for(
    client: &Client,
    scopes: &[&str],
    options: Options,
    shutdown: &CancellationToken,
) -> anyhow::Result<SignedIn> {
    sign_in_until(client, scopes, options, std::future::pending(), shutdown).await
}

/// The same for as long as it is wanted: with `enough`, such as a sign-in elsewhere, the page ends as if somebody had
/// signed in at it.
///
/// # Errors
/// As [`sign_in`]; [`Denied`] when it was a person who refused.
pub async fn sign_in_until(
    client: &Client,
    scopes: &[&str],
    options: Options,
    enough: impl Future<Output = ()>,
    shutdown: &CancellationToken,
) -> anyhow::Result<SignedIn> {
    let listeners = listen(client, options).await?;
    let authorization = client.authorization(scopes).await?;
    let (result, mut results) = mpsc::channel(1);
    let waiting = Arc::new(Waiting { client: client.clone(), state: authorization.state, options, result });
    let router = Router::new()
        .route(client.redirect_uri().path(), get(redirect))
        .with_state(waiting)
        .merge(ui::assets());
    let done = CancellationToken::new();
    let server = tokio::spawn(serve(listeners, router, done.clone()));
    show(authorization.login_url.as_str(), options.no_browser);
    let outcome = tokio::select! {
        outcome = results.recv() => outcome.unwrap_or_else(|| Err(anyhow!("the redirect page has ended"))),
        () = enough => Ok(()),
        () = shutdown.cancelled() => Err(anyhow!("sign-in failed: stopped before anybody signed in")),
    };
    let linger = outcome.is_ok() || !shutdown.is_cancelled();
    let closing = tokio::spawn(async move {
        if linger {
            tokio::time::sleep(limits::SIGN_IN_LINGER).await;
        }
        done.cancel();
        let _ = server.await;
    });
    match outcome {
        Ok(()) => Ok(SignedIn { server: closing }),
        Err(error) => {
            let _ = closing.await;
            Err(error)
        }
    }
}

/// Prints the login address on stderr and opens the browser where there is one.
pub fn show(login_url: &str, no_browser: bool) {
    say(&format!("Sign in to GoTo Connect at this address:\n\n{login_url}\n"));
    if !no_browser && has_browser() {
        // It is a help, not a need: the address is printed.
        if let Err(error) = open::that_detached(login_url) {
            tracing::debug!("no browser could be opened: {error}");
        }
    }
}

/// A line for the person at the terminal. Without one there is nobody to tell, which is no error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether this looks like a person's screen. A program without a terminal or display opens nothing.
fn has_browser() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(any(target_os = "macos", target_os = "windows")) {
        return io::stderr().is_terminal();
    }
    set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Listens on `host`:`port` of this machine; `localhost` is both its addresses, the second if there is one.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when the port is taken.
pub async fn bind_loopback(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if !host.eq_ignore_ascii_case("localhost") {
        let address: IpAddr = host
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "neither localhost nor an IP"))?;
        return Ok(vec![TcpListener::bind(SocketAddr::new(address, port)).await?]);
    }
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    // With port 0 the second must take what the first got.
    let port = first.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(second) => Ok(vec![first, second]),
        // Taken there means that a browser could meet another program at `localhost`.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![first]),
    }
}

async fn listen(client: &Client, options: Options) -> anyhow::Result<Vec<TcpListener>> {
    let uri = client.redirect_uri();
    let host = uri.host_str().context("the redirect URI has no host")?;
    let port = uri.port_or_known_default().context("the redirect URI has no port")?;
    bind_loopback(host, port).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{host}:{port} is taken by another program: if that is callfeed reports, which waits there for a sign-in \
             itself, open the address that its log shows; else end it, or choose another address with {} HOST:PORT \
             (and register its redirect URI for the OAuth client)",
            options.listen_flag
        ),
        _ => anyhow::anyhow!("cannot listen on {host}:{port}: {error}"),
    })
}

async fn serve(listeners: Vec<TcpListener>, router: Router, done: CancellationToken) {
    let servers = listeners.into_iter().map(|listener| {
        let done = done.clone();
        let server = axum::serve(listener, router.clone());
        async move {
            // A browser may hold its connection open for minutes: that is not waited for.
            tokio::select! {
                _ = server => {}
                () = done.cancelled() => {}
            }
        }
    });
    futures_util::future::join_all(servers).await;
}

struct Waiting {
    client: Client,
    state: String,
    options: Options,
    result: mpsc::Sender<anyhow::Result<()>>,
}

async fn redirect(State(waiting): State<Arc<Waiting>>, Query(query): Query<RedirectQuery>) -> Response {
    let outcome = match query.judge(&waiting.state) {
        Redirect::Foreign => return foreign_page(),
        Redirect::Refused(text) => Err((text.clone(), Denied(text).into())),
        Redirect::Code(code) => waiting.client.exchange(&code).await.map_err(|error| {
            let text = error.to_string();
            (text, anyhow::Error::new(error).context("sign-in failed"))
        }),
    };
    let (page, outcome) = match outcome {
        Ok(()) => (signed_in_page(), Ok(())),
        Err((text, error)) if waiting.options.asks_again => (page_of(&text, ASKS_AGAIN), Err(error)),
        Err((text, error)) => (failed_page(&text), Err(error)),
    };
    // A second answer, when the person reloads the page, is of no interest.
    let _ = waiting.result.try_send(outcome);
    page
}

/// 403 for an answer to a question that we did not ask.
#[must_use]
pub fn foreign_page() -> Response {
    let text = "This is not the answer to the last sign-in. Open the login address again.";
    ui::page(StatusCode::FORBIDDEN, &ui::Message::new("Not signed in", text), &[])
}

#[must_use]
pub fn signed_in_page() -> Response {
    let text = "You can close this window.";
    ui::page(StatusCode::OK, &ui::Message::new("You are signed in.", text), &[])
}

/// The page after a refusal or an error; `text` says why.
#[must_use]
pub fn failed_page(text: &str) -> Response {
    page_of(text, "Start the program again for another login address.")
}

const ASKS_AGAIN: &str = "The program shows another login address in a moment, where it showed this one.";

fn page_of(text: &str, detail: &'static str) -> Response {
    let page = ui::Message::new("Not signed in", capitalised(text));
    let page = page.with_detail(detail);
    ui::page(StatusCode::BAD_REQUEST, &page, &[])
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).chain(".".chars()).collect())
        .unwrap_or_default()
}

/// Whether an error of a request means that this flow is needed.
#[must_use]
pub fn is_needed(error: &Error) -> bool {
    error.kind == sdk::ErrorKind::SignInNeeded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(code: Option<&str>, state: &str, error: Option<&str>) -> Redirect {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let query = RedirectQuery {
            code: owned(code),
            state: Some(state.to_owned()),
            error: owned(error),
            error_description: None,
        };
        query.judge("right")
    }

    #[test]
    fn only_the_answer_to_our_question_counts() {
        assert_eq!(judge(Some("c"), "right", None), Redirect::Code("c".to_owned()));
        assert_eq!(judge(Some("c"), "wrong", None), Redirect::Foreign);
        assert_eq!(judge(None, "wrong", Some("access_denied")), Redirect::Foreign);
        assert_eq!(judge(None, "right", None), Redirect::Foreign);
        assert_eq!(RedirectQuery::default().judge("right"), Redirect::Foreign);
        assert!(matches!(judge(None, "right", Some("access_denied")), Redirect::Refused(_)));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_on_localhost_too() {
        let first = bind_loopback("127.0.0.1", 0).await.unwrap();
        let port = first[0].local_addr().unwrap().port();
        let error = bind_loopback("localhost", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
