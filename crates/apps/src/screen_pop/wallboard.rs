//! The wallboard's pages: for who is signed in, and by a read-only link that an admin makes and takes away. A link is 256
//! bits of chance, of which the store has the digest; who has it sees the wall and nothing else.

use axum::{
    body::Body,
    extract::{Form, Path, State},
    http::{HeaderMap, Response, StatusCode},
    response::{IntoResponse, Redirect},
};
use jiff::Timestamp;
use serde::Deserialize;
use ui::Wallboard;

use super::{
    door::Visitor,
    enter, language,
    limits::WALL_LINKS_MAX,
    routes::{Pages, event_stream, seated},
    secrets::{digest, token},
    when::full,
};
use crate::store::wall_links as store;

/// Where a page hears of changes.
const EVENTS: &str = "/wallboard/events";

/// `GET /wallboard`
pub async fn page(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    if pages.door.visitor(&headers).is_none() {
        return enter::page(&pages, &headers, "/wallboard");
    }
    match seated(&pages, &headers).await {
        Ok(visitor) => shown(&pages, &headers, &visitor, None).await,
        Err(refused) => refused,
    }
}

async fn shown(
    pages: &Pages,
    headers: &HeaderMap,
    visitor: &Visitor,
    new_link: Option<String>,
) -> Response<Body> {
    let links = if pages.hub.is_admin(&visitor.person) {
        match store::all(&pages.store.pool).await {
            Ok(links) => Some(links),
            Err(error) => return not_now(pages, headers, &error),
        }
    } else {
        None
    };
    let mut page = wall(pages, headers, EVENTS.to_owned(), "/wallboard".to_owned());
    let texts = page.texts.clone();
    let line = |link: store::WallLink| {
        let when = full(&link.made.to_zoned(pages.hub.zone().clone()), &texts);
        let made = match link.by.as_str() {
            "" => texts.wall.made.with("when", when),
            by => texts.wall.made_by.fill(&[("when", &when), ("by", &by)]),
        };
        ui::WallLink { id: link.digest, made }
    };
    page.is_desk = true;
    page.keys = pages.hub.choice(&visitor.person).is_some_and(|choice| choice.keys);
    page.proof = visitor.proof.clone();
    page.links = links.map(|links| links.into_iter().map(line).collect());
    page.new_link = new_link;
    ui::page(StatusCode::OK, &page, &[])
}

fn wall(pages: &Pages, headers: &HeaderMap, events: String, here: String) -> Wallboard {
    let lang = language::of(pages, headers);
    let (wall, link) = pages.hub.wall(lang);
    let now_ms = Timestamp::now().as_millisecond();
    Wallboard {
        wall,
        link,
        events,
        here,
        now_ms,
        texts: pages.hub.texts(lang).clone(),
        ..Wallboard::default()
    }
}

/// `GET /wallboard/events`
pub async fn events(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    match seated(&pages, &headers).await {
        Ok(visitor) => {
            event_stream(pages.hub.subscribe_wall(&visitor.session, language::of(&pages, &headers)))
        }
        Err(refused) => refused,
    }
}

/// `GET /wall/{token}`
pub async fn by_link(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Response<Body> {
    if let Err(refused) = link_of(&pages, &headers, &token).await {
        return refused;
    }
    let mut page = wall(&pages, &headers, format!("/wall/{token}/events"), format!("/wall/{token}"));
    // Of somebody who is signed in besides, to choose their language.
    page.proof = pages.door.visitor(&headers).map(|visitor| visitor.proof).unwrap_or_default();
    ui::page(StatusCode::OK, &page, &[])
}

/// `GET /wall/{token}/events`
pub async fn events_by_link(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Response<Body> {
    match link_of(&pages, &headers, &token).await {
        Ok(key) => event_stream(pages.hub.subscribe_wall(&key, language::of(&pages, &headers))),
        Err(refused) => refused,
    }
}

/// The digest of a link that holds.
async fn link_of(pages: &Pages, headers: &HeaderMap, token: &str) -> Result<String, Response<Body>> {
    let key = digest("wall", token);
    match store::holds(&pages.store.pool, &key).await {
        Ok(true) => Ok(key),
        Ok(false) => {
            Err(language::page(pages, headers, StatusCode::NOT_FOUND, |texts| &texts.errors.dead_link))
        }
        Err(error) => Err(not_now(pages, headers, &error)),
    }
}

#[derive(Deserialize)]
pub struct LinkForm {
    proof: String,
    /// Digest of the link that is to end; none to make a new one.
    end: Option<String>,
}

/// `POST /wallboard/links`: an admin makes a link, which is shown this once, or takes one away.
pub async fn change_links(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<LinkForm>,
) -> Response<Body> {
    let visitor = match seated(&pages, &headers).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    // With our referrer policy a browser's form has no origin; the proof alone tells that it is ours.
    if form.proof != visitor.proof {
        return enter::foreign_form(&pages, &headers);
    }
    if !pages.hub.is_admin(&visitor.person) {
        return language::page(&pages, &headers, StatusCode::FORBIDDEN, |texts| &texts.errors.admins_only);
    }
    if let Some(key) = form.end {
        return match store::end(&pages.store.pool, &key).await {
            Ok(()) => {
                pages.hub.close_walls(&key);
                Redirect::to("/wallboard").into_response()
            }
            Err(error) => not_now(&pages, &headers, &error),
        };
    }
    make_link(&pages, &headers, &visitor).await
}

async fn make_link(pages: &Pages, headers: &HeaderMap, visitor: &Visitor) -> Response<Body> {
    let Ok(token) = token() else {
        return language::page(pages, headers, StatusCode::INTERNAL_SERVER_ERROR, |texts| {
            &texts.errors.no_chance
        });
    };
    let key = digest("wall", &token);
    let now = Timestamp::now();
    match store::add(&pages.store.pool, &key, &visitor.person.id, now, WALL_LINKS_MAX).await {
        Ok(true) => {
            shown(pages, headers, visitor, pages.page.join(&format!("wall/{token}")).ok().map(String::from))
                .await
        }
        Ok(false) => {
            let words = &pages.hub.texts(language::of(pages, headers)).page.wallboard;
            let page = language::message(pages, headers, |texts| &texts.errors.many_links)
                .with_link(words, "/wallboard");
            ui::page(StatusCode::CONFLICT, &page, &[])
        }
        Err(error) => not_now(pages, headers, &error),
    }
}

fn not_now(pages: &Pages, headers: &HeaderMap, error: &sqlx::Error) -> Response<Body> {
    tracing::error!(%error, "the links of the wallboard cannot be read or written");
    language::page(pages, headers, StatusCode::INTERNAL_SERVER_ERROR, |texts| &texts.errors.store)
}
