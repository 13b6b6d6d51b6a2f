//! Missed calls that somebody takes: "I take this" holds for all calls of that caller, is seen by all at once, and first
//! come is first served.

use axum::{
    body::Body,
    extract::{Form, Path, State},
    http::{HeaderMap, Response, StatusCode},
    response::IntoResponse,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    hub::Hub,
    routes::{Pages, acting, done, no_such_call},
    sight::Person,
};
use crate::store::claims as store;

/// What became of a claim.
pub enum Claimed {
    /// These calls are this person's now, or nobody's.
    Done(Vec<String>),
    /// This colleague was faster.
    Taken(String),
    /// There is no such missed call for the person.
    NotThere,
}

impl Hub {
    /// A person takes the missed calls of a caller, or gives them back, which an admin may for others.
    pub fn claim(&self, person: &Person, call: &str, wanted: bool) -> Claimed {
        if !self.misses(person, call) {
            return Claimed::NotThere;
        }
        let may_free = self.is_admin(person);
        let claimed = self.board(|board| {
            let holder = board.find(call).and_then(|(_, call)| call.claimed.clone());
            if let Some(holder) = holder.filter(|holder| *holder != person.id && (wanted || !may_free)) {
                return Claimed::Taken(holder);
            }
            let ids = board.missed_like(call);
            for id in &ids {
                board.set_claim(id, wanted.then_some(&person.id));
            }
            Claimed::Done(ids)
        });
        match claimed {
            Claimed::Done(ids) => {
                ids.iter().for_each(|id| self.publish_card(id));
                Claimed::Done(ids)
            }
            Claimed::Taken(holder) => Claimed::Taken(self.lock().directory.name(&holder).to_owned()),
            Claimed::NotThere => Claimed::NotThere,
        }
    }
}

#[derive(Deserialize)]
pub struct ClaimForm {
    claim: bool,
}

/// `POST /calls/{id}/claim`: 204, 404 if it is no missed call of theirs, 409 with the colleague who was faster.
pub async fn claim(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<ClaimForm>,
) -> Response<Body> {
    let visitor = match acting(&pages, &headers, None).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    match pages.hub.claim(&visitor.person, &id, form.claim) {
        Claimed::NotThere => no_such_call(),
        Claimed::Taken(holder) => (StatusCode::CONFLICT, format!("{holder} takes this.\n")).into_response(),
        Claimed::Done(ids) => {
            let person = form.claim.then_some(visitor.person.id.as_str());
            done(store::claim(&pages.store.pool, &ids, person, Timestamp::now()).await)
        }
    }
}
