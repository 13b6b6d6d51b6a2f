//! `callfeed outputs`: where each output stands, what it put aside, and having that again.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::limits;
use crate::reports::{Lines, NICKNAME, Out, counted};
use crate::store::changes::{self, Standing};
use crate::store::{self, Store};

/// Prints a line for each output that ever ran on the store.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn list(state_dir: &Path, json: bool, out: Out) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let mut lines = Lines::new(out);
    for standing in changes::standings(&store.pool).await.context("cannot read the store")? {
        let text = if json { serde_json::to_string(&standing)? } else { line(&standing) };
        lines.line(&text).await?;
    }
    Ok(())
}

fn line(standing: &Standing) -> String {
    let Standing { name, used, delivered, waiting, dead, failing_since, failure } = standing;
    let mut text = format!("{name:<16} {delivered} delivered, {waiting} waiting");
    if !used {
        text += ", not in use any more";
    }
    if *dead > 0 {
        text += &format!(", {dead} put aside");
    }
    if let Some(since) = failing_since {
        text += &format!(", takes none since {since:.0}: {failure}");
    }
    text
}

/// Prints what outputs refused too often, of one or of all.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn dead(state_dir: &Path, output: Option<&str>, json: bool, out: Out) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let mut lines = Lines::new(out);
    let mut after = (String::new(), 0);
    loop {
        let key = (after.0.as_str(), after.1);
        let page = changes::dead_letters(&store.pool, output, key, limits::LIST_PAGE)
            .await
            .context("cannot read the store")?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.output.clone(), last.number);
        for letter in &page {
            let again = if letter.replay { ", to be delivered again" } else { "" };
            let text = format!(
                "{} {} put aside {:.0} after {}: {}{again}",
                letter.output,
                letter.conversation_space_id,
                letter.died,
                counted(letter.attempts, "try", "tries"),
                letter.reason
            );
            let text = if json { serde_json::to_string(letter)? } else { text };
            if !lines.line(&text).await? {
                return Ok(());
            }
        }
    }
}

/// Has what an output put aside delivered again: of one call, or all. A running collector does it within seconds, else
/// the next one. Returns how many.
///
/// # Errors
/// When there is no such output, or the store fails.
pub async fn replay(state_dir: &Path, output: &str, call: Option<&str>) -> anyhow::Result<u64> {
    let store = Store::open_existing(state_dir).await?;
    let standings = changes::standings(&store.pool).await.context("cannot read the store")?;
    ensure!(standings.iter().any(|known| known.name == output), unknown(output, &standings));
    changes::replay(&store.pool, output, call).await.context("cannot write the store")
}

/// Forgets an output that is not used any more, with what it put aside.
///
/// # Errors
/// When there is no such output, a running collector uses it, which would write all anew, or the store fails.
pub async fn forget(state_dir: &Path, output: &str) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let used = changes::is_used(&store.pool, output).await.context("cannot read the store")?;
    ensure!(
        !(used && store::is_running(state_dir, NICKNAME).await?),
        "the running collector of {} gives reports to the output {output}, and would give it all of them anew: start it \
         without that output first, or stop it",
        state_dir.display()
    );
    let standings = changes::standings(&store.pool).await.context("cannot read the store")?;
    let done = changes::forget(&store.pool, output).await.context("cannot write the store")?;
    ensure!(done, unknown(output, &standings));
    Ok(())
}

fn unknown(output: &str, standings: &[Standing]) -> String {
    let names: Vec<&str> = standings.iter().map(|known| known.name.as_str()).collect();
    format!("there is no output {output} in this store; there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{OneApp, testing};

    #[tokio::test]
    async fn an_output_that_a_running_collector_uses_is_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        for name in ["webhook", "old"] {
            changes::place(&pool, name, false).await.unwrap();
        }
        changes::use_outputs(&pool, &["old".to_owned()]).await.unwrap();
        let running = OneApp::take(folder.path(), NICKNAME).unwrap();
        changes::use_outputs(&pool, &["terminal".to_owned(), "webhook".to_owned()]).await.unwrap();
        let refused = forget(folder.path(), "webhook").await.unwrap_err().to_string();
        assert!(refused.contains("anew") && refused.contains("start it without"), "{refused}");
        forget(folder.path(), "old").await.unwrap();
        drop(running);
        forget(folder.path(), "webhook").await.unwrap();
        assert_eq!(changes::standings(&pool).await.unwrap(), []);
    }
}
