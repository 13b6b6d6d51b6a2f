//! Users and lines (spec/users-lines-admin.md, Users and lines).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::Office;
use schemars::JsonSchema;
use serde::Serialize;
use wire::directory::{Line, MyAccount, Organization, User};
use wire::{Extra, Page, scope};

use super::lists;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, Path};
use crate::limits;

/// A list that comes whole.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Items<T> {
    items: Vec<T>,
}

/// `GET /me`: the caller's accounts, each with the caller's lines.
pub async fn me(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<Items<MyAccount>>> {
    caller.require(scope::USERS_READ)?;
    let office = lists::own(&app, &caller)?;
    let account = MyAccount {
        account_key: office.account_key.clone(),
        organization_id: office.organization_id.clone(),
        organization_name: office.name.clone(),
        lines: lines_of(&office, &caller.user.user_key),
        permissions: Vec::new(),
        outbound_phone_numbers: Vec::new(),
        extra: Extra::new(),
    };
    Ok(Json(Items { items: vec![account] }))
}

/// `GET /users?accountKey=`: the people of an account with their lines, for its super admin.
pub async fn users(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<Page<User>>> {
    caller.require(scope::USERS_READ)?;
    let account_key =
        params.one("accountKey").ok_or_else(|| ApiError::bad_request("accountKey", "REQUIRED"))?;
    let office = lists::administered(&app, &caller, account_key)?;
    let users = office.users.iter().map(|person| user(&office, person)).collect();
    // This list does not say how long its pages are.
    Ok(Json(Page { page_size: None, ..lists::page(users, &params, limits::PAGE_SIZE)? }))
}

/// `GET /lines`: the caller's own.
pub async fn lines(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<Items<Line>>> {
    caller.require(scope::LINES_READ)?;
    let office = lists::own(&app, &caller)?;
    Ok(Json(Items { items: lines_of(&office, &caller.user.user_key) }))
}

/// `GET /users/{userKey}/lines`: own, or anybody's as super admin. An e-mail address in place of the key is
/// deprecated and works.
pub async fn lines_of_user(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(key): Path<String>,
) -> ApiResult<Json<Items<Line>>> {
    caller.require(scope::LINES_READ)?;
    let own = key == caller.user.user_key || key.eq_ignore_ascii_case(&caller.user.email);
    if !own && !caller.user.super_admin {
        return Err(ApiError::forbidden("Other people's lines ask for a super admin."));
    }
    let office = lists::own(&app, &caller)?;
    let named = |person: &&engine::User| person.key == key || person.email.eq_ignore_ascii_case(&key);
    let person = office.users.iter().find(named).ok_or_else(ApiError::not_found)?;
    Ok(Json(Items { items: lines_of(&office, &person.key) }))
}

/// A person as lists show it.
pub fn user(office: &Office, person: &engine::User) -> User {
    User {
        user_key: person.key.clone(),
        user_id: person.id.clone(),
        lines: lines_of(office, &person.key),
        extra: Extra::new(),
    }
}

/// A user's lines; the first is the primary one.
fn lines_of(office: &Office, user_key: &str) -> Vec<Line> {
    let lines = office.lines.iter().filter(|line| line.user_key == user_key);
    lines
        .enumerate()
        .map(|(place, line)| Line {
            id: line.id.clone(),
            name: line.name.clone(),
            number: line.extension.clone(),
            organization: Organization {
                id: office.organization_id.clone(),
                name: office.name.clone(),
                extra: Extra::new(),
            },
            account_key: office.account_key.clone(),
            primary: place == 0,
            region: Some(office.region.clone()),
            extra: Extra::new(),
        })
        .collect()
}
