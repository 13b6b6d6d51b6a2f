//! `sources.toml`: where contacts are looked up, without code. `docs/contacts.md` describes it. All that is wrong is
//! named before the first call.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json_path::JsonPath;

use super::{
    write::{LogCalls, Write},
    wrong,
};
use crate::people::{limits, number::Home, text::tidy};

/// The file as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Country of numbers without one; that of the number which was called unless set.
    #[serde(default)]
    pub region: Option<String>,
    /// Words for what came of a call, to choose from on each card.
    #[serde(default)]
    pub outcomes: Vec<String>,
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
}

/// What a file sets up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub home: Option<Home>,
    pub sources: Vec<Source>,
    /// Words for what came of a call.
    pub outcomes: Vec<String>,
}

/// One source as it is written, its preset filled in by [`load`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    pub kind: Kind,
    #[serde(default)]
    preset: Option<String>,
    #[serde(default, flatten)]
    pub http: Http,
    /// Milliseconds until the source is given up for this call.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// Seconds for which an answer is not asked for again.
    #[serde(default = "fresh_s")]
    pub fresh_s: u64,
    /// Seconds for which an old answer is shown while a new one is fetched.
    #[serde(default = "stale_s")]
    pub stale_s: u64,
    #[serde(default = "requests_per_minute")]
    pub requests_per_minute: std::num::NonZeroU32,
    /// http: write calls with its contacts back to it.
    #[serde(default)]
    pub log_calls: Option<LogCalls>,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Csv,
    Vcard,
    Http,
    Sqlite,
    Postgres,
}

/// What is set for the kinds; each kind needs its own.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Http {
    /// csv, vcard: the file, beside `sources.toml` unless absolute.
    pub file: Option<PathBuf>,
    /// csv: as `--map` of `callfeed contacts import`.
    pub map: Option<String>,
    /// sqlite: the file, beside `sources.toml` unless absolute.
    pub database: Option<PathBuf>,
    /// postgres: name of the environment variable with the URL.
    pub database_env: Option<String>,
    /// sqlite, postgres: see [`crate::store::lookup::Database::find`].
    pub query: Option<String>,
    pub url: Option<String>,
    pub method: Option<String>,
    pub headers: Option<BTreeMap<String, String>>,
    pub body: Option<String>,
    /// `user:password` of basic authentication.
    pub basic: Option<String>,
    /// Name of the environment variable that `{token}` stands for.
    pub token_env: Option<String>,
    pub site: Option<String>,
    pub user: Option<String>,
    /// JSON path (RFC 9535) of the contacts in the answer.
    pub items: Option<String>,
    /// Paths in a contact: id, name, company, phone, email, tier, notes. Several are joined; of phones all count.
    pub fields: Option<BTreeMap<String, Vec<String>>>,
    /// Further facts by their label. `count PATH` counts.
    pub facts: Option<BTreeMap<String, String>>,
    pub link: Option<String>,
    /// Further requests for each contact.
    pub also: Option<Vec<Also>>,
    /// Where its open tickets stand, the newest first.
    pub tickets: Option<Listed>,
    /// Where its appointments stand.
    pub appointments: Option<Listed>,
    /// What of a preset is not asked for: `tickets`, `appointments`, or a label of `also`.
    pub leave_out: Option<Vec<String>>,
    /// How calls are written to it.
    pub write: Option<Write>,
}

/// A further request for a contact.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Also {
    pub url: String,
    pub facts: BTreeMap<String, String>,
}

/// Tickets or appointments of a contact: in what was found, or behind a further request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    pub url: Option<String>,
    pub method: Option<String>,
    pub body: Option<String>,
    /// JSON path of the tickets that are open, or of the appointments.
    pub items: String,
    /// Path of how many there are, where `items` are a part of them.
    pub count: Option<String>,
    /// Path of an item's id, which `{item}` of `link` stands for.
    pub id: Option<String>,
    /// Paths of an item's title; several are joined.
    pub title: Option<Vec<String>>,
    /// Paths of when an appointment is; several are joined.
    pub at: Option<Vec<String>>,
    /// Time zone of times that name none, such as `UTC`; that of the machine unless set.
    pub zone: Option<String>,
    /// Template of an item's address; `{id}` is the contact's.
    pub link: Option<String>,
}

/// All that is wrong with a file, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

