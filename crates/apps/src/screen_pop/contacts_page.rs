//! `/contacts`: an admin drops a CSV file, sees its columns with examples and what each becomes, and how many rows would be
//! taken; saving imports it. The file stays in the state folder, its columns in the store.

use std::path::{Path, PathBuf};

use axum::{
    body::Body,
    extract::{Form, Query, State},
    http::{HeaderMap, Response, StatusCode},
    response::{IntoResponse, Redirect},
};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use ui::{ContactColumn, ContactList, ContactsPage, FieldChoice, Mapping};

use super::{
    door::Visitor,
    enter, language,
    limits::{CONTACT_LISTS_MAX, LIST_NAME_CHARS_MAX, UPLOAD_BYTES_MAX},
    routes::{Pages, acting, seated},
    secrets::digest,
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
    let visitor = match admin(&pages, &headers, visitor).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let mut notice = None;
    let mapping = match wanted.file.as_str() {
        "" => {
            notice = wanted.done.then(|| format!("{} is in use.", tidy(&wanted.name)));
            None
        }
        file => Some(columns_of(&pages, &visitor, file, &wanted.name).await),
    };
    match mapping.transpose() {
        Ok(mapping) => shown(&pages, &visitor, mapping, notice, None).await,
        Err(wrong) => shown(&pages, &visitor, None, None, Some(wrong)).await,
    }
}

/// `PUT /contacts/file`: takes a file that was dropped, up to [`UPLOAD_BYTES_MAX`]; 413 beyond, 415 if it is no table.
pub async fn drop_file(State(pages): State<Pages>, headers: HeaderMap, body: Body) -> Response<Body> {
    let visitor = match by_script(&pages, &headers).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let path = pages.contacts.dropped(&visitor.person.id);
    match keep(&path, body).await {
        Ok(true) => {}
        Ok(false) => {
            let _ = tokio::fs::remove_file(&path).await;
            let most = UPLOAD_BYTES_MAX / (1024 * 1024);
            let text = format!(
                "The file is larger than {most} MiB. Larger ones are taken by callfeed contacts import FILE.\n"
            );
            return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
        }
        Err(error) => return not_kept(&error),
    }
    let looked = path.clone();
    match blocking(move || look::kind(&looked)).await {
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(wrong)) => {
            let _ = tokio::fs::remove_file(&path).await;
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{wrong}\n")).into_response()
        }
        Err(error) => not_kept(&error),
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
    let visitor = match by_form(&pages, &headers, value("proof").unwrap_or_default()).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let (file, name) = (value("file").unwrap_or_default(), tidy(value("name").unwrap_or_default()));
    let mut mapping = match columns_of(&pages, &visitor, file, &name).await {
        Ok(mapping) => mapping,
        Err(wrong) => return shown(&pages, &visitor, None, None, Some(wrong)).await,
    };
    let chosen = form.iter().filter(|(key, _)| key == "column").map(|(_, value)| value.as_str());
    choose(&mut mapping, chosen);
    if value("do") != Some("save") {
        check(&pages, &visitor, &mut mapping).await;
        return shown(&pages, &visitor, Some(mapping), None, None).await;
    }
    match save(&pages, &visitor, &mapping).await {
        Ok(()) => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("name", &mapping.name)
                .append_pair("done", "true")
                .finish();
            Redirect::to(&format!("/contacts?{query}")).into_response()
        }
        Err(wrong) => {
            check(&pages, &visitor, &mut mapping).await;
            shown(&pages, &visitor, Some(mapping), None, Some(wrong)).await
        }
    }
}

#[derive(Deserialize)]
pub struct RemoveForm {
    #[serde(default)]
    proof: String,
    name: String,
}

/// `POST /contacts/remove`: takes a list away that was made here.
pub async fn remove(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<RemoveForm>,
) -> Response<Body> {
    let visitor = match by_form(&pages, &headers, &form.proof).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let pool = &pages.store.pool;
    let gone = async {
        if !store::all(pool).await?.iter().any(|file| file.name == form.name) {
            return Ok(());
        }
        contacts::remove(pool, &form.name).await?;
        store::remove(pool, &form.name).await
    };
    match gone.await {
        Ok(()) => {
            let _ = tokio::fs::remove_file(pages.contacts.saved(&form.name)).await;
            Redirect::to("/contacts").into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a list of contacts could not be taken away");
            let wrong = "The list could not be taken away. Try again.".to_owned();
            shown(&pages, &visitor, None, None, Some(wrong)).await
        }
    }
}

