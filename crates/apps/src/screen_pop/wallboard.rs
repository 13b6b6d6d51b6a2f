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
use ui::{Message, Wallboard};

use super::{
    door::Visitor,
    enter,
    limits::WALL_LINKS_MAX,
    routes::{Pages, event_stream, seated},
    secrets::{digest, token},
};
use crate::store::wall_links as store;

/// Where a page hears of changes.
const EVENTS: &str = "/wallboard/events";

/// `GET /wallboard`
pub async fn page(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    if pages.door.visitor(&headers).is_none() {
        return enter::page(&pages);
    }
    match seated(&pages, &headers).await {
        Ok(visitor) => shown(&pages, &visitor, None).await,
        Err(refused) => refused,
    }
}

async fn shown(pages: &Pages, visitor: &Visitor, new_link: Option<String>) -> Response<Body> {
    let links = if pages.hub.is_admin(&visitor.person) {
        match store::all(&pages.store.pool).await {
            Ok(links) => Some(links),
            Err(error) => return not_now(&error),
        }
    } else {
        None
    };
    let line = |link: store::WallLink| ui::WallLink {
        id: link.digest,
        made: link.made.to_zoned(pages.hub.zone().clone()).strftime("%b %-d, %Y, %-I:%M %p").to_string(),
        by: link.by,
    };
    let mut page = wall(pages, EVENTS.to_owned());
    page.is_desk = true;
    page.proof = visitor.proof.clone();
    page.links = links.map(|links| links.into_iter().map(line).collect());
    page.new_link = new_link;
    ui::page(StatusCode::OK, &page, &[])
}

fn wall(pages: &Pages, events: String) -> Wallboard {
    let (wall, link) = pages.hub.wall();
    Wallboard { wall, link, events, now_ms: Timestamp::now().as_millisecond(), ..Wallboard::default() }
}

/// `GET /wallboard/events`
pub async fn events(State(pages): State<Pages>, headers: HeaderMap) -> Response<Body> {
    match seated(&pages, &headers).await {
        Ok(visitor) => event_stream(pages.hub.subscribe_wall(&visitor.session)),
        Err(refused) => refused,
    }
}

/// `GET /wall/{token}`
pub async fn by_link(State(pages): State<Pages>, Path(token): Path<String>) -> Response<Body> {
    match link_of(&pages, &token).await {
        Ok(_) => ui::page(StatusCode::OK, &wall(&pages, format!("/wall/{token}/events")), &[]),
        Err(refused) => refused,
    }
}

/// `GET /wall/{token}/events`
pub async fn events_by_link(State(pages): State<Pages>, Path(token): Path<String>) -> Response<Body> {
    match link_of(&pages, &token).await {
        Ok(key) => event_stream(pages.hub.subscribe_wall(&key)),
        Err(refused) => refused,
    }
}

/// The digest of a link that holds.
async fn link_of(pages: &Pages, token: &str) -> Result<String, Response<Body>> {
    let key = digest("wall", token);
    match store::holds(&pages.store.pool, &key).await {
        Ok(true) => Ok(key),
        Ok(false) => {
            let text =
                "It was taken away, or is not whole. Ask an administrator of the screen pop for a new one.";
            Err(ui::page(StatusCode::NOT_FOUND, &Message::new("This link leads nowhere", text), &[]))
        }
        Err(error) => Err(not_now(&error)),
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
        return enter::foreign_form();
    }
    if !pages.hub.is_admin(&visitor.person) {
        let page = Message::new("Administrators make these links", "Ask one of them for a link.");
        return ui::page(StatusCode::FORBIDDEN, &page, &[]);
    }
    if let Some(key) = form.end {
        return match store::end(&pages.store.pool, &key).await {
            Ok(()) => {
                pages.hub.close_walls(&key);
                Redirect::to("/wallboard").into_response()
            }
            Err(error) => not_now(&error),
        };
    }
    make_link(&pages, &visitor).await
}

async fn make_link(pages: &Pages, visitor: &Visitor) -> Response<Body> {
    let Ok(token) = token() else {
        let page =
            Message::new("This did not work", "The operating system gives no random numbers. Try again.");
        return ui::page(StatusCode::INTERNAL_SERVER_ERROR, &page, &[]);
    };
    let key = digest("wall", &token);
    let now = Timestamp::now();
    match store::add(&pages.store.pool, &key, &visitor.person.id, now, WALL_LINKS_MAX).await {
        Ok(true) => {
            shown(pages, visitor, pages.page.join(&format!("wall/{token}")).ok().map(String::from)).await
        }
        Ok(false) => {
            let page = Message::new("There are too many links", "Take one away first.")
                .with_link("Wallboard", "/wallboard");
            ui::page(StatusCode::CONFLICT, &page, &[])
        }
        Err(error) => not_now(&error),
    }
}

fn not_now(error: &sqlx::Error) -> Response<Body> {
    tracing::error!(%error, "the links of the wallboard cannot be read or written");
    let page = Message::new("This did not work", "The store cannot be used now. Try again.");
    ui::page(StatusCode::INTERNAL_SERVER_ERROR, &page, &[])
}
