//! Which language a page speaks: what its person has chosen, else what this browser chose before somebody signed in, else
//! what it asks for.

use axum::{
    body::Body,
    extract::{Form, State},
    http::{HeaderMap, Response, StatusCode, header},
    response::{IntoResponse, Redirect},
};
use serde::Deserialize;
use ui::{Lang, Message, Said, Texts};

use super::{
    enter::{foreign_form, with_cookie},
    routes::{Pages, done, seated},
};
use crate::store::languages as store;

/// The language of the page that answers this request.
pub fn of(pages: &Pages, headers: &HeaderMap) -> Lang {
    let person = pages.door.visitor(headers).map(|visitor| visitor.person);
    let chosen = person.and_then(|person| pages.hub.language(&person));
    let asked = || {
        let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        header.map(Lang::accepted).unwrap_or_default()
    };
    chosen.or_else(|| pages.door.language(headers)).unwrap_or_else(asked)
}

/// A page that says one thing, in the language of the request.
pub fn message(pages: &Pages, headers: &HeaderMap, said: impl FnOnce(&Texts) -> &Said) -> Message {
    let texts = pages.hub.texts(of(pages, headers));
    Message::said(texts, said(texts))
}

/// The same as an answer, with the way back to the calls; under a foreign name there is none.
pub fn page(
    pages: &Pages,
    headers: &HeaderMap,
    status: StatusCode,
    said: impl FnOnce(&Texts) -> &Said,
) -> Response<Body> {
    let mut message = message(pages, headers, said);
    if status != StatusCode::MISDIRECTED_REQUEST {
        let words = &pages.hub.texts(message.lang).wall.back;
        message = message.with_link(words, "/");
    }
    ui::page(status, &message, &[])
}

#[derive(Deserialize)]
pub struct LanguageForm {
    language: String,
    /// The page that the form stands on.
    #[serde(default)]
    here: String,
    #[serde(default)]
    proof: String,
}

/// `POST /language`: kept with the person who is signed in, and in the browser for who is not.
pub async fn choose(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<LanguageForm>,
) -> Response<Body> {
    let Some(lang) = Lang::of_key(&form.language) else {
        return (StatusCode::BAD_REQUEST, "Choose a language that the page offers.\n").into_response();
    };
    if pages.door.visitor(&headers).is_some() {
        let visitor = match seated(&pages, &headers).await {
            Ok(visitor) => visitor,
            Err(refused) => return refused,
        };
        // With our referrer policy a browser's form has no origin; the proof alone tells that it is ours.
        if form.proof != visitor.proof {
            return foreign_form(&pages, &headers);
        }
        // On an open board each browser has a language of its own.
        if !visitor.person.id.is_empty() {
            if let Err(error) = store::choose(&pages.store.pool, &visitor.person.id, lang).await {
                return done(Err(error));
            }
            pages.hub.speak(&visitor.person, lang);
        }
    }
    with_cookie(Redirect::to(&back_to(&pages, &form.here)), &pages.door.language_cookie(lang))
}

/// A page of ours; the first one if the form names none.
fn back_to(pages: &Pages, here: &str) -> String {
    let own = pages.page.join(here).ok().filter(|url| url.origin() == pages.page.origin());
    // A browser reads what begins with two slashes as another site, and takes a backslash for a slash.
    let path = own.map(|url| url.path().replace('\\', "/")).filter(|path| !path.starts_with("//"));
    path.unwrap_or_else(|| "/".to_owned())
}
