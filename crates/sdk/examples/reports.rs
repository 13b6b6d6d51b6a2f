//! The first tutorial: print the report of each call when it ends. Settings come from the environment.
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
        redirect_uri: "http://127.0.0.1:12021/app/redirect".parse()?,
        hosts: own.transpose()?.map_or_else(Hosts::default, Hosts::single),
    };
    let client = Client::new(config, TokenFile::new("example-tokens.json"))?;
    client.sign_in(&SCOPES, tell).await?;
    let config = FeedConfig {
        nickname: "example-reports".to_owned(),
        account_keys: vec![setting("ACCOUNT_KEY")?],
        call_events: None,
        reports: true,
        state_file: Some("example-channel.json".into()),
    };
    let mut feed = Feed::open(client.clone(), config);
    // Ctrl-C leaves the channel behind; the next run finds it by the file and goes on with it.
    while let Some(event) = feed.next().await {
        match event {
            FeedEvent::Report { conversation_space_id: id, .. } => {
                println!("{}", client.report_when_ready(&id).await?.1);
            }
            FeedEvent::SignInNeeded => client.sign_in(&SCOPES, tell).await?,
            FeedEvent::Problem(error) => eprintln!("{error}"),
            _ => {}
        }
    }
    Ok(())
}
