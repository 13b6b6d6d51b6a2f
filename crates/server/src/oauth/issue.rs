//! Making tokens: the same for every grant type.

use wire::Extra;
use wire::oauth::TokenResponse;

use super::grants;
use crate::app::App;
use crate::limits;
use crate::secrets;
use crate::store::{Basis, ClientRow, StoreResult, TokenKind, TokenRow};

/// What tokens are issued for.
pub struct Grant<'a> {
    pub client: &'a ClientRow,
    pub user_key: &'a str,
    pub scopes: &'a [String],
    /// Hash of the code, or id of the personal access token; all tokens of a grant share it.
    pub grant_id: &'a str,
    pub grant_type: &'a str,
    pub basis: Basis<'a>,
    pub with_refresh: bool,
}

/// `None` if the user, the client or the grant does not exist any more.
pub async fn issue(app: &App, grant: Grant<'_>) -> StoreResult<Option<TokenResponse>> {
    let Some(user) = app.store.user(grant.user_key).await? else { return Ok(None) };
    let created_us = app.clock.now_us();
    let row = |life_s: i64| TokenRow {
        client_id: grant.client.client_id.clone(),
        user_key: grant.user_key.to_owned(),
        scopes: grant.scopes.to_vec(),
        created_us,
        expires_us: created_us + life_s * 1_000_000,
        grant_id: grant.grant_id.to_owned(),
        grant_type: grant.grant_type.to_owned(),
    };
    let access = secrets::token("cfa_");
    let with_refresh = grant.with_refresh && grant.client.may(grants::REFRESH_TOKEN);
    let refresh = with_refresh.then(|| secrets::token("cfr_"));
    let mut tokens = vec![(TokenKind::Access, secrets::hash(&access), row(limits::ACCESS_TOKEN_LIFE_S))];
    if let Some(refresh) = &refresh {
        tokens.push((TokenKind::Refresh, secrets::hash(refresh), row(limits::REFRESH_TOKEN_LIFE_S)));
    }
    if !app.store.issue_tokens(grant.basis, &tokens).await? {
        return Ok(None);
    }
    for (_, hash, _) in &tokens {
        app.clock.issued(hash);
    }
    Ok(Some(TokenResponse {
        access_token: access,
        token_type: Some("Bearer".into()),
        refresh_token: refresh,
        expires_in: limits::ACCESS_TOKEN_LIFE_S.unsigned_abs(),
        scope: Some(grant.scopes.join(" ")),
        principal: Some(user.email),
        // Level of assurance, as seen in answers to personal access tokens (spec/oauth.md).
        loa: (grant.grant_type == grants::PERSONAL_ACCESS_TOKEN).then_some(3),
        extra: Extra::new(),
    }))
}
