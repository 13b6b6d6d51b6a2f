//! Signing in and staying signed in (spec/oauth.md). The readings of RFC 6749 come from the `oauth2` crate.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
    BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AccessToken, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::client::{Client, Inner, issuer, refresh_pause, send, sign_in_again};
use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::tokens::{TokenLock, Tokens, Version};

/// RFC 6749 makes `expires_in` optional; the specification says 3600 s.
const EXPIRES_IN_DEFAULT_S: u64 = 3600;

type OAuthClient = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Where a person signs in, and what to expect back at the redirect URI.
#[derive(Clone)]
pub struct Authorization {
    /// Address to open in a browser.
    pub login_url: Url,
    /// `state` that must come back; anything else is to be refused with 403.
    pub state: String,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization { … }")
    }
}

impl Client {
    /// Asks the authorization server where a person signs in. The authorize address itself is requested here,
    /// without following its redirect, as the official clients do.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for anything but a 302 with a `Location`.
    pub async fn authorization(&self, scopes: &[&str]) -> Result<Authorization, Error> {
        let state = CsrfToken::new(random_state());
        let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
        let client = self.inner.oauth()?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) =
            client.authorize_url(|| state).add_scopes(scopes).set_pkce_challenge(challenge).url();
        let doing = "asking for the login page";
        let request =
            self.inner.http.get(url.clone()).build().map_err(|error| request_error(doing, &error))?;
        let answer = self.inner.send(doing, request).await?;
        if answer.status != 302 {
            return Err(authorize_refused(doing, answer.status));
        }
        let location = answer.headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
        let login_url = location.and_then(|location| url.join(location).ok()).ok_or_else(|| {
            Error::bad_answer(format!("{doing} failed: status 302 without a usable Location"))
        })?;
        *self.inner.verifier.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(SecretString::from(verifier.into_secret()));
        Ok(Authorization { login_url, state: state.into_secret() })
    }

    /// Exchanges the code that came to the redirect URI for tokens and keeps them. A code works once, and only the
    /// one that the last [`Client::authorization`] has led to.
    ///
    /// # Errors
    /// [`ErrorKind::SignInNeeded`] when the code was refused; see [`ErrorKind`] for the rest.
    pub async fn exchange(&self, code: &str) -> Result<(), Error> {
        // With a refresh of the old sign-in at the same time the older tokens could win.
        let _guard = self.inner.refreshing.lock().await;
        let _lock = self.inner.lock_file().await;
        let doing = "exchanging the code for tokens";
        let http = TokenHttp { http: self.inner.http.clone(), doing };
        let client = self.inner.oauth()?;
        let id = self.inner.config.client_id.as_str();
        let mut request =
            client.exchange_code(AuthorizationCode::new(code.to_owned())).add_extra_param("client_id", id);
        let verifier = self.inner.verifier.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(verifier) = verifier {
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
        }
        let answer = request.request_async(&http).await.map_err(|error| token_error(doing, error))?;
        let tokens = self.inner.tokens_from(answer, None);
        self.inner.install(tokens)
    }
}

impl Inner {
    fn oauth(&self) -> Result<OAuthClient, Error> {
        let endpoint = |path: &str| {
            let url = self.config.hosts.auth.join(path);
            url.map_err(|error| Error::local(format!("the authorization host is no base URL: {error}")))
        };
        let redirect = RedirectUrl::new(self.config.redirect_uri.to_string());
        let redirect = redirect.map_err(|error| Error::local(format!("wrong redirect URI: {error}")))?;
        Ok(oauth2::Client::new(ClientId::new(self.config.client_id.clone()))
            .set_client_secret(ClientSecret::new(self.config.client_secret.expose_secret().to_owned()))
            .set_auth_uri(AuthUrl::from_url(endpoint("/oauth/authorize")?))
            .set_token_uri(TokenUrl::from_url(endpoint("/oauth/token")?))
            .set_redirect_uri(redirect))
    }

    /// A folder that cannot be written is no obstacle: the tokens still serve this process.
    async fn lock_file(&self) -> Option<TokenLock> {
        let locked = self.file.lock().await;
        locked.inspect_err(|error| tracing::warn!("{error}")).ok()
    }

    /// Gets a new access token unless another task or process has meanwhile. `stale` is the one that no longer
    /// serves. It goes on when the caller does not: a service that replaces refresh tokens may have taken the old one
    /// back already, and the answer with the new one must be kept.
    pub async fn refresh(self: &Arc<Self>, stale: &str) -> Result<(), Error> {
        let (inner, stale) = (Arc::clone(self), stale.to_owned());
        let refreshing = tokio::spawn(async move { inner.refresh_to_the_end(&stale).await });
        refreshing.await.unwrap_or_else(|_| Err(Error::local("refreshing the sign-in was cut off")))
    }

