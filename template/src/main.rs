//! An integration of your own: what is to happen when a call has ended. Write `on_report`; the rest can stay.
//! Settings come from the environment: `set -a; . platform/example.env; cargo run`, or your own `.env`.
use sdk::wire::{report::Report, scope::TUTORIALS as SCOPES};
use sdk::{Client, Config, Error, Feed, FeedConfig, FeedEvent, Hosts, TokenFile};

#[cfg(test)]
mod tests;

fn on_report(report: &Report) {
    println!("call {} ended at {}", report.conversation_space_id, report.call_ended);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let own = std::env::var("GOTO_API_URL").ok().map(|url| url.parse());
    let config = Config {
        client_id: setting("OAUTH_CLIENT_ID")?,
        client_secret: setting("OAUTH_CLIENT_SECRET")?.into(),
        redirect_uri: "http://127.0.0.1:12021/app/redirect".parse()?,
        hosts: own.transpose()?.map_or_else(Hosts::default, Hosts::single),
    };
    let client = Client::new(config, TokenFile::new("tokens.json"))?;
    client.sign_in(&SCOPES, tell).await?;
    let feed = Feed::open(client.clone(), wanted(setting("ACCOUNT_KEY")?));
    Ok(follow(client, feed, on_report).await?)
}

fn wanted(account_key: String) -> FeedConfig {
    let (nickname, account_keys) = ("my-integration".to_owned(), vec![account_key]);
    let state_file = Some("channel.json".into());
    FeedConfig { nickname, account_keys, call_events: None, reports: true, state_file }
}

fn tell(address: &impl std::fmt::Display) {
    eprintln!("Sign in at {address}");
}

/// Goes on through lost connections and ended sign-ins; ends when nobody signs in again, which is the error. Calls that
/// end while the program does not run are told to nobody: `callfeed reports --exec` runs a command for those too.
async fn follow(client: Client, mut feed: Feed, on_report: impl Fn(&Report)) -> Result<(), Error> {
    while let Some(event) = feed.next().await {
        match event {
            FeedEvent::Report { conversation_space_id: id, .. } => {
                match client.report_when_ready(&id).await {
                    Ok((report, _)) => on_report(&report),
                    Err(error) => eprintln!("the report of {id} cannot be had: {error}"),
                }
            }
            FeedEvent::SignInNeeded => client.sign_in(&SCOPES, tell).await?,
            FeedEvent::Problem(error) => eprintln!("{error}"),
            _ => {}
        }
    }
    Ok(())
}
