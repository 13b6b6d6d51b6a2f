//! `/contacts`: an admin drops a CSV file, sees its columns with examples and what each becomes, and how many rows would be
//! taken; saving imports it. The file stays in the state folder, its columns in the store.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{Form, Query, State},
    http::{HeaderMap, Response, StatusCode},
    response::{IntoResponse, Redirect},
};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::Deserialize;
use sqlx::AnyPool;
use tokio::io::AsyncWriteExt as _;
use ui::{ContactColumn, ContactList, ContactsPage, FieldChoice, Mapping, Texts};

use super::{
    contacts_words::{becomes, failed, in_words, list_title, no_table, refused_line},
    door::Visitor,
    enter, language,
    limits::{CONTACT_LISTS_MAX, LIST_NAME_CHARS_MAX, UPLOAD_BYTES_MAX},
    routes::{Pages, acting, seated},
    secrets::digest,
    when,
};
use crate::{
    people::{
        import::{
            self, ImportError, Options,
            columns::{Choice, FIELDS, Field},
            look,
        },
        number::Home,
        text::tidy,
    },
    store::{
        OneApp,
        contact_files::{self as store, ContactFile},
        contacts,
    },
};

/// Where the files are.
#[derive(Clone, Debug)]
pub struct ContactFiles {
    pub state_dir: PathBuf,
    /// Country of numbers without one.
    pub home: Home,
    /// Names of the sources that are set up elsewhere.
    pub taken: Vec<String>,
}

impl ContactFiles {
    /// Takes a list away, with the file that was dropped for it. False if there is none of this name. No import may run.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn remove(&self, pool: &AnyPool, name: &str) -> sqlx::Result<bool> {
        let there = contacts::imports(pool).await?.iter().any(|(known, ..)| known == name);
        contacts::remove(pool, name).await?;
        store::remove(pool, name).await?;
        let _ = tokio::fs::remove_file(self.saved(name)).await;
        Ok(there)
    }

    fn is_removable(&self, name: &str) -> bool {
        name != contacts::BY_HAND && !self.taken.iter().any(|taken| taken == name)
    }

    fn folder(&self) -> PathBuf {
        self.state_dir.join("contacts")
    }

    fn saved(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{}.csv", digest("contacts", name)))
    }

    /// What this person has dropped and not saved.
    fn dropped(&self, person: &str) -> PathBuf {
        self.folder().join(format!("{}.dropped.csv", digest("dropped", person)))
    }
}

/// An admin, and the texts of their language.
pub(super) struct Admin {
    pub visitor: Visitor,
    pub texts: Arc<Texts>,
}

/// MiB of the longest file that is taken.
const MIB_MAX: usize = UPLOAD_BYTES_MAX / (1024 * 1024);

#[derive(Default, Deserialize)]
pub struct Wanted {
    /// `new` is what was dropped, `saved` the list with this name.
    #[serde(default)]
    file: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    done: bool,
}

/// `GET /contacts`
pub async fn page(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response<Body> {
    if pages.door.visitor(&headers).is_none() {
        return enter::page(&pages, &headers, "/contacts");
    }
    let visitor = match seated(&pages, &headers).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let admin = match admin(&pages, &headers, visitor).await {
        Ok(admin) => admin,
        Err(refused) => return refused,
    };
    let mut notice = None;
    let mapping = match wanted.file.as_str() {
        "" => {
            notice = wanted.done.then(|| admin.texts.contacts.in_use.with("name", tidy(&wanted.name)));
            None
        }
        file => Some(columns_of(&pages, &admin, file, &wanted.name).await),
    };
    match mapping.transpose() {
        Ok(mapping) => shown(&pages, &admin, mapping, notice, None).await,
        Err(wrong) => shown(&pages, &admin, None, None, Some(wrong)).await,
    }
}

/// `PUT /contacts/file`: takes a file that was dropped, up to [`UPLOAD_BYTES_MAX`]; 413 beyond, 415 if it is no table.
pub async fn drop_file(State(pages): State<Pages>, headers: HeaderMap, body: Body) -> Response<Body> {
    let admin = match by_script(&pages, &headers).await {
        Ok(admin) => admin,
        Err(refused) => return refused,
    };
    let path = pages.contacts.dropped(&admin.visitor.person.id);
    match keep(&path, body).await {
        Ok(true) => {}
        Ok(false) => {
            let _ = tokio::fs::remove_file(&path).await;
            let text = admin.texts.script.too_large.with("mib", MIB_MAX);
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(error) => return not_kept(&error, &admin.texts),
    }
    let looked = path.clone();
    match blocking(move || look::kind(&looked)).await {
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(wrong)) => {
            let _ = tokio::fs::remove_file(&path).await;
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, String::from(no_table(wrong, &admin.texts))).into_response()
        }
        Err(error) => not_kept(&error, &admin.texts),
    }
}

