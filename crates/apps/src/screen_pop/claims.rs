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
use sqlx::AnyPool;

use super::{
    hub::Hub,
    language,
    routes::{Pages, acting, done, no_such_call},
    sight::Person,
};
use crate::store::claims as store;

/// What stands in the way of a claim.
#[derive(Debug)]
pub enum Refused {
    /// This colleague was faster, or is the one to give it back.
    Taken(String),
    /// There is no such missed call for the person.
    NotThere,
    Store(sqlx::Error),
}

impl Hub {
    /// A person takes the missed calls of a caller, or gives them back, which an admin may for others. Page and store
    /// change together, one claim at a time.
    ///
    /// # Errors
    /// When it is not theirs to take or to give back, or the store refuses; then nothing is changed.
    pub async fn claim(
        &self,
        pool: &AnyPool,
        person: &Person,
        call: &str,
        wanted: bool,
    ) -> Result<(), Refused> {
        let _one_at_a_time = self.claiming.lock().await;
        if !self.misses(person, call) {
            return Err(Refused::NotThere);
        }
        let may_free = !wanted && self.is_admin(person);
        let (ids, holder) = self.board(|board| {
            let ids = board.missed_like(call);
            // A later call of the same caller is the colleague's too.
            let holders = ids.iter().filter_map(|id| board.find(id)?.1.claimed.clone());
            let holder = holders.into_iter().find(|holder| *holder != person.id);
            (ids, holder)
        });
        if let Some(holder) = holder.filter(|_| !may_free) {
            return Err(Refused::Taken(self.lock().directory.name(&holder).to_owned()));
        }
        let taker = wanted.then_some(person.id.as_str());
        store::claim(pool, &ids, taker, Timestamp::now()).await.map_err(Refused::Store)?;
        self.board(|board| ids.iter().for_each(|id| board.set_claim(id, taker)));
        ids.iter().for_each(|id| self.publish_card(id));
        Ok(())
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
    match pages.hub.claim(&pages.store.pool, &visitor.person, &id, form.claim).await {
        Err(Refused::NotThere) => no_such_call(),
        Err(Refused::Taken(holder)) => {
            let texts = pages.hub.texts(language::of(&pages, &headers));
            (StatusCode::CONFLICT, texts.card.theirs.with("by", holder) + "\n").into_response()
        }
        Err(Refused::Store(error)) => done(Err(error)),
        Ok(()) => done(Ok(())),
    }
}