    async fn refresh_to_the_end(&self, stale: &str) -> Result<(), Error> {
        let _guard = self.refreshing.lock().await;
        let Some(held) = self.held() else { return Err(sign_in_again()) };
        if held.tokens.access_token != stale {
            return Ok(());
        }
        let _lock = self.lock_file().await;
        if self.take_up_from_file() {
            return Ok(());
        }
        let old = held.tokens;
        let result = match &old.refresh_token {
            _ if held.refused => Err(sign_in_again()),
            None => Err(sign_in_again()),
            Some(token) => self.request_refresh(token.clone()).await,
        };
        match result {
            Ok(answer) => {
                let tokens = self.tokens_from(answer, Some(&old));
                // Tokens that cannot be kept on disk still serve until the next start.
                if let Err(error) = self.install(tokens) {
                    tracing::error!("{error}");
                }
                self.update_held(|held| held.refreshed_at = Some(Instant::now()));
                tracing::debug!("access token refreshed");
                Ok(())
            }
            Err(error) => {
                let pause = refresh_pause(&old);
                self.update_held(|held| {
                    held.refused |= error.kind == ErrorKind::SignInNeeded;
                    held.refresh_at = Instant::now() + pause;
                });
                if error.kind == ErrorKind::SignInNeeded {
                    self.tell_change();
                }
                Err(error)
            }
        }
    }

    async fn request_refresh(&self, token: String) -> Result<TokenAnswer, Error> {
        let doing = "refreshing the sign-in";
        let http = TokenHttp { http: self.http.clone(), doing };
        let token = RefreshToken::new(token);
        let client = self.oauth()?;
        let request = client.exchange_refresh_token(&token);
        request.request_async(&http).await.map_err(|error| token_error(doing, error))
    }

    fn tokens_from(&self, answer: TokenAnswer, old: Option<&Tokens>) -> Tokens {
        let old_refresh = old.and_then(|old| old.refresh_token.clone());
        let is_same =
            answer.refresh_token.as_ref().is_none_or(|new| Some(new.secret()) == old_refresh.as_ref());
        let now = Timestamp::now();
        let refresh_obtained =
            old.filter(|_| is_same).map_or(now, |old| old.refresh_obtained.unwrap_or(old.obtained));
        Tokens {
            issuer: issuer(&self.config.hosts),
            client_id: self.config.client_id.clone(),
            access_token: answer.access_token.into_secret(),
            // An answer without one means: keep using the old (spec/oauth.md, Refresh behaviour).
            refresh_token: answer.refresh_token.map(RefreshToken::into_secret).or(old_refresh),
            refresh_obtained: Some(refresh_obtained),
            signed_in: old.map_or(Some(now), |old| old.signed_in),
            expires_in_s: answer.expires_in.unwrap_or(EXPIRES_IN_DEFAULT_S),
            obtained: now,
            scope: answer.scope.or_else(|| old?.scope.clone()),
            principal: answer.principal.or_else(|| old?.principal.clone()),
        }
    }
}

/// Carries the requests of the `oauth2` crate over our own HTTP client.
struct TokenHttp {
    http: reqwest::Client,
    doing: &'static str,
}

