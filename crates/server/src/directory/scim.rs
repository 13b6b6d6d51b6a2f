//! `GET /identity/v1/Users/me`: where some programs look for the account key (spec/oauth.md).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use wire::directory::{ScimAccount, ScimGetGo, ScimMe};
use wire::{Extra, scope};

use super::lists;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiResult;

pub async fn me(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<ScimMe>> {
    caller.require(scope::SCIM_ME)?;
    let office = lists::own(&app, &caller)?;
    let admin = caller.user.super_admin.then_some("acctadmin");
    let entitlements = admin.into_iter().chain(["gotoconnect", "jive"]).map(str::to_owned).collect();
    let account = ScimAccount {
        value: office.account_key.clone(),
        display: office.name.clone(),
        entitlements,
        extra: Extra::new(),
    };
    Ok(Json(ScimMe {
        id: caller.user.user_key.clone(),
        user_name: caller.user.email.clone(),
        getgo: Some(ScimGetGo { accounts: vec![account], extra: Extra::new() }),
        extra: Extra::new(),
    }))
}
