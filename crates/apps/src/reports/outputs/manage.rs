//! `callfeed outputs`: where each output stands, what it put aside, and having that again.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::limits;
use crate::reports::{Lines, Out};
use crate::store::Store;
use crate::store::changes::{self, Standing};

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
    let Standing { name, delivered, waiting, dead, failing_since, failure } = standing;
    let mut text = format!("{name:<16} {delivered} delivered, {waiting} waiting");
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
                "{} {} put aside {:.0} after {} tries: {}{again}",
                letter.output, letter.conversation_space_id, letter.died, letter.attempts, letter.reason
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
/// When there is no such output, or the store fails.
pub async fn forget(state_dir: &Path, output: &str) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let standings = changes::standings(&store.pool).await.context("cannot read the store")?;
    let done = changes::forget(&store.pool, output).await.context("cannot write the store")?;
    ensure!(done, unknown(output, &standings));
    Ok(())
}

fn unknown(output: &str, standings: &[Standing]) -> String {
    let names: Vec<&str> = standings.iter().map(|known| known.name.as_str()).collect();
    format!("there is no output {output} in this store; there are {}", names.join(", "))
}