impl<'c> oauth2::AsyncHttpClient<'c> for TokenHttp {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl TokenHttp {
    /// "Not now" is an error here already, because its body need not be an OAuth error.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let request =
            reqwest::Request::try_from(request).map_err(|error| request_error(self.doing, &error))?;
        let answer = send(&self.http, self.doing, request).await?;
        if answer.status == 429 || answer.status >= 500 {
            return Err(Error::from_answer(self.doing, answer.status, &answer.body));
        }
        let mut response = HttpResponse::new(answer.body);
        *response.status_mut() = http::StatusCode::from_u16(answer.status)
            .map_err(|error| Error::bad_answer(error.to_string()))?;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// Refreshes at a third of the token's life for as long as the client lives; a failure is tried again at the
/// next tick, so two more fit before the token expires. Tokens that another process puts into the file are taken up
/// every [`limits::TOKEN_FILE_LOOK`]: where somebody has signed in anew, what is in use may lack the rights of that.
pub(crate) async fn keep_fresh(client: Weak<Inner>, mut changed: watch::Receiver<u64>) {
    let mut warned: Option<Instant> = None;
    let mut seen = None;
    loop {
        let Some(held) = client.upgrade().map(|inner| inner.held()) else { return };
        let due = held.filter(|held| !held.refused && held.tokens.refresh_token.is_some());
        let look = Instant::now() + limits::TOKEN_FILE_LOOK;
        let tick = tokio::time::sleep_until(due.as_ref().map_or(look, |held| held.refresh_at.min(look)));
        tokio::select! {
            result = changed.changed() => match result {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = tick => {}
        }
        let Some(inner) = client.upgrade() else { return };
        inner.look_for_sign_in(&mut seen);
        let Some(held) = due.filter(|held| Instant::now() >= held.refresh_at) else { continue };
        // Somebody else may have refreshed or failed meanwhile.
        if inner.held().is_some_and(|now| now.refresh_at > held.refresh_at) {
            continue;
        }
        match inner.refresh(&held.tokens.access_token).await {
            Ok(()) => inner.warn_of_end(&mut warned),
            Err(error) if error.kind == ErrorKind::SignInNeeded => tracing::error!("{error}"),
            Err(error) => {
                tracing::warn!("{error}; the next try is in {} s", refresh_pause(&held.tokens).as_secs());
            }
        }
    }
}

impl Inner {
    /// `seen` is the version of the file that was looked at last.
    fn look_for_sign_in(&self, seen: &mut Option<Version>) {
        // What is being fetched now is newer than the file.
        let Ok(_guard) = self.refreshing.try_lock() else { return };
        // Access tokens without a refresh token serve as long as they live.
        let needed = self.held().is_none_or(|held| held.refused || Instant::now() >= held.expires_at);
        let version = self.file.version();
        let is_read = version.is_none() || (version == *seen && !needed);
        *seen = version;
        if is_read || !self.take_up_from_file() {
            return;
        }
        match needed {
            true => tracing::info!("another process has signed in"),
            false => tracing::debug!("the tokens of another process are taken up"),
        }
    }

    fn warn_of_end(&self, warned: &mut Option<Instant>) {
        let Some(end) = self.held().and_then(|held| held.tokens.sign_in_ends()) else { return };
        let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
        let recently = warned.is_some_and(|at| at.elapsed() < limits::SIGN_IN_WARNING_EVERY);
        if left > limits::SIGN_IN_WARNING || recently {
            return;
        }
        *warned = Some(Instant::now());
        let days = left.as_secs_f64() / 86_400.0;
        tracing::warn!("the sign-in ends in {days:.1} days ({end:.0}): sign in again before that");
    }
}

/// 15 random bytes in hex, as the official clients make it.
fn random_state() -> String {
    let random = CsrfToken::new_random_len(15);
    let bytes =
        URL_SAFE_NO_PAD.decode(random.secret()).unwrap_or_else(|_| random.secret().as_bytes().to_vec());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn authorize_refused(doing: &str, status: u16) -> Error {
    if status >= 500 || status == 429 {
        return Error::from_answer(doing, status, b"");
    }
    let text = format!(
        "{doing} failed: the authorization server answered {status} instead of 302; check OAUTH_CLIENT_ID, and that \
         the redirect URI is registered for that client"
    );
    Error::new(ErrorKind::Rejected, text).with_status(status)
}

fn request_error(doing: &str, error: &reqwest::Error) -> Error {
    Error::local(format!(
        "{doing} failed: {}",
        error.to_string().split(" for url").next().unwrap_or_default()
    ))
}

fn token_error(doing: &str, error: RequestTokenError<Error, BasicErrorResponse>) -> Error {
    let response = match error {
        RequestTokenError::Request(error) => return error,
        RequestTokenError::Parse(error, _) => {
            return Error::bad_answer(format!("{doing} failed: unreadable answer at {}", error.path()));
        }
        RequestTokenError::Other(text) => return Error::bad_answer(format!("{doing} failed: {text}")),
        RequestTokenError::ServerResponse(response) => response,
    };
    let code = response.error().as_ref().to_owned();
    let (kind, advice) = match response.error() {
        BasicErrorResponseType::InvalidGrant => (ErrorKind::SignInNeeded, "sign in again"),
        BasicErrorResponseType::InvalidClient => {
            (ErrorKind::Rejected, "check OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET")
        }
        BasicErrorResponseType::UnauthorizedClient => {
            (ErrorKind::Rejected, "allow this grant type in the settings of the OAuth client")
        }
        BasicErrorResponseType::InvalidScope => (ErrorKind::Rejected, "add the scopes to the OAuth client"),
        _ => (ErrorKind::Rejected, "check the OAuth client"),
    };
    let said = response.error_description().map(|text| format!(": {text}")).unwrap_or_default();
    Error::new(kind, format!("{doing} failed{said}; {advice}")).with_code(Some(code))
}

/// The `oauth2` crate's own type insists on `token_type`, which may be missing on a refresh.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TokenAnswer {
    access_token: AccessToken,
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    principal: Option<String>,
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl oauth2::TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}