fn deadline_ms() -> u64 {
    limits::SOURCE_DEADLINE_MS
}

fn fresh_s() -> u64 {
    limits::SOURCE_FRESH_S
}

fn stale_s() -> u64 {
    limits::SOURCE_STALE_S
}

fn requests_per_minute() -> std::num::NonZeroU32 {
    limits::SOURCE_REQUESTS_PER_MINUTE
}

const PRESETS: &str = include_str!("presets.toml");

/// Reads a file. `environment` tells environment variables.
///
/// # Errors
/// All that is wrong, at once, with what to do.
pub fn load(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Setup, Problems> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problems(vec![format!("cannot read {}: {error}", path.display())]))?;
    read(&text, path.parent().unwrap_or(Path::new(".")), environment)
}

/// Reads the text of a file that lies in `folder`.
///
/// # Errors
/// As [`load`].
pub fn read(
    text: &str,
    folder: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Setup, Problems> {
    let file: File = toml::from_str(text).map_err(|error| Problems(wrong::problems(text, &error)))?;
    let mut problems = Vec::new();
    let home = file.region.as_deref().and_then(|region| {
        region.parse::<Home>().map_err(|error| problems.push(format!("region: {error}"))).ok()
    });
    let presets: BTreeMap<String, Http> = toml::from_str(PRESETS).expect("a test reads the presets");
    let mut sources = file.sources;
    for source in &mut sources {
        if let Some(name) = &source.preset {
            match presets.get(name) {
                Some(preset) => source.http.fill(preset.clone()),
                None => {
                    let known = presets.keys().cloned().collect::<Vec<_>>().join(", ");
                    problems.push(format!(
                        "source {}: there is no preset {name}; there are {known}",
                        source.name
                    ));
                }
            }
        }
        source.http.leave_out();
        source.http.file = source.http.file.take().map(|file| folder.join(file));
        source.http.database = source.http.database.take().map(|file| folder.join(file));
        let wrong = source.check(&environment);
        problems.extend(wrong.into_iter().map(|what| format!("source {}: {what}", source.name)));
    }
    problems.extend(wrong_outcomes(&file.outcomes));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Setup { home, sources, outcomes: file.outcomes })
}

