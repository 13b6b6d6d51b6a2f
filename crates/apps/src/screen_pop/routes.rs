//! What the browser gets and sends: the board and its events, what people do to cards, signing in and out. Each route asks
//! first who comes; a call that is not theirs is not there for them.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Form, Path, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    middleware,
    response::{IntoResponse, Redirect},
    routing::{get, post, put},
};
use futures_util::stream;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Interval, MissedTickBehavior, interval},
};
use ui::Lang;
use url::Url;

use super::{
    callers::Callers,
    claims,
    contacts_page::{self, ContactFiles},
    door::{Door, Visitor},
    enter,
    hub::Hub,
    kept_contacts, language,
    limits::{FORM_BYTES_MAX, HEARTBEAT, MARKS_RESTORED_MAX, NOTES_FORM_BYTES_MAX},
    marks::Marked,
    notes,
    server::only_own_names,
    settings, wallboard,
    written::{Kept, Written},
};
use crate::store::{
    Store,
    desks::{self as store, Dismissed, Mark},
    languages,
};

/// Path of the OAuth redirect URI.
pub const REDIRECT_PATH: &str = "/app/redirect";
/// Header of the session's proof, for requests that are no forms.
const PROOF: &str = "x-callfeed-proof";

/// A code that came back from the sign-in, and where to tell what became of it.
pub struct Code {
    pub code: String,
    /// What went wrong, for the person who waits.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// What the routes share.
#[derive(Clone)]
pub struct Pages {
    pub hub: Arc<Hub>,
    pub callers: Arc<Callers>,
    pub door: Arc<Door>,
    pub store: Store,
    /// Where files of contacts are kept.
    pub contacts: ContactFiles,
    /// Takes the codes of the app's own sign-ins whose state was right.
    pub codes: mpsc::Sender<Code>,
    /// Host of the listen address.
    pub host: String,
    /// Address of the page.
    pub page: Url,
    /// Host and port of the public address, where there is one.
    pub public: Option<String>,
}

/// The routes of the page.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", get(board))
        .route("/events", get(events))
        .route("/alerts", post(alert))
        .route("/settings", post(settings::settings))
        .route("/language", post(language::choose))
        .route("/calls/close-finished", post(close_finished))
        .route("/calls/{id}", get(one))
        .route("/calls/{id}/close", post(close))
        .route("/calls/{id}/pin", post(pin))
        .route("/calls/{id}/code", post(code))
        .route("/calls/{id}/claim", post(claims::claim))
        .route("/calls/{id}/notes", post(notes::notes).layer(DefaultBodyLimit::max(NOTES_FORM_BYTES_MAX)))
        .route("/calls/{id}/log", post(log_again))
        .route("/wallboard", get(wallboard::page))
        .route("/wallboard/events", get(wallboard::events))
        .route("/wallboard/links", post(wallboard::change_links))
        .route("/wall/{token}", get(wallboard::by_link))
        .route("/wall/{token}/events", get(wallboard::events_by_link))
        .route("/contacts", get(contacts_page::page).post(contacts_page::map))
        .route("/contacts/file", put(contacts_page::drop_file))
        .route("/contacts/remove", post(contacts_page::remove))
        .route("/contacts/kept", get(kept_contacts::page).post(kept_contacts::amend))
        .route("/contacts/kept/remove", post(kept_contacts::remove))
        .route("/callers/pick", post(pick))
        .route("/callers/new", post(new_contact))
        .route("/sign-in", get(enter::begin))
        .route("/sign-out", post(enter::leave))
        .route(REDIRECT_PATH, get(enter::redirect))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(
            |State(pages): State<Pages>, headers: HeaderMap| async move { no_such_page(&pages, &headers) },
        )
        .merge(ui::assets())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(pages.clone(), only_own_names))
        .with_state(pages)
}

fn no_such_page(pages: &Pages, headers: &HeaderMap) -> Response<Body> {
    language::page(pages, headers, StatusCode::NOT_FOUND, |texts| &texts.errors.no_page)
}

/// The visitor of a request, seated; else the answer that refuses it.
pub(super) async fn seated(pages: &Pages, headers: &HeaderMap) -> Result<Visitor, Response<Body>> {
    let Some(visitor) = pages.door.visitor(headers) else {
        let text = "Sign in on the first page of this address.\n";
        return Err((StatusCode::UNAUTHORIZED, text).into_response());
    };
    seat(pages, &visitor).await.map_err(|error| {
        tracing::error!(%error, "a desk could not be read");
        language::page(pages, headers, StatusCode::INTERNAL_SERVER_ERROR, |texts| &texts.errors.store)
    })?;
    Ok(visitor)
}

