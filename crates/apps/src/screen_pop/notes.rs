//! Notes of a call, which one person can write on several pages: a text that was begun from an older one is never laid over
//! a newer one, both are kept.

use axum::{
    body::Body,
    extract::{Form, Path, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode},
    response::IntoResponse,
};
use serde::Deserialize;

use super::{
    limits::NOTES_CHARS_MAX,
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
    let change = |mark: &mut crate::store::desks::Mark, _| {
        let text = match &form.base {
            Some(base) => together(base, &mark.notes, &form.notes),
            None => form.notes.clone(),
        };
        have_room = fits(&text);
        if have_room {
            mark.notes = text;
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
    let below = format!("{BETWEEN}{own}");
    if base == stored || own.contains(stored) {
        return own.to_owned();
    }
    // The same request once more, after an answer that was lost, has changed nothing.
    if own.is_empty() || own == base || stored.ends_with(&below) {
        return stored.to_owned();
    }
    format!("{stored}{below}")
}

#[cfg(test)]
mod tests {
    use super::together;

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
            ("Old", "Old, new", "", "Old, new"),
            ("Old", "Old, new", "Old", "Old, new"),
            ("Old", "", "Old, more", "Old, more"),
            ("Old", "Old, new", "Old, new and more", "Old, new and more"),
        ] {
            assert_eq!(together(base, stored, own), kept, "{base:?} {stored:?} {own:?}");
        }
    }
}
