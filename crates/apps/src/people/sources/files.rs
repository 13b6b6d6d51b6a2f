//! Files among the sources: imported when they have changed since the last import, so that a nightly export is enough.

use std::{path::PathBuf, time::UNIX_EPOCH};

use sqlx::AnyPool;

use super::config::{Kind, Source};
use crate::{
    people::{
        import::{ImportError, Options, columns, import},
        number::Home,
    },
    store::{OneApp, contacts as store},
};

/// Imports the files among `sources` that are newer than their last import, one after the other; a file that cannot be
/// imported is told in the log and the contacts of before stay. Reports of bad rows go to `state_dir`.
pub async fn import_all(pool: AnyPool, sources: Vec<Source>, home: Option<Home>, state_dir: PathBuf) {
    let is_file = |source: &&Source| matches!(source.kind, Kind::Csv | Kind::Vcard);
    if !sources.iter().any(|source| is_file(&source)) {
        return;
    }
    let _one_import = match OneApp::take(&state_dir, "contacts-import") {
        Ok(lock) => lock,
        Err(error) => return tracing::warn!(%error, "the files among the sources were not imported"),
    };
    for source in sources.iter().filter(is_file) {
        let Some(file) = source.http.file.clone() else { continue };
        match is_current(&pool, &source.name, &file).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(source = source.name, %error, "when the file was imported is not known")
            }
        }
        let told = match columns::told(source.http.map.as_deref().unwrap_or_default()) {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(source = source.name, %error, "the contacts were not imported");
                continue;
            }
        };
        let options = Options {
            file,
            name: source.name.clone(),
            told,
            chosen: None,
            home: home.unwrap_or_default(),
            replace_all: false,
            rejects: state_dir.join("contacts-rejected.txt"),
        };
        match import(&pool, options, |_| {}).await {
            Ok(done) => tracing::info!(
                source = source.name,
                contacts = done.contacts,
                rejected = done.rejected,
                "contacts imported"
            ),
            Err(error @ ImportError::LosesMost { .. }) => tracing::warn!(
                source = source.name,
                "the contacts were not imported: {error}, and --name \"{}\"; until then the list of before is used",
                source.name
            ),
            Err(error) => tracing::warn!(source = source.name, %error, "the contacts were not imported"),
        }
    }
}

async fn is_current(pool: &AnyPool, name: &str, file: &std::path::Path) -> sqlx::Result<bool> {
    let modified = std::fs::metadata(file).and_then(|data| data.modified()).map_err(sqlx::Error::Io)?;
    let modified_us = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let imports = store::imports(pool).await?;
    Ok(imports
        .iter()
        .any(|(known, _, at)| known == name && u128::try_from(*at).is_ok_and(|at| at > modified_us)))
}