/// Writes a body to a file of its owner's alone. False if it is too long.
async fn keep(path: &Path, body: Body) -> std::io::Result<bool> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    let (mut chunks, mut length) = (body.into_data_stream(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(std::io::Error::other)?;
        length += chunk.len();
        if length > UPLOAD_BYTES_MAX {
            return Ok(false);
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(true)
}

/// `POST /contacts`: `do=check` shows what would become of the rows, `do=save` takes them.
pub async fn map(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response<Body> {
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let admin = match by_form(&pages, &headers, value("proof").unwrap_or_default()).await {
        Ok(admin) => admin,
        Err(refused) => return refused,
    };
    let (file, name) = (value("file").unwrap_or_default(), tidy(value("name").unwrap_or_default()));
    let mut mapping = match columns_of(&pages, &admin, file, &name).await {
        Ok(mapping) => mapping,
        Err(wrong) => return shown(&pages, &admin, None, None, Some(wrong)).await,
    };
    let chosen = form.iter().filter(|(key, _)| key == "column").map(|(_, value)| value.as_str());
    choose(&mut mapping, chosen);
    let replace_all = value("replace") == Some("all");
    if value("do") != Some("save") && !replace_all {
        check(&pages, &admin, &mut mapping).await;
        return shown(&pages, &admin, Some(mapping), None, None).await;
    }
    match save(&pages, &admin, &mapping, replace_all).await {
        Ok(()) => {
            pages.callers.lists_changed();
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("name", &mapping.name)
                .append_pair("done", "true")
                .finish();
            Redirect::to(&format!("/contacts?{query}")).into_response()
        }
        Err(Unsaved { words, loses }) => {
            check(&pages, &admin, &mut mapping).await;
            mapping.loses = loses;
            shown(&pages, &admin, Some(mapping), None, Some(words)).await
        }
    }
}

/// Why a list was not saved.
struct Unsaved {
    words: String,
    /// Most of its contacts would go, which a person may want.
    loses: bool,
}

impl From<String> for Unsaved {
    fn from(words: String) -> Self {
        Self { words, loses: false }
    }
}

#[derive(Deserialize)]
pub struct RemoveForm {
    #[serde(default)]
    proof: String,
    name: String,
}

/// `POST /contacts/remove`: takes a list away, whoever imported it.
pub async fn remove(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<RemoveForm>,
) -> Response<Body> {
    let admin = match by_form(&pages, &headers, &form.proof).await {
        Ok(admin) => admin,
        Err(refused) => return refused,
    };
    let pool = &pages.store.pool;
    // What people wrote down goes one by one, and what is set up elsewhere would come back.
    if !pages.contacts.is_removable(&form.name) {
        return Redirect::to("/contacts").into_response();
    }
    let busy = OneApp::take(&pages.contacts.state_dir, "contacts-import");
    let Ok(_one_import) = busy else {
        let wrong = (&admin.texts.import.busy).into();
        return shown(&pages, &admin, None, None, Some(wrong)).await;
    };
    match pages.contacts.remove(pool, &form.name).await {
        Ok(_) => {
            pages.callers.lists_changed();
            Redirect::to("/contacts").into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a list of contacts could not be taken away");
            let wrong = (&admin.texts.import.not_removed).into();
            shown(&pages, &admin, None, None, Some(wrong)).await
        }
    }
}

/// The columns of a file as they were chosen before, or are guessed.
async fn columns_of(pages: &Pages, admin: &Admin, file: &str, name: &str) -> Result<Mapping, String> {
    let texts = &*admin.texts;
    let path = path_of(pages, admin, file, name);
    let looked = path.clone();
    let columns = blocking(move || match looked.is_file() {
        true => look::columns(&looked).map(Some),
        false => Ok(None),
    });
    let columns = columns.await.map_err(|error| in_words(&error, texts))?;
    let columns = columns.ok_or_else(|| String::from(&texts.import.gone))?;
    let columns = columns.map_err(|wrong| String::from(no_table(wrong, texts)))?;
    let before = store::all(&pages.store.pool).await.unwrap_or_default();
    let before = before.into_iter().find(|list| list.name == name && file == "saved");
    let same =
        before.filter(|list| list.columns.iter().map(|c| &c.heading).eq(columns.iter().map(|c| &c.heading)));
    let field = |at: usize, guess: Option<Field>| same.as_ref().map_or(guess, |list| list.columns[at].field);
    let column = |(at, column): (usize, look::Column)| ContactColumn {
        choices: choices(field(at, column.guess), texts),
        heading: column.heading,
        examples: column.examples,
    };
    let mut mapping = Mapping {
        file: file.to_owned(),
        name: name.to_owned(),
        columns: columns.into_iter().enumerate().map(column).collect(),
        ..Mapping::default()
    };
    check(pages, admin, &mut mapping).await;
    Ok(mapping)
}

fn path_of(pages: &Pages, admin: &Admin, file: &str, name: &str) -> PathBuf {
    match file {
        "saved" => pages.contacts.saved(name),
        _ => pages.contacts.dropped(&admin.visitor.person.id),
    }
}

/// What a column can become; a line on the card under its heading without a field.
fn choices(chosen: Option<Field>, texts: &Texts) -> Vec<FieldChoice> {
    let key = chosen.map_or("", Field::key);
    let other = std::iter::once("");
    let keys = FIELDS.iter().map(|(_, name)| *name).chain(other);
    let choice = |name| FieldChoice { key: name, word: texts.fields.of(name).into(), chosen: name == key };
    keys.map(choice).collect()
}

fn choose<'a>(mapping: &mut Mapping, chosen: impl Iterator<Item = &'a str>) {
    for (column, key) in mapping.columns.iter_mut().zip(chosen) {
        column.choices.iter_mut().for_each(|choice| choice.chosen = choice.key == key);
    }
}

fn options(pages: &Pages, admin: &Admin, mapping: &Mapping) -> Options {
    let chosen = mapping.columns.iter().map(|column| Choice {
        heading: column.heading.clone(),
        field: FIELDS
            .iter()
            .find(|(_, key)| column.choices.iter().any(|choice| choice.chosen && choice.key == *key))
            .map(|(field, _)| *field),
    });
    Options {
        file: path_of(pages, admin, &mapping.file, &mapping.name),
        name: mapping.name.clone(),
        told: Vec::new(),
        chosen: Some(chosen.collect()),
        home: pages.contacts.home,
        replace_all: false,
        rejects: pages.contacts.state_dir.join("contacts-rejected.txt"),
    }
}

async fn check(pages: &Pages, admin: &Admin, mapping: &mut Mapping) {
    let texts = &*admin.texts;
    let options = options(pages, admin, mapping);
    match blocking(move || look::check(&options)).await {
        Ok(checked) => {
            mapping.becomes = becomes(&checked, texts);
            let line =
                |(&reason, &(times, line)): (&_, &(u64, u64))| refused_line(reason, times, line, texts);
            mapping.refused = checked.refused.iter().map(line).collect();
            mapping.wrong = None;
        }
        Err(error) => mapping.wrong = Some(in_words(&error, texts)),
    }
}

/// Imports a file under the columns that were chosen, and keeps both. What was there before stays if it fails.
async fn save(pages: &Pages, admin: &Admin, mapping: &Mapping, replace_all: bool) -> Result<(), Unsaved> {
    let (name, texts) = (&mapping.name, &*admin.texts);
    let words = &texts.import;
    if name.is_empty() || name.chars().count() > LIST_NAME_CHARS_MAX {
        return Err(words.name_needed.with("max", LIST_NAME_CHARS_MAX).into());
    }
    if *name == contacts::BY_HAND || pages.contacts.taken.contains(name) {
        return Err(words.name_in_use.with("name", name).into());
    }
    let lists = store::all(&pages.store.pool).await.map_err(|error| failed(&error, texts))?;
    if lists.len() >= CONTACT_LISTS_MAX && !lists.iter().any(|list| list.name == *name) {
        return Err(words.many_lists.with("max", CONTACT_LISTS_MAX).into());
    }
    let options = Options { replace_all, ..options(pages, admin, mapping) };
    let busy = |_| String::from(&words.busy);
    let _one_import = OneApp::take(&pages.contacts.state_dir, "contacts-import").map_err(busy)?;
    let columns = options.chosen.clone().unwrap_or_default();
    let (from, to) = (options.file.clone(), pages.contacts.saved(name));
    let pool = pages.store.pool.clone();
    // A browser that goes away does not cut an import off.
    let imported = tokio::spawn(async move { import::import(&pool, options, |_| {}).await }).await;
    let imported = imported.map_err(|error| failed(&error, texts))?;
    imported.map_err(|error| Unsaved {
        loses: matches!(error, ImportError::LosesMost { .. }),
        words: in_words(&error, texts),
    })?;
    if from != to {
        tokio::fs::rename(&from, &to).await.map_err(|error| failed(&error, texts))?;
    }
    let file = ContactFile { name: name.clone(), columns };
    let kept = store::save(&pages.store.pool, &file, &admin.visitor.person.id, Timestamp::now());
    Ok(kept.await.map_err(|error| failed(&error, texts))?)
}

async fn shown(
    pages: &Pages,
    admin: &Admin,
    mapping: Option<Mapping>,
    notice: Option<String>,
    wrong: Option<String>,
) -> Response<Body> {
    let (pool, texts) = (&pages.store.pool, &admin.texts);
    let (imports, files) = match (contacts::imports(pool).await, store::all(pool).await) {
        (Ok(imports), Ok(files)) => (imports, files),
        (Err(error), _) | (_, Err(error)) => return not_kept(&error, texts),
    };
    let now = Timestamp::now();
    let list = |(name, contacts, at): (String, i64, i64)| {
        let at = Timestamp::from_microsecond(at).unwrap_or(now).to_zoned(pages.hub.zone().clone());
        let when = when::full(&at, texts);
        ContactList {
            here: files.iter().any(|file| file.name == name),
            removable: pages.contacts.is_removable(&name),
            kept: name == contacts::BY_HAND,
            title: list_title(&name, texts),
            about: texts.counted(&texts.contacts.contacts, contacts.unsigned_abs(), &[("when", &when)]),
            name,
        }
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ContactsPage {
        proof: admin.visitor.proof.clone(),
        lists: imports.into_iter().map(list).collect(),
        mapping,
        notice,
        wrong,
        mib_max: MIB_MAX,
        name_chars_max: LIST_NAME_CHARS_MAX,
        here: "/contacts".to_owned(),
        texts: Arc::clone(texts),
    };
    ui::page(status, &page, &[])
}

async fn by_script(pages: &Pages, headers: &HeaderMap) -> Result<Admin, Response<Body>> {
    let visitor = acting(pages, headers, None).await?;
    admin(pages, headers, visitor).await
}

/// With our referrer policy a browser's form has no origin; the proof alone tells that it is ours.
pub(super) async fn by_form(
    pages: &Pages,
    headers: &HeaderMap,
    proof: &str,
) -> Result<Admin, Response<Body>> {
    let visitor = seated(pages, headers).await?;
    if proof == visitor.proof {
        admin(pages, headers, visitor).await
    } else {
        Err(enter::foreign_form(pages, headers))
    }
}

pub(super) async fn admin(
    pages: &Pages,
    headers: &HeaderMap,
    visitor: Visitor,
) -> Result<Admin, Response<Body>> {
    if pages.hub.is_admin(&visitor.person) {
        let texts = Arc::clone(pages.hub.texts(language::of(pages, headers)));
        return Ok(Admin { visitor, texts });
    }
    Err(language::page(pages, headers, StatusCode::FORBIDDEN, |texts| &texts.errors.contacts_admins))
}

pub(super) fn not_kept(error: &dyn std::fmt::Display, texts: &Texts) -> Response<Body> {
    (StatusCode::INTERNAL_SERVER_ERROR, failed(error, texts)).into_response()
}

/// Reads files where nobody waits.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("reading a file does not panic")
}
