//! Channels with subscriptions and open sockets, as many as asked for.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use super::http::{Connection, Request};
use super::platform::Access;
use super::socket::Socket;

/// Connections over which channels are made.
const MAKERS: usize = 16;

/// What a channel hears of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    States,
    StatesAndReports,
}

/// Opens a socket on each of `count` new channels.
pub async fn open(access: &Access, count: usize, hears: Hears) -> anyhow::Result<Vec<Socket>> {
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS.min(count) {
        let (access, own) = (access.clone(), (maker..count).step_by(MAKERS));
        makers.spawn(async move {
            let mut connection = Connection::open(access.address).await?;
            let mut sockets = Vec::new();
            for number in own {
                let url = create(&access, &mut connection, number, hears).await?;
                sockets.push(Socket::connect(&url).await?);
            }
            Ok::<_, anyhow::Error>(sockets)
        });
    }
    let mut sockets = Vec::with_capacity(count);
    while let Some(made) = makers.join_next().await {
        sockets.extend(made??);
    }
    Ok(sockets)
}

/// A subscribed channel; returns the address of its socket.
async fn create(
    access: &Access,
    connection: &mut Connection,
    number: usize,
    hears: Hears,
) -> anyhow::Result<Url> {
    let path = format!("/notification-channel/v1/channels/bench-{number}");
    let body = json!({"channelType": "WebSockets", "channelLifetime": 86_400});
    let made = post(access, connection, &path, &body).await?;
    let id = made["channelId"].as_str().context("the platform gave no channel")?;
    let url = made["channelData"]["channelURL"].as_str().context("the channel has no URL")?;
    let account = &access.settings.account_key;
    let keys = json!([{"id": account, "events": ["STARTING", "ACTIVE", "ENDING"]}]);
    let body = json!({"channelId": id, "accountKeys": keys});
    post(access, connection, "/call-events/v1/subscriptions", &body).await?;
    if hears == Hears::StatesAndReports {
        let body = json!({"channelId": id, "accountKeys": [account]});
        post(access, connection, "/call-events-report/v1/subscriptions", &body).await?;
    }
    Ok(Url::parse(url)?)
}

async fn post(
    access: &Access,
    connection: &mut Connection,
    path: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let body = body.to_string();
    let request = Request {
        method: "POST",
        path,
        authorization: &access.bearer,
        body: Some(("application/json", &body)),
    };
    let answer = connection.send(&request.encode()).await?;
    let shown = || String::from_utf8_lossy(answer.body).into_owned();
    ensure!((200..300).contains(&answer.status), "POST {path}: {} {}", answer.status, shown());
    serde_json::from_slice(answer.body).with_context(|| format!("POST {path}: {}", shown()))
}
