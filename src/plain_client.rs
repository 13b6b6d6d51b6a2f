//! `callfeed plain-client`: what the first tutorial's program does and nothing more, as a yardstick for `callfeed grade`.
//! It fetches each report once when it is told of it, and after a lost connection waits ten seconds and begins anew.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use apps::env::{self, Settings};
use apps::reports::{LISTEN_DEFAULT, login, redirect_uri};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::output::say;
use crate::{logging, stop};

/// As the tutorial has it.
const WAIT: Duration = Duration::from_secs(10);
const NICKNAME: &str = "plain";

/// The first tutorial's program: no retry, no backfill.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings, as for `callfeed reports` [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Folder of the token.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Host and port of the redirect URI, which is http://HOST:PORT/app/redirect.
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: String,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = env::load(args.env.as_deref())?;
    logging::init("error");
    let stop = stop::token();
    login(&settings, &args.state, &args.listen, true, &stop).await?;
    let client = apps::session(&settings, &args.state, redirect_uri(&args.listen)?)?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = round(&settings, &client) => {
                if let Err(error) = ended {
                    eprintln!("{error:#}");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(WAIT) => {}
        }
    }
}

/// From a new channel to the end of its socket.
async fn round(settings: &Settings, client: &sdk::Client) -> anyhow::Result<()> {
    use secrecy::ExposeSecret as _;
    let http = crate::simulator::client()?;
    let (api, token) = (&settings.hosts.api, client.access_token().await?);
    let url = settings.hosts.channel.join(&format!("notification-channel/v1/channels/{NICKNAME}"))?;
    let request =
        http.post(url).bearer_auth(token.expose_secret()).json(&json!({"channelType": "WebSocket"}));
    let channel: Value = request.send().await?.error_for_status()?.json().await?;
    let body = json!({"channelId": channel["channelId"], "accountKeys": [settings.account_key]});
    let url = api.join("call-events-report/v1/subscriptions")?;
    let answer = http.post(url).bearer_auth(token.expose_secret()).json(&body).send().await?;
    ensure!(answer.status() == 201, "the subscription was answered {}", answer.status());
    let socket = channel["channelData"]["channelURL"].as_str().context("the channel has no URL")?;
    let (mut socket, _) = tokio_tungstenite::connect_async(socket).await?;
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let frame: Value = serde_json::from_str(&text)?;
        let Some(call) = frame["data"]["content"]["conversationSpaceId"].as_str() else { continue };
        if frame["data"]["source"] != "call-events-report" {
            continue;
        }
        let url = api.join(&format!("call-events-report/v1/reports/{call}"))?;
        let answer = http.get(url).bearer_auth(token.expose_secret()).send().await?;
        if answer.status() == 200 {
            say(&answer.text().await?)?;
        } else {
            eprintln!("the report was answered {}", answer.status());
        }
    }
    Ok(())
}
