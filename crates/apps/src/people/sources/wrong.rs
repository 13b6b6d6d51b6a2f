//! Where in `sources.toml` something is wrong, in words by which a person finds it. Sources are read with their defaults
//! and presets in one piece, and what reads them forgets the lines: so the tables of each source are tried one by one.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    config::{Also, File, Listed, Source},
    write::{Request, Write},
};

/// What is wrong with a file that cannot be read, one line each.
pub(super) fn problems(text: &str, error: &toml::de::Error) -> Vec<String> {
    // It is no TOML: the error has its line.
    let Ok(Value::Table(file)) = toml::from_str::<Table>(text).map(Value::Table) else {
        return vec![error.to_string()];
    };
    let mut found = Vec::new();
    let sources = file.get("source").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, source) in sources.iter().enumerate() {
        if let Err(error) = source.clone().try_into::<Source>() {
            let (path, what) = innermost(source).unwrap_or_else(|| (String::new(), said(&error)));
            found.push(place(text, at, source, &path, &what));
        }
    }
    if found.is_empty() {
        let mut rest = file.clone();
        rest.remove("source");
        let what =
            Value::Table(rest).try_into::<File>().err().map_or_else(|| said(error), |error| said(&error));
        found.push(what);
    }
    found
}

/// The table of a source that is wrong, by its keys ("write.update"), and what is wrong with it.
fn innermost(source: &Value) -> Option<(String, String)> {
    for request in ["create", "update", "find"] {
        let path = ["write", request];
        if let Some(what) = wrong::<Request>(source, &path) {
            return Some((path.join("."), what));
        }
    }
    let own = [
        ("write", wrong::<Write>(source, &["write"])),
        ("tickets", wrong::<Listed>(source, &["tickets"])),
        ("appointments", wrong::<Listed>(source, &["appointments"])),
        ("also", wrong::<Vec<Also>>(source, &["also"])),
    ];
    own.into_iter().find_map(|(key, what)| Some((key.to_owned(), what?)))
}

/// What is wrong with a table, where it is there.
fn wrong<T: DeserializeOwned>(source: &Value, path: &[&str]) -> Option<String> {
    let table = path.iter().try_fold(source, |value, key| value.get(key))?;
    table.clone().try_into::<T>().err().map(|error| said(&error))
}

fn said(error: &toml::de::Error) -> String {
    error.message().trim().to_owned()
}

/// "source Example: missing field `update` in [source.write], line 12"
fn place(text: &str, at: usize, source: &Value, path: &str, what: &str) -> String {
    let name = source.get("name").and_then(Value::as_str).map(str::to_owned);
    let name = name.unwrap_or_else(|| format!("number {}", at + 1));
    let table = if path.is_empty() { "[[source]]".to_owned() } else { format!("[source.{path}]") };
    match line(text, at, path, what) {
        Some(line) => format!("source {name}: {what} in {table}, line {line}"),
        None => format!("source {name}: {what} in {table}"),
    }
}

/// The line of the key that is named as wrong, else of the table's heading, else of the key that holds it.
fn line(text: &str, at: usize, path: &str, what: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let heading = |line: &str| line.strip_prefix('[').map(|rest| rest.trim_start_matches('[').to_owned());
    let bare =
        |line: &str| heading(line).map(|name| name.split(']').next().unwrap_or_default().trim().to_owned());
    let is_source = |line: &&str| line.starts_with("[[") && bare(line).as_deref() == Some("source");
    let starts: Vec<usize> = (0..lines.len()).filter(|n| is_source(&lines[*n])).collect();
    let first = *starts.get(at)?;
    let end = starts.get(at + 1).copied().unwrap_or(lines.len());
    let wanted = if path.is_empty() { "source".to_owned() } else { format!("source.{path}") };
    let table = (first..end).find(|n| bare(lines[*n]).as_deref() == Some(&wanted));
    let key = |name: &str, from: usize, to: usize| {
        let is_key = |line: &str| {
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
        };
        (from..to).find(|n| is_key(lines[*n]))
    };
    let named = what.split('`').nth(1).unwrap_or_default();
    let found = match table {
        Some(table) => {
            let next = (table + 1..end).find(|n| bare(lines[*n]).is_some()).unwrap_or(end);
            key(named, table, next).or(Some(table))
        }
        // An inline table: `write = { … }`, or below the heading of the table that holds it.
        None => path.split('.').rev().find_map(|name| key(name, first, end)),
    };
    Some(found.unwrap_or(first) + 1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::config::read;

    #[track_caller]
    fn says(text: &str, expected: &[&str]) {
        let problems = read(text, Path::new("."), |_| None).unwrap_err().0;
        assert_eq!(problems, expected, "{text}");
    }

    const REQUEST: &str = "method = \"POST\"\nurl = \"https://crm.example/calls\"\n";

    #[test]
    fn what_is_missing_or_wrong_is_named_with_its_table_and_line() {
        let head = "[[source]]\nname = \"One\"\nkind = \"csv\"\nfile = \"a.csv\"\n\n[[source]]\nname = \"CRM\"\nkind = \"http\"\n";
        let text = format!("{head}[source.write]\n[source.write.create]\n{REQUEST}");
        says(&text, &["source CRM: missing field `update` in [source.write], line 9"]);
        let text = format!("{head}[source.write.create]\n{REQUEST}[source.write.update]\nmethod = \"PUT\"\n");
        says(&text, &["source CRM: missing field `url` in [source.write.update], line 12"]);
        let text = format!("{head}[source.tickets]\nitem = \"$\"\n");
        says(
            &text,
            &[
                "source CRM: unknown field `item`, expected one of `url`, `method`, `body`, `items`, `count`, `id`, \
               `title`, `at`, `zone`, `link` in [source.tickets], line 10",
            ],
        );
        let text = format!("{head}tickets = {{ url = \"https://crm.example\" }}\n");
        says(&text, &["source CRM: missing field `items` in [source.tickets], line 9"]);
        says(
            &format!("{head}[[source]]\nkind = \"http\"\n"),
            &["source number 3: missing field `name` in [[source]], line 9"],
        );
    }

    #[test]
    fn what_is_no_toml_has_the_line_of_the_reader() {
        let problems = read("region = \"US\nx = 1\n", Path::new("."), |_| None).unwrap_err().0;
        assert!(problems[0].contains("line 1"), "{problems:?}");
    }
}
