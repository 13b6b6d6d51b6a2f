//! A desk that listens: the events of one signed-in page, read as text.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use url::Url;

use crate::bench::frames;

/// What one desk has heard: each call, how long its first card took, and whether the phone rang.
#[derive(Default)]
pub struct Heard {
    pub calls: HashMap<String, First>,
    /// Why the desk hears no more; a desk that stays connected has none.
    pub ended: Option<String>,
}

pub struct First {
    pub age_us: i64,
    pub alert: bool,
}

/// A page's stream of events.
pub async fn open(http: &reqwest::Client, page: &Url, cookie: &str) -> anyhow::Result<reqwest::Response> {
    let answer = http.get(page.join("events")?).header("cookie", cookie).send().await?;
    ensure!(answer.status().is_success(), "a desk was refused: {}", answer.status());
    Ok(answer)
}

/// Reads events until `stop`.
pub async fn listen(events: reqwest::Response, stop: tokio_util::sync::CancellationToken) -> Heard {
    let mut heard = Heard::default();
    tokio::select! {
        () = stop.cancelled() => {}
        end = read(events, &mut heard) => heard.ended = Some(format!("{end:#}")),
    }
    heard
}

async fn read(events: reqwest::Response, heard: &mut Heard) -> anyhow::Error {
    let mut stream = events.bytes_stream();
    let mut text = String::new();
    loop {
        let chunk = match stream.next().await.context("the screen pop closed the stream") {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => return error.into(),
            Err(error) => return error,
        };
        let now = Timestamp::now();
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some(end) = text.find("\n\n") {
            take(&text[..end], now, heard);
            text.drain(..end + 2);
        }
    }
}

fn take(event: &str, now: Timestamp, heard: &mut Heard) {
    if !event.starts_with("event: card\n") {
        return;
    }
    let Some(id) = frames::value(event, r#"data: {"id":""#) else { return };
    if heard.calls.contains_key(id) {
        return;
    }
    // The card is HTML within JSON.
    let created =
        frames::value(event, r#"data-created=\""#).and_then(|text| text.trim_end_matches('\\').parse().ok());
    let Some(created) = created.and_then(|ms| Timestamp::from_millisecond(ms).ok()) else { return };
    let alert = event.contains(r#","alert":true"#);
    heard.calls.insert(id.to_owned(), First { age_us: frames::age_us(created, now), alert });
}
