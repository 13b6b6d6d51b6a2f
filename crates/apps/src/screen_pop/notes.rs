//! Notes of a call, which one person can write on several pages: a text that was begun from an older one is never laid over
//! a newer one, both are kept. Each save says which page wrote it and its number there, so that one that comes twice, or
//! behind a later one, changes nothing, and one whose forerunner has been heard of takes the place of that alone.

use std::{
    collections::HashMap,
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
    limits::{NOTES_CHARS_MAX, PAGE_NAME_BYTES_MAX, SAVES_KEPT_MAX},
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
    /// The page that writes, a word of chance …
    page: Option<String>,
    /// … and the number of the save there.
    save: Option<u64>,
}

/// The last save of each page, in this run of the app.
#[derive(Default)]
pub struct Saves(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    last: HashMap<Writer, Save>,
    done: u64,
}

/// A page that writes notes of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Writer {
    person: String,
    call: String,
    page: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Save {
    number: u64,
    notes: String,
    /// Grows with each save of any page: what has the smallest is forgotten first.
    done: u64,
}

impl Saves {
    fn last(&self, writer: &Writer) -> Option<Save> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.get(writer).cloned()
    }

    fn add(&self, writer: Writer, number: u64, notes: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.done += 1;
        let save = Save { number, notes: notes.to_owned(), done: kept.done };
        kept.last.insert(writer, save);
        if kept.last.len() > SAVES_KEPT_MAX {
            let oldest = kept.last.iter().min_by_key(|(_, save)| save.done).map(|(writer, _)| writer.clone());
            oldest.map(|writer| kept.last.remove(&writer));
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
    let page = form.page.as_ref().filter(|page| page.len() <= PAGE_NAME_BYTES_MAX);
    let writer = page.zip(form.save).map(|(page, number)| {
        (Writer { person: visitor.person.id.clone(), call: id.clone(), page: page.clone() }, number)
    });
    let change = |mark: &mut crate::store::desks::Mark, _| {
        let last = writer.as_ref().and_then(|(writer, _)| pages.hub.saves.last(writer));
        let is_late = |(last, (_, number)): (&Save, &(Writer, u64))| *number <= last.number;
        if last.as_ref().zip(writer.as_ref()).is_some_and(is_late) {
            return;
        }
        let text = match &form.base {
            Some(base) => {
                let former = last.as_ref().map_or("", |last| last.notes.as_str());
                together([base, former], &mark.notes, &form.notes)
            }
            None => form.notes.clone(),
        };
        have_room = fits(&text);
        if have_room {
            mark.notes = text;
            writer.into_iter().for_each(|(writer, number)| pages.hub.saves.add(writer, number, &form.notes));
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

/// What is kept when `own` was made from a text, and of that from another one that was sent before, while `stored` is there
/// by now: it takes the place of either where that stands by itself, and else stands below what is there.
fn together(made_from: [&str; 2], stored: &str, own: &str) -> String {
    let part = |text: &str| format!("{BETWEEN}{text}{BETWEEN}");
    let has = |whole: &str, text: &str| part(whole).contains(&part(text));
    if stored.is_empty() || made_from[0] == stored || has(own, stored) {
        return own.to_owned();
    }
    if let Some(former) = made_from.into_iter().find(|former| !former.is_empty() && has(stored, former)) {
        let own = if own.is_empty() { BETWEEN.to_owned() } else { part(own) };
        let all = part(stored).replacen(&part(former), &own, 1);
        let all = all.strip_prefix(BETWEEN).unwrap_or(&all);
        return all.strip_suffix(BETWEEN).unwrap_or(all).to_owned();
    }
    // Nothing was written, or it is there: a request that comes again after a restart is of a page that is not known.
    if own.is_empty() || own == made_from[0] || has(stored, own) {
        return stored.to_owned();
    }
    format!("{stored}{BETWEEN}{own}")
}

#[cfg(test)]
mod tests {
    use super::{SAVES_KEPT_MAX, Saves, Writer, together};

    #[test]
    fn of_two_texts_from_one_both_are_kept() {
        for (base, stored, own, kept) in [
            ("", "", "Wants", "Wants"),
            ("Wants", "Wants", "", ""),
            ("", "Rang twice", "Wants", "Rang twice\n---\nWants"),
            ("Old", "Old, rang twice", "Old, wants", "Old, rang twice\n---\nOld, wants"),
            // A word within a word is no part of the other text.
            ("", "no", "call at noon", "no\n---\ncall at noon"),
            ("", "Rang twice", "a", "Rang twice\n---\na"),
            ("", "Rang twice\n---\na", "a", "Rang twice\n---\na"),
            ("", "Rang twice\n---\nWants\n---\nMore", "Wants", "Rang twice\n---\nWants\n---\nMore"),
            ("", "Wants", "Rang twice\n---\nWants", "Rang twice\n---\nWants"),
            ("Old", "Old, new", "", "Old, new"),
            ("Old", "Old, new", "Old", "Old, new"),
            ("Old", "", "Old, more", "Old, more"),
            ("Old", "Old\n---\nRang twice", "Old, more", "Old, more\n---\nRang twice"),
        ] {
            assert_eq!(together([base, ""], stored, own), kept, "{base:?} {stored:?} {own:?}");
        }
    }

    #[test]
    fn a_text_takes_the_place_of_the_one_that_its_page_sent_before() {
        for (stored, former, own, kept) in [
            ("Mon", "Mon", "Monday", "Monday"),
            ("Tue", "Tue", "Monday", "Monday"),
            ("Mon", "Mon", "", ""),
            ("Rang twice\n---\nMon", "Mon", "Monday", "Rang twice\n---\nMonday"),
            ("Mon\n---\nRang twice", "Mon", "", "Rang twice"),
            ("Rang twice\n---\nMon", "Mon", "", "Rang twice"),
            ("a\n---\nMon\n---\nb", "Mon", "", "a\n---\nb"),
            // Somebody has changed that one meanwhile.
            ("Mon, noon", "Mon", "Monday", "Mon, noon\n---\nMonday"),
        ] {
            assert_eq!(together(["Old", former], stored, own), kept, "{stored:?} {own:?}");
        }
        // What it was made from last goes before.
        let both = "Rang twice\n---\nMon";
        assert_eq!(together([both, "Mon"], both, "Rang once"), "Rang once");
    }

    #[test]
    fn of_the_pages_that_have_saved_the_one_that_is_silent_longest_is_forgotten() {
        let saves = Saves::default();
        let writer = |n: usize| Writer { person: "a".into(), call: "b".into(), page: n.to_string() };
        (0..SAVES_KEPT_MAX).for_each(|n| saves.add(writer(n), 1, "Mon"));
        saves.add(writer(0), 2, "Monday");
        saves.add(writer(SAVES_KEPT_MAX), 1, "Mon");
        assert_eq!(saves.last(&writer(0)).unwrap().notes, "Monday");
        assert!(saves.last(&writer(1)).is_none() && saves.last(&writer(SAVES_KEPT_MAX)).is_some());
    }
}