async fn seat(pages: &Pages, visitor: &Visitor) -> sqlx::Result<()> {
    let person = &visitor.person;
    if pages.hub.has_seat(person) {
        return Ok(());
    }
    // What is being written down is read when it is written.
    let _turn = pages.hub.turn(person).await;
    if pages.hub.has_seat(person) {
        return Ok(());
    }
    let choice = store::choice(&pages.store.pool, &person.id).await?;
    let mut marks = store::marks(&pages.store.pool, &person.id, MARKS_RESTORED_MAX).await?;
    // What was written of a call that is still shown must not look as if it had not been.
    let calls: Vec<String> =
        pages.hub.board(|board| board.calls().iter().map(|call| call.id.clone()).collect());
    marks.extend(store::marks_of(&pages.store.pool, &person.id, &calls).await?);
    let language = languages::chosen(&pages.store.pool, &person.id).await?;
    pages.hub.seat(person, choice, marks, language);
    Ok(())
}

/// The visitor of a request that changes something: it comes from a page of ours and carries the session's proof.
pub(super) async fn acting(
    pages: &Pages,
    headers: &HeaderMap,
    proof: Option<&str>,
) -> Result<Visitor, Response<Body>> {
    if !enter::is_from_own_page(headers) {
        return Err(enter::foreign_form(pages, headers));
    }
    let visitor = seated(pages, headers).await?;
    let header = headers.get(PROOF).and_then(|value| value.to_str().ok());
    if visitor.proof.is_empty() || header.or(proof) == Some(&visitor.proof) {
        return Ok(visitor);
    }
    Err(enter::foreign_form(pages, headers))
}

async fn board(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    if pages.door.visitor(&headers).is_none() {
        return enter::page(&pages, &headers, "/");
    }
    let visitor = match seated(&pages, &headers).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let lang = language::of(&pages, &headers);
    let Some(mut page) = pages.hub.page(&visitor.person, lang) else { return no_such_page(&pages, &headers) };
    page.desk.key = super::secrets::digest("desk", &visitor.person.id);
    page.desk.proof = visitor.proof;
    ui::page(StatusCode::OK, &page, &[])
}

async fn one(State(pages): State<Pages>, headers: HeaderMap, Path(id): Path<String>) -> Response<Body> {
    let visitor = match seated(&pages, &headers).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    match pages.hub.one(&visitor.person, &id, language::of(&pages, &headers)) {
        Some(card) => ui::page(StatusCode::OK, &card, &[]),
        None => no_such_call(),
    }
}

pub(super) fn no_such_call() -> Response<Body> {
    (StatusCode::NOT_FOUND, "There is no such call for you.\n").into_response()
}

async fn events(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    let visitor = match seated(&pages, &headers).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let lang = language::of(&pages, &headers);
    event_stream(pages.hub.subscribe(&visitor.person, &visitor.session, last, lang))
}

