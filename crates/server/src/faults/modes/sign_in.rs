//! Open questions of signing in (spec/oauth.md).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use wire::error::code;

use crate::faults::Fault;
use crate::faults::body::refusal;
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::grant::OnGrant;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::reach::Channels;
use crate::faults::shapes::items;

const TOKEN: &str = "POST /oauth/token";
const FORM: Parameter = Parameter {
    name: "form",
    what: "what the two lists have",
    bounds: Bounds::Choice(&["texts", "objects"]),
};

pub const KINDS: &[Kind] = &[
    Kind::new(
        "token-type-missing",
        "A token answer has no token_type.",
        "Documented: it may be missing on refresh.",
    )
    .request(OnRequest::alter(&[TOKEN], without_type)),
    Kind::new(
        "body-credentials-refused",
        "A token request without Authorization: Basic is 401 invalid_client.",
        "Open: Basic is the only documented way.",
    )
    .request(OnRequest::refuse(&[TOKEN], without_basic)),
    Kind::new(
        "pkce-refused",
        "A token request with code_verifier is 400 invalid_request.",
        "Open: no source mentions PKCE.",
    )
    .request(OnRequest::refuse(&[TOKEN], verifier_refused)),
    Kind::new(
        "pkce-ignored",
        "A code is exchanged whatever its code_verifier, or without one.",
        "Open: no source mentions PKCE.",
    )
    .grant(OnGrant::AnyVerifier),
    Kind::new(
        "code-refused",
        "An authorization code is answered 400 invalid_grant, as when its life is over.",
        "Open: how long a code lives.",
    )
    .once()
    .request(OnRequest::refuse(&[TOKEN], code_refused)),
    Kind::new(
        "old-token-answer",
        "A token answer has the retired members account_key, account_type, email, organizer_key and version too.",
        "Documented: of the retired endpoints.",
    )
    .request(OnRequest::alter(&[TOKEN], retired_members)),
    Kind::new(
        "grant-errors-401",
        "The token endpoint's errors about grants are 401, not 400.",
        "Open: no source lists these errors.",
    )
    .request(OnRequest::alter(&[TOKEN], grant_errors)),
    Kind::new(
        "old-access-ends",
        "A new access token ends the older ones of the same client and user.",
        "Open: whether the older ones live on.",
    )
    // No channel is named where a token is issued.
    .only(Channels::NONE)
    .request(OLD_ACCESS_ENDS),
    Kind::new(
        "not-admin",
        "GET /admin/rest/v1/me is 401 not.authenticated, as for a user who is no admin.",
        "Seen.",
    )
    .request(OnRequest::refuse(&["GET /admin/rest/v1/me$"], not_admin)),
    Kind::new(
        "scim-no-accounts",
        "GET /identity/v1/Users/me has no accounts.",
        "Sources differ: one integrator did not find them.",
    )
    .request(OnRequest::alter(&["GET /identity/v1/Users/me"], no_accounts)),
    Kind::new(
        "user-permissions",
        "GET /users/v1/me has permissions and outboundPhoneNumbers.",
        "Open: what stands in them.",
    )
    .with(&[FORM])
    .request(OnRequest::alter(&["GET /users/v1/me"], permissions)),
];

fn ok(answer: &Answer) -> bool {
    answer.status.is_success() && answer.json.is_object()
}

fn without_type(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.json.as_object_mut().is_some_and(|members| members.remove("token_type").is_some())
}

fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description});
    (status, axum::Json(body)).into_response()
}

fn without_basic(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let refuse = || oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "client not found");
    (!asked.parts.headers.contains_key(header::AUTHORIZATION)).then(refuse)
}

fn verifier_refused(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let description = "unknown parameter code_verifier";
    asked.form().one("code_verifier")?;
    Some(oauth_error(StatusCode::BAD_REQUEST, "invalid_request", description))
}

fn code_refused(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let refuse = || oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", "invalid authorization code");
    (asked.form().one("grant_type") == Some("authorization_code")).then(refuse)
}

fn retired_members(_: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    if !ok(answer) {
        return false;
    }
    answer.json["account_key"] = json!(asked.account_key);
    answer.json["account_type"] = json!("");
    answer.json["email"] = answer.json["principal"].clone();
    answer.json["organizer_key"] = json!(asked.account_key);
    answer.json["version"] = json!("3");
    true
}

fn grant_errors(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let about_grant = answer.status == StatusCode::BAD_REQUEST && answer.json["error"] == "invalid_grant";
    if about_grant {
        answer.status = StatusCode::UNAUTHORIZED;
    }
    about_grant
}

const OLD_ACCESS_ENDS: OnRequest =
    OnRequest { on: &[""], refuse: Some(older_token), alter: Some(remember_issue), ..OnRequest::NOTHING };

fn remember_issue(fault: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    if ok(answer) && asked.path == "/oauth/token" {
        let client = asked.client_id().unwrap_or_default();
        // The request's arrival lies between the older tokens and the new one.
        fault.remember(&format!("{client} {}", answer.json["principal"]), asked.at_us);
    }
    false
}

fn older_token(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let (_, issued_us) = asked.token.as_ref()?;
    let client = asked.client_id().unwrap_or_default();
    let newest_us = fault.remembered(&format!("{client} {}", json!(asked.email)))?;
    let message = "The supplied authentication token is not valid.";
    (*issued_us < newest_us).then(|| refusal(StatusCode::UNAUTHORIZED, code::AUTHN_INVALID_TOKEN, message))
}

fn not_admin(_: &Fault, _: &Asked<'_>) -> Option<Response> {
    Some(refusal(StatusCode::UNAUTHORIZED, code::NOT_AUTHENTICATED, "The user is no admin."))
}

fn no_accounts(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let extension = answer.json.get_mut("urn:scim:schemas:extension:getgo:1.0");
    let members = extension.and_then(|extension| extension.as_object_mut());
    members.is_some_and(|members| members.remove("accounts").is_some())
}

fn permissions(fault: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let (permissions, numbers) = match fault.text("form") {
        "objects" => (
            json!([{"name": "VIEW_REPORTS", "scope": "ACCOUNT"}]),
            json!([{"number": "+13125550100", "name": "Main Number"}]),
        ),
        _ => (json!(["VIEW_REPORTS", "ACCESS_CALL_RECORDINGS"]), json!(["+13125550100"])),
    };
    let list = items(&mut answer.json);
    let mut changed = false;
    for account in list.into_iter().flatten() {
        account["permissions"] = permissions.clone();
        account["outboundPhoneNumbers"] = numbers.clone();
        changed = true;
    }
    changed
}
