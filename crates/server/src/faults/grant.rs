//! What the token endpoint does otherwise with a grant: the spec says one thing of young refresh tokens, another of old
//! ones, nothing of the one that was replaced, and nothing of PKCE (spec/oauth.md, Refresh behaviour; Endpoints).

use std::sync::Arc;

use super::{Fault, Scope};
use crate::app::App;
use crate::store::{StoreResult, TokenRow};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGrant {
    /// A new one every time.
    Always,
    /// Never a new one.
    Never,
    /// A new one every time, and the old one is refused from then on.
    AlwaysAndEnd,
    /// PKCE is not looked at.
    AnyVerifier,
}

/// Whether a refresh brings a new refresh token; `usual` is what happens without a fault. `None`: the token that was
/// used is refused.
pub async fn rotates(app: &App, hash: &str, present: &TokenRow, usual: bool) -> StoreResult<Option<bool>> {
    if !app.faults.at_requests() {
        return Ok(Some(usual));
    }
    let Some(user) = app.store.user(&present.user_key).await? else { return Ok(Some(usual)) };
    let mut with_new = usual;
    for (fault, on) in concerned(app, &user.account_key, &present.client_id) {
        if on == OnGrant::AnyVerifier {
            continue;
        }
        if on == OnGrant::AlwaysAndEnd && fault.remembered(hash).is_some() {
            return Ok(None);
        }
        if !app.faults.strike(&fault) {
            continue;
        }
        with_new = on != OnGrant::Never;
        if on == OnGrant::AlwaysAndEnd {
            fault.remember(hash, 1);
        }
    }
    Ok(Some(with_new))
}

/// Whether a code is exchanged whatever its verifier.
pub async fn ignores_verifier(app: &App, client_id: &str, user_key: &str) -> StoreResult<bool> {
    if !app.faults.at_requests() {
        return Ok(false);
    }
    let Some(user) = app.store.user(user_key).await? else { return Ok(false) };
    let faults = concerned(app, &user.account_key, client_id);
    Ok(faults.iter().any(|(fault, on)| *on == OnGrant::AnyVerifier && app.faults.strike(fault)))
}

fn concerned(app: &App, account_key: &str, client_id: &str) -> Vec<(Arc<Fault>, OnGrant)> {
    let is_for = |fault: &Fault| match &fault.scope {
        Scope::All => true,
        Scope::Client(id) => id == client_id,
        Scope::Channel(_) => false,
    };
    let active = app.faults.active(account_key).into_iter().filter(|fault| is_for(fault));
    active.filter_map(|fault| fault.kind.grant.map(|on| (fault, on))).collect()
}