/// The answer that goes on until the queue ends; without one there is no room.
pub(super) fn event_stream(events: Option<mpsc::Receiver<Bytes>>) -> Response<Body> {
    let Some(events) = events else {
        let text = "Too many pages are open. Close some and try again.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let mut response = Body::from_stream(stream::unfold((events, heartbeat()), next_bytes)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A proxy that gathers bytes would hold the cards back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[derive(Deserialize)]
struct CallForm {
    call: String,
}

/// One of a person's pages asks whether it is the one that rings.
async fn alert(State(pages): State<Pages>, headers: HeaderMap, Form(form): Form<CallForm>) -> Response<Body> {
    match acting(&pages, &headers, None).await {
        Ok(visitor) if pages.hub.may_ring(&visitor.person, &form.call) => {
            StatusCode::NO_CONTENT.into_response()
        }
        // No error, which browsers would write into their log.
        Ok(_) => "Another page rings, or nothing does.\n".into_response(),
        Err(refused) => refused,
    }
}

#[derive(Deserialize)]
struct CloseForm {
    /// A missed call is seen to.
    #[serde(default)]
    seen_to: bool,
}

/// A closed card is none of the active ones. A missed call stays among the missed ones until it is seen to.
async fn close(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<CloseForm>,
) -> Response<Body> {
    change(&pages, &headers, &id, |mark, ring| {
        mark.pinned = false;
        mark.dismissed = if form.seen_to { Dismissed::ForGood } else { Dismissed::Ring(ring) };
    })
    .await
}

async fn close_finished(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    let visitor = match acting(&pages, &headers, None).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let _turn = pages.hub.turn(&visitor.person).await;
    let marks = pages.hub.close_finished(&visitor.person);
    done(store::mark_all(&pages.store.pool, &visitor.person.id, &marks, Timestamp::now()).await)
}

#[derive(Deserialize)]
struct PinForm {
    pinned: bool,
}

async fn pin(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<PinForm>,
) -> Response<Body> {
    change(&pages, &headers, &id, |mark, _| mark.pinned = form.pinned).await
}

/// A call that could not be written to the CRM is tried again.
async fn log_again(State(pages): State<Pages>, headers: HeaderMap, Path(id): Path<String>) -> Response<Body> {
    if let Err(refused) = may_tell_of(&pages, &headers, &id).await {
        return refused;
    }
    match pages.callers.log_again(&id).await {
        Ok(false) => no_such_call(),
        tried => done(tried.map(|_| ())),
    }
}

#[derive(Deserialize)]
struct CodeForm {
    code: String,
}

/// What came of a call: one of the words that `sources.toml` lists, or nothing.
async fn code(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<CodeForm>,
) -> Response<Body> {
    if !form.code.is_empty() && !pages.hub.outcomes().contains(&form.code) {
        return (StatusCode::BAD_REQUEST, "This is none of the outcomes that are set up.\n").into_response();
    }
    change(&pages, &headers, &id, |mark, _| mark.code = form.code).await
}

async fn change(
    pages: &Pages,
    headers: &HeaderMap,
    id: &str,
    change: impl FnOnce(&mut Mark, u64),
) -> Response<Body> {
    let visitor = match acting(pages, headers, None).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    match keep(pages, &visitor, id, change).await {
        Ok(None) => no_such_call(),
        kept => done(kept.map(|_| ())),
    }
}

/// Stored first for the pages that show it, then on disk: the answer says that both are done. None if there is no such call
/// for the visitor.
pub(super) async fn keep(
    pages: &Pages,
    visitor: &Visitor,
    id: &str,
    change: impl FnOnce(&mut Mark, u64),
) -> sqlx::Result<Option<Marked>> {
    let turn = pages.hub.turn(&visitor.person).await;
    let Some(marked) = pages.hub.mark(&visitor.person, id, change) else { return Ok(None) };
    store::mark(&pages.store.pool, &visitor.person.id, id, &marked.mark, Timestamp::now()).await?;
    drop(turn);
    let (callers, id) = (Arc::clone(&pages.callers), id.to_owned());
    // The answer waits for no CRM.
    tokio::spawn(async move { callers.log(&id).await });
    Ok(Some(marked))
}

pub(super) fn done(result: sqlx::Result<()>) -> Response<Body> {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::error!(%error, "what a person did to a card could not be kept");
            (StatusCode::INTERNAL_SERVER_ERROR, "This was not kept. Try again.\n").into_response()
        }
    }
}

#[derive(Deserialize)]
struct PickForm {
    call: String,
    contact: String,
}

#[derive(Deserialize)]
struct NewContactForm {
    call: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    notes: String,
}

/// Refuses what is said of a caller by somebody to whom the call is not there.
async fn may_tell_of(pages: &Pages, headers: &HeaderMap, call: &str) -> Result<(), Response<Body>> {
    let visitor = acting(pages, headers, None).await?;
    if pages.hub.one(&visitor.person, call, Lang::default()).is_none() {
        return Err(kept(pages, headers, Ok(Kept::Gone)));
    }
    Ok(())
}

async fn pick(State(pages): State<Pages>, headers: HeaderMap, Form(form): Form<PickForm>) -> Response<Body> {
    if let Err(refused) = may_tell_of(&pages, &headers, &form.call).await {
        return refused;
    }
    let picked = pages.callers.pick(&form.call, &form.contact).await;
    kept(&pages, &headers, picked.map(|picked| if picked { Kept::Yes } else { Kept::Gone }))
}

async fn new_contact(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<NewContactForm>,
) -> Response<Body> {
    if let Err(refused) = may_tell_of(&pages, &headers, &form.call).await {
        return refused;
    }
    let written = Written { name: form.name, company: form.company, notes: form.notes };
    let result = pages.callers.add(&form.call, &written).await;
    kept(&pages, &headers, result)
}

fn kept(pages: &Pages, headers: &HeaderMap, result: sqlx::Result<Kept>) -> Response<Body> {
    match result {
        Ok(Kept::Yes) => Redirect::to("/").into_response(),
        Ok(why) => language::page(pages, headers, StatusCode::BAD_REQUEST, |texts| match why {
            Kept::NoName => &texts.errors.no_name,
            _ => &texts.errors.not_kept,
        }),
        Err(error) => {
            tracing::error!(%error, "a contact could not be kept");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            language::page(pages, headers, status, |texts| &texts.errors.contacts)
        }
    }
}

type Events = (mpsc::Receiver<Bytes>, Interval);

async fn next_bytes((mut events, mut heartbeat): Events) -> Option<(io::Result<Bytes>, Events)> {
    let bytes = tokio::select! {
        bytes = events.recv() => bytes?,
        _ = heartbeat.tick() => Bytes::from_static(b":\n\n"),
    };
    Some((Ok(bytes), (events, heartbeat)))
}

fn heartbeat() -> Interval {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}
