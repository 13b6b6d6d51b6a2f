//! Open questions of signing in (spec/oauth.md).

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use wire::error::code;

use crate::faults::Fault;
use crate::faults::body::refusal;
use crate::faults::catalogue::Kind;
use crate::faults::http::{Answer, Asked, OnRequest};

const TOKEN: &str = "POST /oauth/token";

pub const KINDS: &[Kind] = &[
    Kind::new("token-type-missing", "A token answer has no token_type.", "oauth.md, Answer, 200")
        .request(OnRequest::alter(&[TOKEN], without_type)),
    Kind::new(
        "old-token-answer",
        "A token answer has the retired members account_key, account_type, email, organizer_key and version too.",
        "oauth.md, Endpoints",
    )
    .request(OnRequest::alter(&[TOKEN], retired_members)),
    Kind::new(
        "grant-errors-401",
        "The token endpoint's errors about grants are 401, not 400.",
        "oauth.md, Errors",
    )
    .request(OnRequest::alter(&[TOKEN], grant_errors)),
    Kind::new(
        "old-access-ends",
        "A new access token ends the older ones of the same client and user.",
        "oauth.md, Refresh behaviour",
    )
    .request(OLD_ACCESS_ENDS),
    Kind::new(
        "not-admin",
        "GET /admin/rest/v1/me is 401 not.authenticated, as for a user who is no admin.",
        "oauth.md, Where account keys come from",
    )
    .request(OnRequest::refuse(&["GET /admin/rest/v1"], not_admin)),
    Kind::new(
        "scim-no-accounts",
        "GET /identity/v1/Users/me has no accounts.",
        "oauth.md, Where account keys come from",
    )
    .request(OnRequest::alter(&["GET /identity/v1/Users/me"], no_accounts)),
];

fn ok(answer: &Answer) -> bool {
    answer.status.is_success() && answer.json.is_object()
}

fn without_type(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.json.as_object_mut().is_some_and(|members| members.remove("token_type").is_some())
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
    OnRequest { on: &[""], slow: false, ask: None, refuse: Some(older_token), alter: Some(remember_issue) };

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
