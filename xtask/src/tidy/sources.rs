//! Rules about the text of single files: length, SQL's place, a pure core, nothing left undone.

use super::{Complaints, File};

/// A longer file is two files.
const LINES_MAX: usize = 499;

/// Words that leave something undone, with what to do instead. Split, so that this file does not trip over itself.
const UNDONE: &[(&str, &str)] = &[
    (concat!("todo", "!("), "finish it, or return an error that says what is missing"),
    (concat!("unimplemented", "!("), "finish it, or return an error that says what is missing"),
    (concat!("#[", "ignore"), "make the test pass, or remove it"),
    (concat!("macro_", "rules!"), "write a function: the project has no macros of its own"),
];

/// What reads a clock, draws chance or does I/O; the pure crates take all of that as arguments.
const IMPURE: &[&str] = &[
    concat!("Timestamp::", "now("),
    concat!("SystemTime::", "now("),
    concat!("Instant::", "now("),
    concat!("Uuid::", "new_v4("),
    concat!("fastrand::Rng::", "new("),
    concat!("std::", "fs"),
    concat!("std::", "net"),
    concat!("std::", "env::"),
    concat!("to", "kio"),
];
const PURE: &[&str] = &["crates/wire/src/", "crates/engine/src/"];

/// Statements of SQL as they begin in a string.
const SQL: &[&str] = &[
    concat!("\"select", " "),
    concat!("insert", " into "),
    concat!("delete", " from "),
    concat!("create", " table "),
    concat!("alter", " table "),
    concat!("sqlx::", "query"),
];

/// State that every server of one process would share.
const SHARED: &[&str] = &["Mutex<", "RwLock<", "Atomic", "OnceLock<", "OnceCell<", "DashMap<"];

/// Everything that one file breaks.
pub fn complaints(file: &File) -> Complaints {
    let mut complaints = Vec::new();
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        let path = &file.path;
        complaints.push(format!("{path}: {lines} lines, at most {LINES_MAX}: split it by subject"));
    }
    if file.path.ends_with(".rs") {
        let code = file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (index, line) in code {
            let found = check_line(&file.path, line);
            complaints.extend(found.map(|complaint| format!("{}:{}: {complaint}", file.path, index + 1)));
        }
    }
    complaints
}

fn check_line(path: &str, line: &str) -> Option<String> {
    if let Some((word, instead)) = UNDONE.iter().find(|(word, _)| line.contains(word)) {
        return Some(format!("{word}: {instead}"));
    }
    let pure = PURE.iter().any(|folder| path.starts_with(folder));
    if let Some(word) = IMPURE.iter().find(|word| pure && line.contains(**word)) {
        return Some(format!("{word}: this crate is pure; take the value as an argument"));
    }
    let lower = line.to_lowercase();
    let product = path.contains("src/") && !path.starts_with("xtask/");
    if product && !path.contains("/store/") && SQL.iter().any(|word| lower.contains(word)) {
        return Some("SQL stands only in a folder store/".to_owned());
    }
    let item = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    if product && item.starts_with("static ") && SHARED.iter().any(|word| item.contains(word)) {
        return Some("a static that holds state: put it into the one App value".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> usize {
        complaints(&File { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn a_file_has_an_end() {
        assert_eq!(check("README.md", &"line\n".repeat(LINES_MAX)), 0);
        assert_eq!(check("README.md", &"line\n".repeat(LINES_MAX + 1)), 1);
    }

    #[test]
    fn nothing_is_left_undone() {
        for (word, _) in UNDONE {
            assert_eq!(check("src/main.rs", &format!("    {word}")), 1, "{word}");
            assert_eq!(check("src/main.rs", &format!("    // {word}")), 0, "{word} in a comment");
        }
    }

    #[test]
    fn sql_has_one_place() {
        let statement = format!("let sql = \"SELECT{}1\";", " ");
        assert_eq!(check("crates/server/src/oauth/token.rs", &statement), 1);
        assert_eq!(check("crates/server/src/store/tokens.rs", &statement), 0);
        assert_eq!(check("tests/it/harness/database.rs", &statement), 0);
    }

    #[test]
    fn the_core_is_pure() {
        let clock = format!("let now = jiff::{}();", concat!("Timestamp::", "now"));
        assert_eq!(check("crates/engine/src/call.rs", &clock), 1);
        assert_eq!(check("crates/server/src/calls.rs", &clock), 0);
    }

    #[test]
    fn statics_hold_no_state() {
        assert_eq!(check("crates/sdk/src/lib.rs", "static SEEN: Mutex<u32> = Mutex::new(0);"), 1);
        assert_eq!(check("crates/sdk/src/lib.rs", "static NAME: &str = \"Callfeed\";"), 0);
    }
}
