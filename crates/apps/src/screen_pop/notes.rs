//! Notes of a call, which one person can write on several pages: a text that was begun from an older one is never laid over
//! a newer one, both are kept. Each save has a name, so that one that is sent again, because its answer was lost, changes
//! nothing, whatever was written since.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Form, Path, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;

use super::{
    limits::{NOTES_CHARS_MAX, SAVE_NAME_BYTES_MAX, SAVES_KEPT_MAX},
    routes::{Pages, acting, done, keep, no_such_call},
};

/// Header with the version of the notes that an answer tells of: of two texts the one with the greater number is newer.
const VERSION: &str = "x-callfeed-version";
/// Stands between two texts that were written at the same time.
const BETWEEN: &str = "\n---\n";

#[derive(Deserialize)]
pub struct NotesForm {
    notes: String,
    /// What the notes were when the text was begun. Without it the text takes the place of whatever is there.
    base: Option<String>,
    /// Name of the save, 128 bits of chance and a number.
    save: Option<String>,
}

/// Names of the saves that were done, in this run of the app.
#[derive(Default)]
pub struct Saves(Mutex<Done>);

#[derive(Default)]
struct Done {
    names: HashSet<String>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl Saves {
    fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names.contains(name)
    }

    fn add(&self, name: String) {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if done.names.insert(name.clone()) {
            done.order.push_back(name);
        }
        while done.order.len() > SAVES_KEPT_MAX {
            if let Some(oldest) = done.order.pop_front() {
                done.names.remove(&oldest);
            }
        }
    }
}

/// Keeps the notes. 204: as they were sent; 200: with those of another page, both in the answer.
pub async fn notes(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<NotesForm>,
) -> Response<Body> {
    let fits = |text: &str| text.chars().count() <= NOTES_CHARS_MAX;
    if !fits(&form.notes) {
        return too_long();
    }
    let visitor = match acting(&pages, &headers, None).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let mut have_room = true;
    let save = form.save.as_ref().filter(|save| save.len() <= SAVE_NAME_BYTES_MAX);
    let save = save.map(|save| format!("{}\n{id}\n{save}", visitor.person.id));
    let change = |mark: &mut crate::store::desks::Mark, _| {
        if save.as_ref().is_some_and(|save| pages.hub.saves.has(save)) {
            return;
        }
        let text = match &form.base {
            Some(base) => together(base, &mark.notes, &form.notes),
            None => form.notes.clone(),
        };
        have_room = fits(&text);
        if have_room {
            mark.notes = text;
            save.into_iter().for_each(|save| pages.hub.saves.add(save));
        }
    };
    match keep(&pages, &visitor, &id, change).await {
        Ok(None) => no_such_call(),
        Ok(Some(_)) if !have_room => too_long(),
        Ok(Some(kept)) => {
            let mut answer = if kept.mark.notes == form.notes {
                StatusCode::NO_CONTENT.into_response()
            } else {
                kept.mark.notes.into_response()
            };
            answer.headers_mut().insert(VERSION, HeaderValue::from(kept.notes_version));
            answer
        }
        Err(error) => done(Err(error)),
    }
}

fn too_long() -> Response<Body> {
    (StatusCode::PAYLOAD_TOO_LARGE, "The notes are too long.\n").into_response()
}

/// What is kept when `own` was made from `base`, while `stored` is there by now: the later text, then one's own below a
/// line, unless one of them holds all that the other says.
fn together(base: &str, stored: &str, own: &str) -> String {
    let part = |text: &str| format!("{BETWEEN}{text}{BETWEEN}");
    if base == stored || own.contains(stored) {
        return own.to_owned();
    }
    // Nothing was written, or it is there: a request that comes again after a restart has no name that is known.
    if own.is_empty() || own == base || part(stored).contains(&part(own)) {
        return stored.to_owned();
    }
    format!("{stored}{BETWEEN}{own}")
}

#[cfg(test)]
mod tests {
    use super::{SAVES_KEPT_MAX, Saves, together};

    #[test]
    fn of_two_texts_from_one_both_are_kept() {
        for (base, stored, own, kept) in [
            ("", "", "Wants", "Wants"),
            ("Wants", "Wants", "", ""),
            ("", "Rang twice", "Wants", "Rang twice\n---\nWants"),
            ("Old", "Old, rang twice", "Old, wants", "Old, rang twice\n---\nOld, wants"),
            // Letter by letter: the first one is no part of the other text.
            ("", "Rang twice", "a", "Rang twice\n---\na"),
            ("", "Rang twice\n---\na", "a", "Rang twice\n---\na"),
            ("", "Rang twice\n---\nWants\n---\nMore", "Wants", "Rang twice\n---\nWants\n---\nMore"),
            ("Old", "Old, new", "", "Old, new"),
            ("Old", "Old, new", "Old", "Old, new"),
            ("Old", "", "Old, more", "Old, more"),
            ("Old", "Old, new", "Old, new and more", "Old, new and more"),
        ] {
            assert_eq!(together(base, stored, own), kept, "{base:?} {stored:?} {own:?}");
        }
    }

    #[test]
    fn of_the_saves_that_were_done_the_oldest_is_forgotten() {
        let saves = Saves::default();
        (0..=SAVES_KEPT_MAX).for_each(|n| saves.add(n.to_string()));
        saves.add("1".to_owned());
        assert!(!saves.has("0") && saves.has("1") && saves.has(&SAVES_KEPT_MAX.to_string()));
    }
}
