//! A page of the screen pop, opened by the demo itself: what counts as a pop is what arrived here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::tally::Tally;

/// As long as browsers are asked to wait.
const RETRY: Duration = Duration::from_millis(20);

#[derive(Deserialize)]
struct Card {
    id: String,
}

#[derive(Deserialize)]
struct Snapshot {
    cards: Vec<Card>,
}

/// Follows the page's server-sent events until `stop`. As in a browser, a page that was closed because it did not keep up
/// comes back, and is shown all calls anew.
pub async fn watch(events: Url, tally: Arc<Tally>, stop: CancellationToken) -> anyhow::Result<()> {
    let follow = async {
        let http = reqwest::Client::new();
        loop {
            // The app may not listen yet; whoever waits for it has the time limit.
            if let Ok(answer) = http.get(events.clone()).send().await {
                ensure!(answer.status().is_success(), "status {}", answer.status());
                tally.page_opened();
                read(answer, &tally).await?;
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        failed = follow => failed,
    }
}

/// Reads until the connection ends.
async fn read(answer: reqwest::Response, tally: &Tally) -> anyhow::Result<()> {
    let mut chunks = answer.bytes_stream();
    let mut text: Vec<u8> = Vec::new();
    let mut event = String::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim_end().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                cards(&event, data)?.iter().for_each(|card| tally.card(&card.id));
            }
        }
    }
    Ok(())
}

/// The cards that an event shows.
fn cards(event: &str, data: &str) -> anyhow::Result<Vec<Card>> {
    match event {
        "card" => Ok(vec![serde_json::from_str(data).context("a card cannot be read")?]),
        "snapshot" => {
            Ok(serde_json::from_str::<Snapshot>(data).context("the page's cards cannot be read")?.cards)
        }
        _ => Ok(Vec::new()),
    }
}
