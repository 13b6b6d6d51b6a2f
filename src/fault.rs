//! `callfeed fault`: bad days on demand, on a running platform.

use std::path::PathBuf;
use std::time::Duration;

use apps::env::Settings;
use jiff::Timestamp;
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
    /// What goes wrong at the moment, and what has ended.
    List {
        /// What can go wrong, too, with its parameters and what it can be put on.
        #[arg(long)]
        catalogue: bool,
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
    /// One channel alone; the first 12 characters of its id, as the console shows them, are enough.
    #[arg(long, value_name = "ID", conflicts_with = "client", allow_hyphen_values = true, value_parser = channel)]
    channel: Option<String>,
    /// The requests of one OAuth client alone.
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// How often it strikes before it ends.
    #[arg(long, value_name = "N")]
    times: Option<u32>,
    /// When it ends at the latest, such as 30s; at most a day [default: 5m].
    #[arg(long = "for", value_name = "D", value_parser = life)]
    life: Option<Duration>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE, such as delayMs=500".to_owned())
}

fn channel(text: &str) -> Result<String, String> {
    let least = server::limits::CHANNEL_ID_SHOWN;
    if text.trim_end_matches('…').len() >= least {
        return Ok(text.to_owned());
    }
    Err(format!(
        "give the id of a channel, or its first {least} characters at least, as the console shows them"
    ))
}

fn life(text: &str) -> Result<Duration, String> {
    let life = duration(text)?;
    let longest = Duration::from_secs(server::limits::FAULT_LIFE_S_MAX);
    if life <= longest { Ok(life) } else { Err("a fault lasts a day at most: give 24h or less".to_owned()) }
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = simulator::settings(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    match args.command {
        Command::List { json, catalogue } => {
            let all = ask(&settings, Method::GET, PATH, None).await?;
            if json {
                say(&all)?;
            } else {
                output::print(list(&all, catalogue))?;
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
    let refused = match ask(settings, Method::POST, PATH, Some(&body)).await {
        Ok(fault) => return Ok(fault),
        Err(refused) => refused,
    };
    // The platform's word is for programs, which have no catalogue to look it up in but its own.
    let all = ask(settings, Method::GET, PATH, None).await.unwrap_or_default();
    let kinds = all["catalogue"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = kinds.iter().filter_map(|kind| kind["fault"].as_str()).collect();
    if names.is_empty() || names.contains(&add.name.as_str()) {
        return Err(refused);
    }
    let meant = engine::nearest(&add.name, &names);
    let meant = meant.map(|meant| format!("did you mean {meant}? ")).unwrap_or_default();
    anyhow::bail!("there is no fault {}; {meant}callfeed fault list --catalogue names all", add.name)
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

fn list(all: &Value, catalogue: bool) -> String {
    let mut lines = Vec::new();
    for (title, list) in [("Active", &all["active"]), ("Ended", &all["ended"])] {
        let faults = list.as_array().map(Vec::as_slice).unwrap_or_default();
        lines.push(if faults.is_empty() { format!("{title}: none") } else { format!("{title}:") });
        lines.extend(faults.iter().map(one));
    }
    if !catalogue {
        lines.push("What can go wrong: callfeed fault list --catalogue, or docs/faults.md".to_owned());
        return lines.join("\n") + "\n";
    }
    lines.push("Can go wrong:".to_owned());
    for kind in all["catalogue"].as_array().into_iter().flatten() {
        let text = |name: &str| kind[name].as_str().unwrap_or_default();
        let names = |list: &Value, member: &str| -> Vec<String> {
            let all = list.as_array().into_iter().flatten();
            all.filter_map(|one| if member.is_empty() { one.as_str() } else { one[member].as_str() })
                .map(str::to_owned)
                .collect()
        };
        let scopes = names(&kind["scopes"], "").join(", ");
        let parameters = names(&kind["parameters"], "name");
        let set = if parameters.is_empty() { String::new() } else { format!("; {}", parameters.join(", ")) };
        lines.push(format!("  {:26} {} ({scopes}{set})", text("fault"), text("what")));
    }
    lines.join("\n") + "\n"
}

/// A fault with its parameters, how often it has struck and may, and its end.
fn one(fault: &Value) -> String {
    let text = |name: &str| fault[name].as_str().unwrap_or_default();
    let parameters = fault["parameters"].as_object().into_iter().flatten();
    let mut set: Vec<String> = parameters
        .filter(|(_, value)| **value != "")
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned)))
        .collect();
    set.sort();
    let struck = match fault["times"].as_u64() {
        Some(times) => format!("struck {} of {times}", fault["struck"]),
        None => format!("struck {}", fault["struck"]),
    };
    // To the second is enough.
    let at = |text: &str| match text.parse::<Timestamp>() {
        Ok(at) => format!("{at:.0}"),
        Err(_) => text.to_owned(),
    };
    let end = match fault["ended"]["why"].as_str() {
        Some(why) => format!("ended at {} ({why})", at(fault["ended"]["at"].as_str().unwrap_or_default())),
        None => format!("until {}", at(text("endsAt"))),
    };
    let whom = scope(fault);
    let facts = [vec![struck, end, whom], set].concat().join(", ");
    format!("  {}  {}  {facts}", text("id"), text("fault"))
}

fn scope(fault: &Value) -> String {
    let one = |name: &str, word: &str| fault[name].as_str().map(|id| format!("{word} {id}"));
    one("channelId", "channel").or_else(|| one("clientId", "client")).unwrap_or_else(|| "all".to_owned())
}
