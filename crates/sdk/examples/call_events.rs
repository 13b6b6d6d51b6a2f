//! The second tutorial: print each state of each call while it goes on. Settings come from the environment.
use sdk::wire::scope::TUTORIALS as SCOPES;
use sdk::{Client, Config, Feed, FeedConfig, FeedEvent, Hosts, TokenFile};

fn tell(address: &impl std::fmt::Display) {
    eprintln!("Sign in at {address}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let own = std::env::var("GOTO_API_URL").ok().map(|url| url.parse());
    let config = Config {
        client_id: setting("OAUTH_CLIENT_ID")?,
        client_secret: setting("OAUTH_CLIENT_SECRET")?.into(),
        redirect_uri: "http://localhost:5000/app/redirect".parse()?,
        hosts: own.transpose()?.map_or_else(Hosts::default, Hosts::single),
    };
    let client = Client::new(config, TokenFile::new("example-tokens.json"))?;
    client.sign_in(&SCOPES, tell).await?;
    let config = FeedConfig {
        nickname: "example-calls".to_owned(),
        account_keys: vec![setting("ACCOUNT_KEY")?],
        call_events: Some(Vec::new()), // every type of state
        reports: false,
        state_file: Some("example-calls-channel.json".into()),
    };
    let mut feed = Feed::open(client.clone(), config);
    // Ctrl-C leaves the channel behind; the next run finds it by the file and goes on with it.
    while let Some(event) = feed.next().await {
        match event {
            FeedEvent::CallEvent(_, notification) => println!("{}", notification.raw),
            FeedEvent::SignInNeeded => client.sign_in(&SCOPES, tell).await?,
            FeedEvent::Problem(error) => eprintln!("{error}"),
            _ => {}
        }
    }
    Ok(())
}
