//! The rules of the house that no compiler knows, as code: what stands here need not be remembered in review.

mod dependencies;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// What one file breaks, ready to print: `path:line: what and what to do`.
type Complaints = Vec<String>;

/// A text file of the project.
struct File {
    /// Relative to the workspace folder, with `/`.
    path: String,
    text: String,
}

/// Checks every file of the project.
///
/// # Errors
/// Lists all complaints at once.
pub fn check(root: &Path) -> Result<()> {
    let mut paths = Vec::new();
    walk(root, &mut paths)?;
    let mut files = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{relative} is not a text we can read"))?;
        files.push(File { path: relative, text });
    }
    let mut complaints: Complaints = files.iter().flat_map(sources::complaints).collect();
    complaints.extend(files.iter().flat_map(dependencies::complaints));
    if complaints.is_empty() {
        eprintln!("    {} files are tidy", files.len());
        return Ok(());
    }
    complaints.sort();
    bail!("{} things are not tidy:\n  {}", complaints.len(), complaints.join("\n  "));
}

/// The text files that people write; built, fetched and captured files are left out.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let hidden = name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str());
            if !hidden && name != "target" {
                walk(&path, found)?;
            }
        } else if is_ours(&path, &name) {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

fn is_ours(path: &Path, name: &str) -> bool {
    let kinds = ["rs", "toml", "md", "html", "css", "js", "sql", "sh"];
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    kinds.contains(&extension.as_ref()) || (name == "run" && path.to_string_lossy().contains("/.ci/"))
}
