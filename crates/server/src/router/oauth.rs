//! The authorization server's endpoints for programs (spec/oauth.md), with RFC 7009, 7662 and 8414 as extras.

use schemars::json_schema;
use serde_json::{Value, json};
use wire::error::ApiError;
use wire::oauth::{OAuthError, TokenResponse};

use crate::oauth::{authorize, grants, inspect, token};
use crate::openapi::operation::{Operation, op};
use crate::openapi::parameters::Parameter;
use crate::openapi::routes::Routes;

pub fn routes() -> Routes {
    Routes::new("OAuth 2.0", "")
        .get("/oauth/authorize", authorize::authorize, authorize_operation())
        .post("/oauth/token", token::token, token_operation())
        .post(
            "/oauth/revoke",
            inspect::revoke,
            refused(op("revokeToken", "End a token (RFC 7009)").client().form(of_token())).answer(200, "It has ended."),
        )
        .post(
            "/oauth/introspect",
            inspect::introspect,
            refused(op("introspectToken", "Ask what a token is (RFC 7662)").client().form(of_token()))
                .answers::<inspect::Introspection>(200, "Only `active` unless the token is good.", ""),
        )
        .get(
            "/.well-known/oauth-authorization-server",
            inspect::metadata,
            op("readMetadata", "Where everything is (RFC 8414)").answer(200, "The metadata.").content(
                "application/json",
                |_| json_schema!({
                    "type": "object",
                    "required": ["issuer", "authorization_endpoint", "token_endpoint", "response_types_supported"],
                }),
                None,
            ),
        )
}

fn authorize_operation() -> Operation {
    op("authorize", "Begin a sign-in: open this in a browser")
        .about(
            "Without `redirect_uri` the client's only one counts; a token request must repeat it if it is sent. Errors \
             go back to the redirect URI as `error`, once client and redirect URI are known.",
        )
        .query([
            Parameter::text("client_id", "The client.").required(),
            Parameter::text("response_type", "`code`, or `token` for the implicit flow."),
            Parameter::text("redirect_uri", "One of the client's."),
            Parameter::text("scope", "Separated by spaces; all of the client's unless given."),
            Parameter::text("state", "Comes back unchanged."),
            Parameter::text("code_challenge", "PKCE (RFC 7636)."),
            Parameter::text("code_challenge_method", "`S256`."),
        ])
        .answer(302, "To the login page, or back with an error.")
        .header("Location", "Where the browser goes.")
        .answer(400, "A page: the client or its redirect URI is not known.")
        .bytes("text/html")
        .content("application/json", |g| g.subschema_for::<ApiError>(), None)
}

fn token_operation() -> Operation {
    let grant = |name: &str, required: &[&str]| {
        let required = [&["grant_type"], required].concat();
        json!({"properties": {"grant_type": {"const": name}}, "required": required})
    };
    let text = |text: &str| json!({"type": "string", "description": text});
    let form = json!({
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": {"type": "string"},
            "code": text("From the redirect; works once, for ten minutes."),
            "redirect_uri": text("As in the authorization request."),
            "code_verifier": text("PKCE (RFC 7636)."),
            "refresh_token": text("Lives 30 days; the answer brings a new one when 60 % of that have passed."),
            "pat": text("A personal access token."),
            "scope": text("Narrows what is granted."),
            "client_id": text("Instead of Basic, with `client_secret`."),
            "client_secret": text("Instead of Basic."),
        },
        "oneOf": [
            grant(grants::AUTHORIZATION_CODE, &["code"]),
            grant(grants::REFRESH_TOKEN, &["refresh_token"]),
            grant(grants::PERSONAL_ACCESS_TOKEN, &["pat"]),
        ],
    });
    refused(
        op("token", "Get tokens for a code, a refresh token or a personal access token").client().form(form),
    )
    .answers::<TokenResponse>(200, "The tokens.", "oauth-token-response.json")
}

/// Refusals of RFC 6749 §5.2, which are not the APIs' error body.
fn refused(operation: Operation) -> Operation {
    operation
        .answers::<OAuthError>(400, "Refused: `error` says why.", "oauth-error-invalid-grant.json")
        .answers::<OAuthError>(
        401,
        "The client, or its grant type, is not allowed.",
        "oauth-error-invalid-client.json",
    )
}

fn of_token() -> Value {
    json!({
        "type": "object",
        "required": ["token"],
        "properties": {
            "token": {"type": "string", "minLength": 1},
            "token_type_hint": {"type": "string"},
            "client_id": {"type": "string", "description": "Instead of Basic, with `client_secret`."},
            "client_secret": {"type": "string", "description": "Instead of Basic."},
        },
    })
}