/// The columns of a file as they were chosen before, or are guessed.
async fn columns_of(pages: &Pages, visitor: &Visitor, file: &str, name: &str) -> Result<Mapping, String> {
    let again = || "The file is not there any more. Drop it again.".to_owned();
    let path = path_of(pages, visitor, file, name);
    let looked = path.clone();
    let columns = blocking(move || match looked.is_file() {
        true => look::columns(&looked).map(Some),
        false => Ok(None),
    });
    let columns = columns.await.map_err(|error| error.to_string())?;
    let columns = columns.ok_or_else(again)?.map_err(|wrong| wrong.to_string())?;
    let before = store::all(&pages.store.pool).await.unwrap_or_default();
    let before = before.into_iter().find(|list| list.name == name && file == "saved");
    let same =
        before.filter(|list| list.columns.iter().map(|c| &c.heading).eq(columns.iter().map(|c| &c.heading)));
    let field = |at: usize, guess: Option<Field>| same.as_ref().map_or(guess, |list| list.columns[at].field);
    let column = |(at, column): (usize, look::Column)| ContactColumn {
        choices: choices(field(at, column.guess)),
        heading: column.heading,
        examples: column.examples,
    };
    let mut mapping = Mapping {
        file: file.to_owned(),
        name: name.to_owned(),
        columns: columns.into_iter().enumerate().map(column).collect(),
        ..Mapping::default()
    };
    check(pages, visitor, &mut mapping).await;
    Ok(mapping)
}

fn path_of(pages: &Pages, visitor: &Visitor, file: &str, name: &str) -> PathBuf {
    match file {
        "saved" => pages.contacts.saved(name),
        _ => pages.contacts.dropped(&visitor.person.id),
    }
}

/// What a column can become; a line on the card under its heading without a field.
fn choices(chosen: Option<Field>) -> Vec<FieldChoice> {
    let key = chosen.map_or("", Field::key);
    let other = std::iter::once("");
    let keys = FIELDS.iter().map(|(_, name)| *name).chain(other);
    keys.map(|name| FieldChoice { key: name, chosen: name == key }).collect()
}

fn choose<'a>(mapping: &mut Mapping, chosen: impl Iterator<Item = &'a str>) {
    for (column, key) in mapping.columns.iter_mut().zip(chosen) {
        column.choices.iter_mut().for_each(|choice| choice.chosen = choice.key == key);
    }
}

fn options(pages: &Pages, visitor: &Visitor, mapping: &Mapping) -> Options {
    let chosen = mapping.columns.iter().map(|column| Choice {
        heading: column.heading.clone(),
        field: FIELDS
            .iter()
            .find(|(_, key)| column.choices.iter().any(|choice| choice.chosen && choice.key == *key))
            .map(|(field, _)| *field),
    });
    Options {
        file: path_of(pages, visitor, &mapping.file, &mapping.name),
        name: mapping.name.clone(),
        told: Vec::new(),
        chosen: Some(chosen.collect()),
        home: pages.contacts.home,
        rejects: pages.contacts.state_dir.join("contacts-rejected.txt"),
    }
}

async fn check(pages: &Pages, visitor: &Visitor, mapping: &mut Mapping) {
    let options = options(pages, visitor, mapping);
    match blocking(move || look::check(&options)).await {
        Ok(checked) => {
            mapping.rows = checked.rows;
            mapping.taken = checked.contacts;
            mapping.more = checked.more;
            let line = |(reason, (times, line)): (&&str, &(u64, u64))| ((*reason).to_owned(), *times, *line);
            mapping.refused = checked.refused.iter().map(line).collect();
            mapping.wrong = None;
        }
        Err(error) => mapping.wrong = Some(in_words(&error)),
    }
}

