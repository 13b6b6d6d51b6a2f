//! An authorization request, checked: which program asks, for what, and where its user returns to.

use crate::app::App;
use crate::directory::example::{REDIRECT_PATH, REDIRECT_URIS};
use crate::extract::{Params, path_segment};
use crate::oauth::grants;
use crate::store::{ClientRow, StoreError};

/// A request whose client and redirect URI are known; whatever else is wrong may go back to the client.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    pub client: ClientRow,
    /// As sent, or the client's only one.
    pub redirect_uri: String,
    /// Whether the request named it; the token request must then repeat it.
    pub redirect_uri_sent: bool,
    pub response_type: String,
    /// `response_type=token` of a client that may use it: the answer stands in the fragment.
    pub implicit: bool,
    pub scopes: Vec<String>,
    pub state: Option<String>,
    /// PKCE S256; empty without.
    pub challenge: String,
    /// The original parameters, in the order of the spec, percent-encoded.
    query: String,
}

/// What a page says, since there is nowhere to return to.
#[derive(Debug)]
pub enum Refusal {
    Page { text: String },
    Fault(StoreError),
}

/// An error that goes back to the client: `error` and `error_description`.
pub type Returned = (&'static str, &'static str);

/// Order of spec/oauth.md, then what extends it.
const NAMES: [&str; 7] = [
    "client_id",
    "response_type",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

impl AuthorizationRequest {
    pub async fn read(app: &App, params: &Params) -> Result<Self, Refusal> {
        let page = |text: &str| Refusal::Page { text: text.to_owned() };
        let id = params.one("client_id").ok_or_else(|| page("The link names no program (client_id)."))?;
        let client = app.store.client(id).await.map_err(Refusal::Fault)?;
        let client =
            client.ok_or_else(|| page("The program that sent you here is not known (client_id)."))?;
        let sent = params.one("redirect_uri");
        let redirect_uri = match (sent, client.redirect_uris.as_slice()) {
            (Some(uri), registered) if is_registered(app, registered, uri) => uri.to_owned(),
            (None, [only]) => only.clone(),
            (Some(_), _) => {
                return Err(page(
                    "The address to return to is not registered for this program (redirect_uri). \
                     Add it to the program's redirect URIs, letter for letter.",
                ));
            }
            (None, _) => return Err(page("The link names no address to return to (redirect_uri).")),
        };
        let query: Vec<String> = NAMES
            .iter()
            .filter_map(|name| Some(format!("{name}={}", path_segment(params.one(name)?))))
            .collect();
        Ok(Self {
            redirect_uri,
            redirect_uri_sent: sent.is_some(),
            response_type: params.one("response_type").unwrap_or_default().to_owned(),
            implicit: params.one("response_type") == Some("token") && client.may(grants::IMPLICIT),
            scopes: granted_scopes(&client, params.one("scope")),
            state: params.one("state").map(str::to_owned),
            challenge: params.one("code_challenge").unwrap_or_default().to_owned(),
            query: query.join("&"),
            client,
        })
    }

    /// Mistakes that the client is told by a redirect.
    pub fn check(&self, params: &Params) -> Result<(), Returned> {
        match self.response_type.as_str() {
            "code" if self.client.may(grants::AUTHORIZATION_CODE) => {}
            "code" => return Err(("unauthorized_client", "This client may not use the code flow.")),
            "token" if self.implicit => {}
            "token" => return Err(("unauthorized_client", "This client may not use the implicit flow.")),
            "" => return Err(("invalid_request", "response_type is missing.")),
            _ => return Err(("unsupported_response_type", "response_type must be code.")),
        }
        if self.scopes.is_empty() {
            return Err(("invalid_scope", "The client has none of the scopes asked for."));
        }
        // `plain`, which is also what a missing method means, would show the verifier (RFC 9700 §2.1.1).
        let method = params.one("code_challenge_method");
        if !self.challenge.is_empty() && method != Some("S256") {
            return Err(("invalid_request", "code_challenge_method must be S256."));
        }
        if self.challenge.is_empty() && method.is_some() {
            return Err(("invalid_request", "code_challenge is missing."));
        }
        Ok(())
    }

    /// The approve step with the original parameters, relative to the public URL.
    pub fn approve_path(&self) -> String {
        format!("OAuth/approve?{}", self.query)
    }

    /// The same, as hidden fields of a form: it is parsed again when the form comes back.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The redirect URI with the given parameters and the state.
    pub fn return_with(&self, parameters: &[(&str, &str)]) -> String {
        let mut pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", path_segment(value))).collect();
        pairs.extend(self.state.as_deref().map(|state| format!("state={}", path_segment(state))));
        let joint = match (self.implicit, self.redirect_uri.contains('?')) {
            (true, _) => '#',
            (false, true) => '&',
            (false, false) => '?',
        };
        format!("{}{joint}{}", self.redirect_uri, pairs.join("&"))
    }
}

/// An error as parameters of a redirect.
pub fn returned<'a>(error: &'a str, description: &'a str) -> [(&'static str, &'a str); 2] {
    [("error", error), ("error_description", description)]
}

/// Absent means all scopes of the client; those that it lacks are not granted.
fn granted_scopes(client: &ClientRow, asked: Option<&str>) -> Vec<String> {
    match asked {
        None => client.scopes.clone(),
        Some(asked) => asked
            .split_whitespace()
            .filter(|s| client.scopes.iter().any(|has| has == s))
            .map(str::to_owned)
            .collect(),
    }
}

/// Exactly as registered. On a platform with the example office, whose apps may have to move to another port, a
/// loopback address may have any port (RFC 8252 §7.3), as long as the client registered the same path on loopback.
fn is_registered(app: &App, registered: &[String], uri: &str) -> bool {
    if registered.iter().any(|known| known == uri) {
        return true;
    }
    let Ok(url) = url::Url::parse(uri) else { return false };
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let plain = url.scheme() == "http" && url.query().is_none() && url.fragment().is_none();
    app.config.example_alone()
        && loopback
        && plain
        && url.username().is_empty()
        && url.path() == REDIRECT_PATH
        && registered.iter().any(|known| REDIRECT_URIS.contains(&known.as_str()))
}
