//! `reports.toml`: outputs beyond one of each kind. `docs/collector.md` describes it. All that is wrong is named at once,
//! with its line, before the first report.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{Kind, Secret, TERMINAL, Wanted};
use crate::limits;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "output")]
    outputs: Vec<Spanned<Written>>,
}

/// One output as it is written; each kind needs its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    kind: KindName,
    #[serde(default)]
    from: Option<From>,
    folder: Option<PathBuf>,
    database_env: Option<String>,
    url: Option<String>,
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
    command: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Jsonl,
    Csv,
    Postgres,
    Webhook,
    Exec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Start,
    Now,
}

/// All that is wrong with a file, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

/// Reads a file. `environment` tells environment variables.
///
/// # Errors
/// All that is wrong, at once, with its line and what to do.
pub fn load(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Vec<Wanted>, Problems> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problems(vec![format!("cannot read {}: {error}", path.display())]))?;
    read(&text, path, environment)
}

fn read(
    text: &str,
    path: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Wanted>, Problems> {
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let at = |at: usize, what: &str| format!("{}, line {}: {what}", path.display(), line(at));
    let file: File = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        Problems(vec![at(start, error.message())])
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let (mut wanted, mut problems, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    if file.outputs.len() > limits::OUTPUTS_MAX {
        problems.push(at(text.len(), &format!("there can be at most {} outputs", limits::OUTPUTS_MAX)));
    }
    for output in file.outputs {
        let start = output.span().start;
        let output = output.into_inner();
        if !is_name(&output.name) || RESERVED.contains(&output.name.as_str()) {
            let what = format!(
                "name {:?}: give letters, digits, - and _ only, and none of {}",
                output.name,
                RESERVED.join(", ")
            );
            problems.push(at(start, &what));
        }
        if !names.insert(output.name.clone()) {
            problems.push(at(start, &format!("there are two outputs with the name {}", output.name)));
        }
        match output.check(folder, &environment) {
            Ok(output) => wanted.push(output),
            Err(all) => problems.extend(all.iter().map(|what| at(start, what))),
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(Problems(problems)) }
}

/// Names of the outputs that flags make.
const RESERVED: [&str; 6] = [TERMINAL, "jsonl", "csv", "postgres", "webhook", "exec"];

fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

impl Written {
    fn check(
        self,
        folder: &Path,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Wanted, Vec<String>> {
        let mut problems = self.strangers();
        let kind = match self.kind(folder, environment) {
            Ok(kind) => Some(kind),
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        match kind {
            Some(kind) if problems.is_empty() => {
                let from_now = self.from.map_or(kind.begins_now(), |from| from == From::Now);
                Ok(Wanted { name: self.name, kind, from_now })
            }
            _ => Err(problems),
        }
    }

    fn kind(&self, folder: &Path, environment: &impl Fn(&str) -> Option<String>) -> Result<Kind, String> {
        let needs = |what: &str| format!("output {} needs {what}", self.name);
        let under = |path: &PathBuf| folder.join(path);
        match self.kind {
            KindName::Jsonl | KindName::Csv => {
                let path = self.folder.as_ref().map(under).ok_or_else(|| needs("folder = \"…\""))?;
                Ok(if self.kind == KindName::Csv { Kind::Csv(path) } else { Kind::Jsonl(path) })
            }
            KindName::Postgres => {
                let name = self.database_env.as_ref().ok_or_else(|| {
                    needs("database_env = \"NAME\", the environment variable with the URL of the database")
                })?;
                let url = environment(name).ok_or_else(|| {
                    format!("the environment variable {name} is not set: it has the URL of the database")
                })?;
                postgres_url(&url).map(Kind::Postgres).map_err(|what| format!("{name}: {what}"))
            }
            KindName::Webhook => {
                let text = self.url.as_ref().ok_or_else(|| needs("url = \"https://…\""))?;
                let url = webhook_url(text).map_err(|what| format!("url: {what}"))?;
                let secret = match (&self.secret_env, &self.secret_file) {
                    (Some(name), None) => Secret::Environment(name.clone()),
                    (None, Some(file)) => Secret::File(under(file)),
                    (None, None) => Secret::File(folder.join(format!("{}.secret", self.name))),
                    (Some(_), Some(_)) => return Err("give secret_env or secret_file, not both".to_owned()),
                };
                Ok(Kind::Webhook { url, secret })
            }
            KindName::Exec => {
                let command = self.command.clone().filter(|command| !command.trim().is_empty());
                command.map(Kind::Command).ok_or_else(|| needs("command = \"…\""))
            }
        }
    }

    /// What another kind has: a slip that would be without effect.
    fn strangers(&self) -> Vec<String> {
        let has = [
            ("folder", self.folder.is_some(), matches!(self.kind, KindName::Jsonl | KindName::Csv)),
            ("database_env", self.database_env.is_some(), self.kind == KindName::Postgres),
            ("url", self.url.is_some(), self.kind == KindName::Webhook),
            ("secret_env", self.secret_env.is_some(), self.kind == KindName::Webhook),
            ("secret_file", self.secret_file.is_some(), self.kind == KindName::Webhook),
            ("command", self.command.is_some(), self.kind == KindName::Exec),
        ];
        let strange = has.iter().filter(|(_, is_set, belongs)| *is_set && !belongs);
        strange
            .map(|(name, ..)| format!("output {} has {name}, which its kind does not use", self.name))
            .collect()
    }
}

/// The address of a webhook.
///
/// # Errors
/// What is wrong with it, in words.
pub fn webhook_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("give an address with http:// or https://".to_owned());
    }
    Ok(url)
}

/// The address of a PostgreSQL database. What is wrong is told without it: it can hold a password.
///
/// # Errors
/// What is wrong with it, in words.
pub fn postgres_url(text: &str) -> Result<String, String> {
    let scheme = Url::parse(text).map(|url| url.scheme().to_owned());
    match scheme.as_deref() {
        Ok("postgres" | "postgresql") => Ok(text.to_owned()),
        _ => Err("give an address such as postgres://user@host/database".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<Wanted>, Vec<String>> {
        let environment = |name: &str| (name == "DB").then(|| "postgres://u@h/d".to_owned());
        read(text, Path::new("state/reports.toml"), environment).map_err(|problems| problems.0)
    }

    #[test]
    fn each_kind_is_read_with_what_it_needs() {
        let wanted = check(
            "[[output]]\nname = \"archive\"\nkind = \"jsonl\"\nfolder = \"out\"\n\
             [[output]]\nname = \"crm\"\nkind = \"webhook\"\nurl = \"https://crm.example/hook\"\n\
             [[output]]\nname = \"db\"\nkind = \"postgres\"\ndatabase_env = \"DB\"\nfrom = \"now\"\n",
        )
        .unwrap();
        assert_eq!(wanted[0].kind, Kind::Jsonl("state/out".into()));
        assert!(!wanted[0].from_now && wanted[1].from_now && wanted[2].from_now);
        let Kind::Webhook { secret, .. } = &wanted[1].kind else { panic!("{wanted:?}") };
        assert_eq!(*secret, Secret::File("state/crm.secret".into()));
        assert_eq!(check("").unwrap(), []);
    }

    #[test]
    fn a_file_has_outputs_max_outputs_at_most() {
        let file = |count: usize| -> String {
            let one = |n: usize| format!("[[output]]\nname = \"o{n}\"\nkind = \"jsonl\"\nfolder = \"out\"\n");
            (0..count).map(one).collect()
        };
        assert_eq!(check(&file(limits::OUTPUTS_MAX)).unwrap().len(), limits::OUTPUTS_MAX);
        let problems = check(&file(limits::OUTPUTS_MAX + 1)).unwrap_err();
        assert!(problems.len() == 1 && problems[0].contains("at most 32 outputs"), "{problems:?}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let wrong = "[[output]]\nname = \"csv\"\nkind = \"csv\"\n\n\
                     [[output]]\nname = \"a\"\nkind = \"exec\"\ncommand = \"x\"\nurl = \"y\"\n\
                     [[output]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"ftp://x\"\n";
        let problems = check(wrong).unwrap_err();
        for (line, what) in
            [(1, "name \"csv\""), (1, "folder"), (5, "has url"), (10, "two outputs"), (10, "http://")]
        {
            let found = problems.iter().any(|problem| {
                problem.starts_with(&format!("state/reports.toml, line {line}:")) && problem.contains(what)
            });
            assert!(found, "{line} {what}: {problems:#?}");
        }
        let problems = check("[[output]]\nname = \"a\"\nkind = \"fax\"\n").unwrap_err();
        assert!(problems[0].contains("line 3") && problems[0].contains("fax"), "{problems:?}");
        assert!(postgres_url("postgresql://u:p@h/d").is_ok());
        for wrong in ["mysql://u:secret@h/d", "h/d", ""] {
            assert!(postgres_url(wrong).is_err_and(|what| !what.contains("secret")), "{wrong}");
        }
        assert!(check("\n[[outputs]]\n").unwrap_err()[0].contains("line 2"));
    }
}
