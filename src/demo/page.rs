//! A page of the screen pop, opened by the demo itself: what counts as a pop is what arrived here.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::tally::Tally;

#[derive(Deserialize)]
struct Card {
    id: String,
}

/// Follows the page's server-sent events until `stop`.
pub async fn watch(events: Url, tally: Arc<Tally>, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        followed = follow(events, tally) => followed,
    }
}

async fn follow(events: Url, tally: Arc<Tally>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let answer = loop {
        // The app may not listen yet; whoever waits for it has the time limit.
        match http.get(events.clone()).send().await {
            Ok(answer) => break answer,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    ensure!(answer.status().is_success(), "status {}", answer.status());
    tally.page_opened();
    let mut chunks = answer.bytes_stream();
    let mut text: Vec<u8> = Vec::new();
    let mut event = String::new();
    while let Some(chunk) = chunks.next().await {
        text.extend_from_slice(&chunk.context("the page was cut off")?);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim_end().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ").filter(|_| event == "card") {
                let card: Card = serde_json::from_str(data).context("a card cannot be read")?;
                tally.card(&card.id);
            }
        }
    }
    anyhow::bail!("the page's events ended")
}
