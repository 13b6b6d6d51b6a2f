//! The wallboard's pages: for who is signed in, and by a read-only link that an admin makes and takes away. A link is 256
//! bits of chance, of which the store has the digest; who has it sees the wall and nothing else.

use axum::{
    body::Body,
    extract::{Form, Path, State, rejection::PathRejection},
    http::{HeaderMap, Response, StatusCode},
    response::{IntoResponse, Redirect},
};
use jiff::Timestamp;
use serde::Deserialize;
use ui::{Said, Texts, Wallboard};

use super::{
    door::Visitor,
    enter, language,
    limits::{WALL_LINK_NAME_CHARS_MAX, WALL_LINKS_MAX},
    routes::{Pages, event_stream, seated},
    secrets::{digest, token},
    when::full,
};
use crate::{people::text::tidy, store::wall_links as store};

type Token = Result<Path<String>, PathRejection>;

/// Where a page hears of changes.
const EVENTS: &str = "/wallboard/events";

/// `GET /wallboard`
pub async fn page(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    if pages.door.visitor(&headers).is_none() {
        return enter::page(&pages, &headers, "/wallboard");
    }
    match seated(&pages, &headers).await {
        Ok(visitor) => shown(&pages, &headers, &visitor).await,
        Err(refused) => refused,
    }
}

async fn shown(pages: &Pages, headers: &HeaderMap, visitor: &Visitor) -> Response<Body> {
    let is_admin = pages.hub.is_admin(&visitor.person);
    let links = match store::all(&pages.store.pool).await {
        Ok(links) => is_admin.then_some(links),
        Err(error) => return not_now(pages, headers, &error),
    };
    let mut page = wall(pages, headers, EVENTS.to_owned(), "/wallboard".to_owned());
    let texts = page.texts.clone();
    let line = |link: store::WallLink| {
        let when = full(&link.made.to_zoned(pages.hub.zone().clone()), &texts);
        let made = match link.by.as_str() {
            "" => texts.wall.made.with("when", when),
            by => texts.wall.made_by.fill(&[("when", &when), ("by", &by)]),
        };
        ui::WallLink { id: link.digest, name: link.name, made }
    };
    page.is_desk = true;
    page.keys = pages.hub.choice(&visitor.person).is_some_and(|choice| choice.keys);
    page.proof = visitor.proof.clone();
    page.links = links.map(|links| links.into_iter().map(line).collect());
    page.name_chars_max = WALL_LINK_NAME_CHARS_MAX;
    page.new_link = pages.hub.new_link(&visitor.session).filter(|_| is_admin);
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
pub async fn by_link(State(pages): State<Pages>, headers: HeaderMap, token: Token) -> Response<Body> {
    let token = told(token);
    if let Err(refused) = link_of(&pages, &headers, &token).await {
        return refused;
    }
    let mut page = wall(&pages, &headers, format!("/wall/{token}/events"), format!("/wall/{token}"));
    // Of somebody who is signed in besides, to choose their language.
    page.proof = pages.door.visitor(&headers).map(|visitor| visitor.proof).unwrap_or_default();
    ui::page(StatusCode::OK, &page, &[])
}

/// `GET /wall/{token}/events`
pub async fn events_by_link(State(pages): State<Pages>, headers: HeaderMap, token: Token) -> Response<Body> {
    match link_of(&pages, &headers, &told(token)).await {
        Ok(key) => event_stream(pages.hub.subscribe_wall(&key, language::of(&pages, &headers))),
        Err(refused) => refused,
    }
}

/// What is no text is no token: no link has an empty one.
fn told(token: Token) -> String {
    token.map(|Path(token)| token).unwrap_or_default()
}

/// The digest of a link that holds.
async fn link_of(pages: &Pages, headers: &HeaderMap, token: &str) -> Result<String, Response<Body>> {
    let key = digest("wall", token);
    match store::holds(&pages.store.pool, &key).await {
        Ok(true) => Ok(key),
        Ok(false) => {
            // Who stands before a wall has no calls to go back to.
            let page = language::message(pages, headers, |texts| &texts.errors.dead_link);
            Err(ui::page(StatusCode::NOT_FOUND, &page, &[]))
        }
        Err(error) => Err(not_now(pages, headers, &error)),
    }
}

#[derive(Deserialize)]
pub struct LinkForm {
    proof: String,
    /// Digest of the link that is to end; none to make a new one.
    end: Option<String>,
    /// Name of the new one.
    #[serde(default)]
    name: String,
}

/// `POST /wallboard/links`: an admin makes a link, which the page then shows once, or takes one away.
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
    make_link(&pages, &headers, &visitor, tidy(&form.name)).await
}

async fn make_link(pages: &Pages, headers: &HeaderMap, visitor: &Visitor, name: String) -> Response<Body> {
    if name.is_empty() || name.chars().count() > WALL_LINK_NAME_CHARS_MAX {
        return back(pages, headers, StatusCode::UNPROCESSABLE_ENTITY, |texts| &texts.errors.link_name);
    }
    let Ok(token) = token() else {
        return language::page(pages, headers, StatusCode::INTERNAL_SERVER_ERROR, |texts| {
            &texts.errors.no_chance
        });
    };
    let key = digest("wall", &token);
    let (by, made) = (visitor.person.id.clone(), Timestamp::now());
    let link = store::WallLink { digest: key.clone(), name, by, made };
    match store::add(&pages.store.pool, &link, WALL_LINKS_MAX).await {
        Ok(true) => {
            if let Ok(address) = pages.page.join(&format!("wall/{token}")) {
                pages.hub.show_once(key, &visitor.session, address.into());
            }
            // A reload of what follows makes no further link.
            Redirect::to("/wallboard").into_response()
        }
        Ok(false) => back(pages, headers, StatusCode::CONFLICT, |texts| &texts.errors.many_links),
        Err(error) => not_now(pages, headers, &error),
    }
}

/// Words, and the way back to the wallboard.
fn back(
    pages: &Pages,
    headers: &HeaderMap,
    status: StatusCode,
    said: impl FnOnce(&Texts) -> &Said,
) -> Response<Body> {
    let words = &pages.hub.texts(language::of(pages, headers)).page.wallboard;
    let page = language::message(pages, headers, said).with_link(words, "/wallboard");
    ui::page(status, &page, &[])
}

fn not_now(pages: &Pages, headers: &HeaderMap, error: &sqlx::Error) -> Response<Body> {
    tracing::error!(%error, "the links of the wallboard cannot be read or written");
    language::page(pages, headers, StatusCode::INTERNAL_SERVER_ERROR, |texts| &texts.errors.store)
}
