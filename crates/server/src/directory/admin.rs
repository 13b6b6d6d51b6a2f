//! Admin API (spec/users-lines-admin.md): for super admins who signed in, and for nobody else.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use wire::directory::{AdminAccount, AdminMe};
use wire::error::code;
use wire::{Extra, scope};

use super::lists;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, Path};
use crate::limits;

/// A user with the attributes that were asked for, always with the key.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AdminPerson")]
#[serde(rename_all = "camelCase")]
pub struct Person {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
}

/// Both indices are inclusive and count from 0; in an empty page they are equal.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AdminPeople")]
pub struct People {
    results: Vec<Person>,
    from_index: i64,
    to_index: i64,
    total: usize,
}

/// `GET /me`.
pub async fn me(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<AdminMe>> {
    check(&caller)?;
    let office = lists::own(&app, &caller)?;
    let person = office.users.iter().find(|person| person.key == caller.user.user_key);
    let (first_name, last_name) = match person {
        Some(person) => (person.first_name.clone(), person.last_name.clone()),
        None => (caller.user.name.clone(), String::new()),
    };
    let account =
        AdminAccount { key: office.account_key.clone(), name: office.name.clone(), extra: Extra::new() };
    Ok(Json(AdminMe {
        key: caller.user.user_key.clone(),
        email: caller.user.email.clone(),
        first_name,
        last_name,
        account_key: office.account_key.clone(),
        accounts: vec![account],
        extra: Extra::new(),
    }))
}

/// `GET /accounts/{accountKey}/users?attributes=&offset=&pageSize=`. Attributes that no user has are ignored.
pub async fn users(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(account_key): Path<String>,
    params: Params,
) -> ApiResult<Json<People>> {
    check(&caller)?;
    let office = lists::administered(&app, &caller, &account_key)?;
    let size = params.page_size_or(limits::ADMIN_PAGE_SIZE)?;
    let offset = params.integer("offset")?.unwrap_or(0);
    let skip = usize::try_from(offset).map_err(|_| ApiError::bad_request("offset", "INVALID"))?;
    let attributes = params.one("attributes").unwrap_or("key,email");
    let asked = |name: &str| attributes.split(',').any(|attribute| attribute.trim() == name);
    let with = |name: &str, value: &str| asked(name).then(|| value.to_owned());
    let results: Vec<Person> = office
        .users
        .iter()
        .skip(skip)
        .take(size.unsigned_abs() as usize)
        .map(|person| Person {
            key: person.key.clone(),
            email: with("email", &person.email),
            first_name: with("firstName", &person.first_name),
            last_name: with("lastName", &person.last_name),
        })
        .collect();
    let to_index = offset.saturating_add(results.len().saturating_sub(1) as i64);
    Ok(Json(People { results, from_index: offset, to_index, total: office.users.len() }))
}

/// Scope first; then 401 for who is no admin, and for a token of the wrong kind.
fn check(caller: &Caller) -> ApiResult<()> {
    caller.require(scope::IDENTITY)?;
    if caller.user.super_admin && !caller.personal_access_token {
        return Ok(());
    }
    Err(ApiError::unauthorized(
        code::NOT_AUTHENTICATED,
        "The Admin API is for administrators who signed in with a login page.",
    ))
}