/// Imports a file under the columns that were chosen, and keeps both. What was there before stays if it fails.
async fn save(pages: &Pages, visitor: &Visitor, mapping: &Mapping) -> Result<(), String> {
    let name = &mapping.name;
    if name.is_empty() || name.chars().count() > LIST_NAME_CHARS_MAX {
        return Err(format!("Give the list a name of at most {LIST_NAME_CHARS_MAX} characters."));
    }
    if *name == contacts::BY_HAND || pages.contacts.taken.contains(name) {
        return Err(format!("{name} is the name of another source. Choose another name."));
    }
    let lists = store::all(&pages.store.pool).await.map_err(|error| failed(&error))?;
    if lists.len() >= CONTACT_LISTS_MAX && !lists.iter().any(|list| list.name == *name) {
        return Err(format!("There are {CONTACT_LISTS_MAX} lists already. Take one away first."));
    }
    let options = options(pages, visitor, mapping);
    let busy = "Another import is running. Try again when it has ended.".to_owned();
    let _one_import = OneApp::take(&pages.contacts.state_dir, "contacts-import").map_err(|_| busy)?;
    let columns = options.chosen.clone().unwrap_or_default();
    let (from, to) = (options.file.clone(), pages.contacts.saved(name));
    let pool = pages.store.pool.clone();
    // A browser that goes away does not cut an import off.
    let imported = tokio::spawn(async move { import::import(&pool, options, |_| {}).await }).await;
    imported.map_err(|error| failed(&error))?.map_err(|error| in_words(&error))?;
    if from != to {
        tokio::fs::rename(&from, &to).await.map_err(|error| failed(&error))?;
    }
    let file = ContactFile { name: name.clone(), columns };
    let kept = store::save(&pages.store.pool, &file, &visitor.person.id, Timestamp::now());
    kept.await.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> String {
    tracing::error!(%error, "a list of contacts could not be kept");
    "The contacts cannot be kept now. Try again.".to_owned()
}

/// For a person, who need not know the path or flags.
fn in_words(error: &ImportError) -> String {
    use import::columns::ColumnError;
    match error {
        ImportError::Columns(ColumnError::NoPhone { .. }) => {
            "No column is a phone number yet: choose one, by which callers are known.".to_owned()
        }
        ImportError::Columns(error) => error.to_string(),
        ImportError::Empty { .. } => look::NoTable::Empty.to_string(),
        ImportError::RowTooLong { line, .. } => {
            format!("Line {line} has no end: a quotation mark is not closed there.")
        }
        error => failed(error),
    }
}

async fn shown(
    pages: &Pages,
    visitor: &Visitor,
    mapping: Option<Mapping>,
    notice: Option<String>,
    wrong: Option<String>,
) -> Response<Body> {
    let pool = &pages.store.pool;
    let (imports, files) = match (contacts::imports(pool).await, store::all(pool).await) {
        (Ok(imports), Ok(files)) => (imports, files),
        (Err(error), _) | (_, Err(error)) => return not_kept(&error),
    };
    let list = |(name, contacts, at): (String, i64, i64)| ContactList {
        here: files.iter().any(|file| file.name == name),
        contacts: contacts.to_string(),
        imported: Timestamp::from_microsecond(at).map_or_else(
            |_| String::new(),
            |at| at.to_zoned(pages.hub.zone().clone()).strftime("%b %-d, %Y, %-I:%M %p").to_string(),
        ),
        name,
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ContactsPage {
        proof: visitor.proof.clone(),
        lists: imports.into_iter().map(list).collect(),
        mapping,
        notice,
        wrong,
        bytes_max: UPLOAD_BYTES_MAX,
    };
    ui::page(status, &page, &[])
}

async fn by_script(pages: &Pages, headers: &HeaderMap) -> Result<Visitor, Response<Body>> {
    let visitor = acting(pages, headers, None).await?;
    admin(pages, headers, visitor).await
}

/// With our referrer policy a browser's form has no origin; the proof alone tells that it is ours.
async fn by_form(pages: &Pages, headers: &HeaderMap, proof: &str) -> Result<Visitor, Response<Body>> {
    let visitor = seated(pages, headers).await?;
    if proof == visitor.proof {
        admin(pages, headers, visitor).await
    } else {
        Err(enter::foreign_form(pages, headers))
    }
}

async fn admin(pages: &Pages, headers: &HeaderMap, visitor: Visitor) -> Result<Visitor, Response<Body>> {
    if pages.hub.is_admin(&visitor.person) { Ok(visitor) } else { Err(admins_only(pages, headers)) }
}

fn admins_only(pages: &Pages, headers: &HeaderMap) -> Response<Body> {
    language::page(pages, headers, StatusCode::FORBIDDEN, |texts| &texts.errors.contacts_admins)
}

fn not_kept(error: &dyn std::fmt::Display) -> Response<Body> {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", failed(error))).into_response()
}

/// Reads files where nobody waits.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("reading a file does not panic")
}
