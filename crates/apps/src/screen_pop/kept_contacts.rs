//! `/contacts/kept`: the contacts that people kept on cards. An admin searches them, amends one, or takes it away.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Form, Query, State},
    http::{HeaderMap, Response, StatusCode},
    response::{IntoResponse, Redirect},
};
use serde::Deserialize;
use ui::{KeptContact, KeptContacts};

use super::{
    contacts_page::{Admin, admin, by_form, not_kept},
    enter,
    limits::KEPT_CONTACTS_SHOWN_MAX,
    routes::{Pages, seated},
    written::{Kept, Written},
};
use crate::{
    people::{contact::Contact, number::Number, text::tidy},
    store::kept_contacts as store,
};

const HERE: &str = "/contacts/kept";

#[derive(Default, Deserialize)]
pub struct Wanted {
    /// Words that are searched for.
    #[serde(default)]
    q: String,
    /// What has just been done: `kept`, or `away`.
    #[serde(default)]
    done: String,
}

/// What stands in the form of a contact. `contact` is its reference, `was` its state and `q` what was searched for when the
/// form was made.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct KeptForm {
    proof: String,
    q: String,
    contact: String,
    was: String,
    name: String,
    company: String,
    notes: String,
    number: String,
}

/// `GET /contacts/kept`
pub async fn page(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response<Body> {
    if pages.door.visitor(&headers).is_none() {
        return enter::page(&pages, &headers, HERE);
    }
    let admin = match seated(&pages, &headers).await {
        Ok(visitor) => admin(&pages, &headers, visitor).await,
        Err(refused) => Err(refused),
    };
    match admin {
        Ok(admin) => shown(&pages, &admin, &wanted, None).await,
        Err(refused) => refused,
    }
}

/// `POST /contacts/kept`: a contact is amended.
pub async fn amend(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<KeptForm>,
) -> Response<Body> {
    let admin = match by_form(&pages, &headers, &form.proof).await {
        Ok(admin) => admin,
        Err(refused) => return refused,
    };
    let (name, company, notes) = (form.name.clone(), form.company.clone(), form.notes.clone());
    let number = Number::read(&form.number, pages.contacts.home);
    let written = Written { name, company, notes };
    let kept = pages.callers.amend(&form.contact, &form.was, &written, &number).await;
    answer(&pages, &admin, form, kept, "kept").await
}

/// `POST /contacts/kept/remove`
pub async fn remove(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<KeptForm>,
) -> Response<Body> {
    let admin = match by_form(&pages, &headers, &form.proof).await {
        Ok(admin) => admin,
        Err(refused) => return refused,
    };
    let kept = pages.callers.take_away(&form.contact).await;
    answer(&pages, &admin, form, kept, "away").await
}

async fn answer(
    pages: &Pages,
    admin: &Admin,
    form: KeptForm,
    kept: sqlx::Result<Kept>,
    done: &str,
) -> Response<Body> {
    match kept {
        Ok(Kept::Yes) => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("q", &form.q)
                .append_pair("done", done)
                .finish();
            Redirect::to(&format!("{HERE}?{query}")).into_response()
        }
        Ok(why) => {
            // What it was found by may not stand in it any more.
            let q = if why == Kept::Changed { &form.contact } else { &form.q };
            let wanted = Wanted { q: q.clone(), ..Wanted::default() };
            shown(pages, admin, &wanted, Some((form, why))).await
        }
        Err(error) => not_kept(&error, &admin.texts),
    }
}

async fn shown(
    pages: &Pages,
    admin: &Admin,
    wanted: &Wanted,
    refused: Option<(KeptForm, Kept)>,
) -> Response<Body> {
    let texts = &admin.texts;
    let (found, more) = match store::find(&pages.store.pool, &wanted.q, KEPT_CONTACTS_SHOWN_MAX).await {
        Ok(found) => found,
        Err(error) => return not_kept(&error, texts),
    };
    let line = |contact: Contact| {
        let shown = Number::read(&contact.reference, pages.contacts.home);
        let about = [contact.company.as_str(), shown.people().unwrap_or_default(), contact.notes.as_str()];
        let about: Vec<&str> = about.into_iter().filter(|text| !text.is_empty()).collect();
        let typed = refused.as_ref().map(|(form, _)| form).filter(|form| form.contact == contact.reference);
        KeptContact {
            title: contact.title().to_owned(),
            about: about.join(" · "),
            name: typed.map_or(&contact.name, |form| &form.name).clone(),
            company: typed.map_or(&contact.company, |form| &form.company).clone(),
            notes: typed.map_or(&contact.notes, |form| &form.notes).clone(),
            number: typed.map_or(&contact.reference, |form| &form.number).clone(),
            open: typed.is_some(),
            was: store::state(&contact),
            reference: contact.reference.clone(),
        }
    };
    let contacts = found.into_iter().map(line).collect();
    let page = KeptContacts {
        proof: admin.visitor.proof.clone(),
        wanted: tidy(&wanted.q),
        contacts,
        more: more.then(|| texts.kept.more.with("max", texts.number(KEPT_CONTACTS_SHOWN_MAX as u64))),
        notice: match wanted.done.as_str() {
            "kept" => Some((&texts.kept.done).into()),
            "away" => Some((&texts.kept.away).into()),
            _ => None,
        },
        wrong: refused.as_ref().and_then(|(form, why)| in_words(*why, &form.number, admin)),
        here: HERE.to_owned(),
        texts: Arc::clone(texts),
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    ui::page(status, &page, &[])
}

/// Why a contact is not amended.
fn in_words(why: Kept, number: &str, admin: &Admin) -> Option<String> {
    let words = &admin.texts.kept;
    Some(match why {
        Kept::Yes => return None,
        Kept::Gone => (&words.gone).into(),
        Kept::Changed => (&words.changed).into(),
        Kept::NoName => (&words.no_name).into(),
        Kept::NoNumber => words.no_number.with("number", tidy(number)),
        Kept::NumberTaken => words.number_taken.with("number", tidy(number)),
    })
}
