//! The direction of dependencies between our crates: `wire` <- `engine` <- `server`, `wire` <- `sdk` <- `apps`,
//! `ui`, `listen` <- `server` and `apps`; only the root package sees all.

use super::{Complaints, File};

/// Our crates, each with those of ours that it may use, in tests as well.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("ui", &[]),
    ("listen", &[]),
    ("engine", &["wire"]),
    ("sdk", &["wire"]),
    ("server", &["wire", "engine", "ui", "listen"]),
    ("apps", &["wire", "sdk", "ui", "listen"]),
];

/// Complaints about a `crates/NAME/Cargo.toml`.
pub fn complaints(file: &File) -> Complaints {
    let parts: Vec<&str> = file.path.split('/').collect();
    let ["crates", name, "Cargo.toml"] = parts.as_slice() else { return Vec::new() };
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
        return vec![format!("{}: say in xtask/src/tidy/dependencies.rs what this crate may use", file.path)];
    };
    ours_in(&file.text)
        .into_iter()
        .filter(|(_, dependency)| !allowed.contains(&dependency.as_str()))
        .map(|(line, dependency)| {
            format!("{}:{line}: {name} must not depend on {dependency}; it may use {allowed:?}", file.path)
        })
        .collect()
}

/// Our crates named as dependencies of any kind, with their line numbers.
fn ours_in(manifest: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default().trim_matches('"');
        let name = key.strip_prefix("callfeed-").unwrap_or(key);
        let ours = ALLOWED.iter().any(|(known, _)| *known == name) || name == "callfeed";
        if inside && ours {
            found.push((index + 1, name.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> usize {
        complaints(&File { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn a_crate_may_use_what_lies_below_it() {
        let text =
            "[package]\nname = \"callfeed-server\"\n[dependencies]\nwire.workspace = true\nengine = {}\n";
        assert_eq!(check("crates/server/Cargo.toml", text), 0);
        assert_eq!(check("Cargo.toml", "[dependencies]\nserver.workspace = true\n"), 0);
    }

    #[test]
    fn the_apps_never_see_the_server_not_even_in_tests() {
        let text =
            "[dependencies]\nsdk.workspace = true\n[dev-dependencies]\ncallfeed-server.path = \"..\"\n";
        assert_eq!(check("crates/apps/Cargo.toml", text), 1);
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_named() {
        assert_eq!(check("crates/novel/Cargo.toml", "[dependencies]\n"), 1);
    }
}