fn wrong_outcomes(outcomes: &[String]) -> Vec<String> {
    let (most, chars) = (limits::OUTCOMES_MAX, limits::OUTCOME_CHARS_MAX);
    let mut wrong = Vec::new();
    if outcomes.len() > most {
        wrong.push(format!("outcomes: {} are too many, list at most {most}", outcomes.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    for text in outcomes {
        if tidy(text) != *text || text.is_empty() || text.chars().count() > chars {
            wrong.push(format!("outcomes: write {text:?} as a few words, at most {chars} characters"));
        }
        if !seen.insert(text) {
            wrong.push(format!("outcomes: {text:?} stands there twice"));
        }
    }
    wrong
}

impl Source {
    fn check(&self, environment: &impl Fn(&str) -> Option<String>) -> Vec<String> {
        let http = &self.http;
        let lacks = |wanted: &[(&str, bool)]| -> Vec<String> {
            wanted.iter().filter(|(_, set)| !set).map(|(name, _)| format!("set {name}")).collect()
        };
        match self.kind {
            Kind::Csv | Kind::Vcard => return lacks(&[("file", http.file.is_some())]),
            Kind::Sqlite => {
                return lacks(&[("database", http.database.is_some()), ("query", http.query.is_some())]);
            }
            Kind::Postgres => {
                let known = http.database_env.as_deref().is_some_and(|name| environment(name).is_some());
                let url = "database_env to the name of an environment variable that holds the database's URL";
                return lacks(&[(url, known), ("query", http.query.is_some())]);
            }
            Kind::Http => {}
        }
        let mut wrong = Vec::new();
        let needs =
            [("url", http.url.is_some()), ("items", http.items.is_some()), ("fields", http.fields.is_some())];
        wrong
            .extend(needs.iter().filter(|(_, set)| !set).map(|(name, _)| format!("set {name}, or a preset")));
        if http.url.as_ref().is_some_and(|url| !is_safe(url)) {
            wrong.push("url must begin with https://, or with http:// on this machine".to_owned());
        }
        match (&http.write, self.log_calls) {
            (Some(write), _) => wrong.extend(write.check()),
            (None, Some(_)) => wrong.push("log_calls needs write, or a preset".to_owned()),
            (None, None) => {}
        }
        wrong.extend(http.listed().flat_map(|(name, listed)| listed.check(name)));
        let of_listed = http.listed().flat_map(|(_, listed)| [&listed.url, &listed.link]).flatten();
        let texts = [&http.url, &http.link, &http.basic].into_iter().flatten().chain(of_listed);
        let texts: Vec<&String> = texts.chain(http.headers.iter().flat_map(BTreeMap::values)).collect();
        for (name, set) in [("site", http.site.is_some()), ("user", http.user.is_some())] {
            if !set && texts.iter().any(|text| text.contains(&format!("{{{name}}}"))) {
                wrong.push(format!("set {name}"));
            }
        }
        match &http.token_env {
            Some(name) if environment(name).is_none_or(|value| value.is_empty()) => {
                wrong.push(format!("the environment variable {name} is not set; it holds the token"));
            }
            None if texts.iter().any(|text| text.contains("{token}")) => {
                wrong.push("set token_env to the name of the environment variable with the token".to_owned());
            }
            _ => {}
        }
        let fields = http.fields.iter().flat_map(BTreeMap::values).flatten();
        let also = http.also.iter().flatten().flat_map(|also| also.facts.values());
        let paths = fields.chain(http.facts.iter().flat_map(BTreeMap::values)).chain(also).chain(&http.items);
        wrong.extend(paths.filter_map(|path| wrong_path(path)));
        wrong
    }
}

fn wrong_path(path: &str) -> Option<String> {
    let error = JsonPath::parse(path.trim_start_matches("count ")).err()?;
    Some(format!("{path} is no JSON path: {error}"))
}

impl Listed {
    fn check(&self, name: &str) -> Vec<String> {
        let joined = self.title.iter().chain(&self.at).flatten();
        let paths = [&self.count, &self.id].into_iter().flatten().chain(joined).chain([&self.items]);
        let mut wrong: Vec<String> = paths.filter_map(|path| wrong_path(path)).collect();
        if self.url.as_ref().is_some_and(|url| !is_safe(url)) {
            wrong.push("url must begin with https://, or with http:// on this machine".to_owned());
        }
        if let Some(zone) = self.zone.as_ref().filter(|zone| TimeZone::get(zone).is_err()) {
            wrong.push(format!("zone {zone} is not known: give a name such as Europe/Lisbon, or UTC"));
        }
        if name == "appointments" && self.at.is_none() {
            wrong.push("set at to the paths of when an appointment is".to_owned());
        }
        wrong.into_iter().map(|what| format!("{name}: {what}")).collect()
    }
}

/// Nothing but this machine is told anything in clear.
pub(super) fn is_safe(url: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    url.starts_with("https://") || local.iter().any(|start| url.starts_with(start))
}

impl Http {
    /// Tickets and appointments, as far as they are set, with their keys.
    fn listed(&self) -> impl Iterator<Item = (&'static str, &Listed)> {
        let both = [("tickets", &self.tickets), ("appointments", &self.appointments)];
        both.into_iter().filter_map(|(name, listed)| Some((name, listed.as_ref()?)))
    }

    fn leave_out(&mut self) {
        for name in self.leave_out.iter().flatten() {
            match name.as_str() {
                "tickets" => self.tickets = None,
                "appointments" => self.appointments = None,
                label => self.also.iter_mut().flatten().for_each(|also| drop(also.facts.remove(label))),
            }
        }
        self.also.iter_mut().for_each(|also| also.retain(|also| !also.facts.is_empty()));
    }

    /// Takes from a preset what is not set.
    fn fill(&mut self, preset: Self) {
        self.url = self.url.take().or(preset.url);
        self.method = self.method.take().or(preset.method);
        self.headers = self.headers.take().or(preset.headers);
        self.body = self.body.take().or(preset.body);
        self.basic = self.basic.take().or(preset.basic);
        self.items = self.items.take().or(preset.items);
        self.fields = self.fields.take().or(preset.fields);
        self.facts = self.facts.take().or(preset.facts);
        self.link = self.link.take().or(preset.link);
        self.also = self.also.take().or(preset.also);
        self.tickets = self.tickets.take().or(preset.tickets);
        self.appointments = self.appointments.take().or(preset.appointments);
        self.write = self.write.take().or(preset.write);
    }
}
