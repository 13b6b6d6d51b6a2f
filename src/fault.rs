//! `callfeed fault`: bad days on demand, on a running platform.

use std::path::PathBuf;
use std::time::Duration;

use apps::env::Settings;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::call::duration;
use crate::output::{self, say};
use crate::{logging, simulator};

pub const PATH: &str = "simulator/v1/faults";

/// Make things go wrong on a running Callfeed platform: dropped sockets, lost or doubled notifications, errors.
///
/// Each fault ends by itself, and says so. docs/faults.md describes them all.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Settings of the platform's client, such as DIR/example.env [default: .env].
    #[arg(long, value_name = "FILE", global = true)]
    env: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// What goes wrong at the moment, what has ended, and what can go wrong.
    List {
        /// The platform's answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Start a fault; prints it as one line of JSON.
    Add(AddArgs),
    /// End a fault, or all.
    Clear {
        /// As `add` and `list` print it; all faults without it.
        id: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Such as drop-socket, lose, server-error.
    name: String,
    /// A parameter of the fault, such as delayMs=500; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    parameters: Vec<(String, String)>,
    /// One channel alone.
    #[arg(long, value_name = "ID", conflicts_with = "client", allow_hyphen_values = true)]
    channel: Option<String>,
    /// The requests of one OAuth client alone.
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// How often it strikes before it ends.
    #[arg(long, value_name = "N")]
    times: Option<u32>,
    /// When it ends at the latest, such as 30s [default: 5m].
    #[arg(long = "for", value_name = "D", value_parser = duration)]
    life: Option<Duration>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE, such as delayMs=500".to_owned())
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = simulator::settings(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    match args.command {
        Command::List { json } => {
            let all = ask(&settings, Method::GET, PATH, None).await?;
            if json {
                say(&all)?;
            } else {
                output::print(list(&all))?;
            }
        }
        Command::Add(add) => {
            let fault = start(&settings, &add).await?;
            say(&fault)?;
        }
        Command::Clear { id } => {
            let path = id.map_or_else(|| PATH.to_owned(), |id| format!("{PATH}/{id}"));
            ask(&settings, Method::DELETE, &path, None).await?;
        }
    }
    Ok(())
}

async fn start(settings: &Settings, add: &AddArgs) -> anyhow::Result<Value> {
    let parameters: Map<String, Value> =
        add.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let mut body = json!({"fault": add.name, "parameters": parameters});
    if let Some(id) = &add.channel {
        body["channelId"] = json!(id);
    }
    if let Some(id) = &add.client {
        body["clientId"] = json!(id);
    }
    if let Some(times) = add.times {
        body["times"] = json!(times);
    }
    if let Some(life) = add.life {
        body["forS"] = json!(life.as_secs().max(1));
    }
    ask(settings, Method::POST, PATH, Some(&body)).await
}

/// A request to the platform's fault paths; `Null` where the answer has no body.
///
/// # Errors
/// When the platform is not there or refuses.
pub async fn ask(
    settings: &Settings,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let api = &settings.hosts.api;
    let mut request = simulator::client()?
        .request(method, api.join(path)?)
        .basic_auth(&settings.client_id, Some(settings.client_secret.expose_secret()));
    if let Some(body) = body {
        request = request.json(body);
    }
    let text = simulator::answered(api, request).await?.text().await.unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn list(all: &Value) -> String {
    let mut lines = Vec::new();
    for (title, list) in [("Active", &all["active"]), ("Ended", &all["ended"])] {
        let faults = list.as_array().map(Vec::as_slice).unwrap_or_default();
        lines.push(if faults.is_empty() { format!("{title}: none") } else { format!("{title}:") });
        for fault in faults {
            let text = |name: &str| fault[name].as_str().unwrap_or_default();
            let ended =
                fault["ended"]["why"].as_str().map_or_else(String::new, |why| format!(", ended: {why}"));
            let (id, name, struck) = (text("id"), text("fault"), &fault["struck"]);
            lines.push(format!("  {id}  {name}  struck {struck}{ended}, {}", scope(fault)));
        }
    }
    lines.push("Can go wrong:".to_owned());
    for kind in all["catalogue"].as_array().into_iter().flatten() {
        let text = |name: &str| kind[name].as_str().unwrap_or_default();
        lines.push(format!("  {:26} {}", text("fault"), text("what")));
    }
    lines.join("\n") + "\n"
}

fn scope(fault: &Value) -> String {
    let one = |name: &str, word: &str| fault[name].as_str().map(|id| format!("{word} {id}"));
    one("channelId", "channel").or_else(|| one("clientId", "client")).unwrap_or_else(|| "all".to_owned())
}
