//! What becomes of a refresh token when it is used: the spec says one thing of young ones, another of old ones, and
//! nothing of the one that was replaced (spec/oauth.md, Refresh behaviour).

use super::Scope;
use crate::app::App;
use crate::store::{StoreResult, TokenRow};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRefresh {
    /// A new one every time.
    Always,
    /// Never a new one.
    Never,
    /// A new one every time, and the old one is refused from then on.
    AlwaysAndEnd,
}

/// Whether a refresh brings a new refresh token; `usual` is what happens without a fault. `None`: the token that was
/// used is refused.
pub async fn rotates(app: &App, hash: &str, present: &TokenRow, usual: bool) -> StoreResult<Option<bool>> {
    if !app.faults.at_requests() {
        return Ok(Some(usual));
    }
    let Some(user) = app.store.user(&present.user_key).await? else { return Ok(Some(usual)) };
    let mut with_new = usual;
    for fault in app.faults.active(&user.account_key) {
        let concerned = match &fault.scope {
            Scope::All => true,
            Scope::Client(id) => *id == present.client_id,
            Scope::Channel(_) => false,
        };
        let Some(on) = fault.kind.refresh.filter(|_| concerned) else { continue };
        if on == OnRefresh::AlwaysAndEnd && fault.remembered(hash).is_some() {
            return Ok(None);
        }
        if !app.faults.strike(&fault) {
            continue;
        }
        with_new = on != OnRefresh::Never;
        if on == OnRefresh::AlwaysAndEnd {
            fault.remember(hash, 1);
        }
    }
    Ok(Some(with_new))
}
