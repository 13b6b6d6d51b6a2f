//! The second tutorial: print each state of each call while it goes on. Settings come from the environment.
use std::collections::HashMap;

use sdk::wire::scope::TUTORIALS as SCOPES;
use sdk::{Client, Config, Feed, FeedConfig, FeedEvent, Hosts, TokenFile};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

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
    if !client.is_signed_in() {
        sign_in(&client).await?;
    }
    let config = FeedConfig {
        nickname: "example-calls".to_owned(),
        account_keys: vec![setting("ACCOUNT_KEY")?],
        call_events: Some(Vec::new()), // every type of state
        reports: false,
        state_file: Some("example-calls-channel.json".into()),
    };
    let mut feed = Feed::open(client, config);
    // Ctrl-C leaves the channel behind; the next run finds it by the file and goes on with it.
    while let Some(event) = feed.next().await {
        match event {
            FeedEvent::CallEvent(_, notification) => println!("{}", notification.raw),
            FeedEvent::Problem(error) => eprintln!("{error}"),
            _ => {}
        }
    }
    Ok(())
}

async fn sign_in(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let authorization = client.authorization(&SCOPES).await?;
    eprintln!("Sign in at {}", authorization.login_url);
    let redirect = client.redirect_uri();
    let listener = TcpListener::bind(&*redirect.socket_addrs(|| None)?).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let request = BufReader::new(&mut stream).lines().next_line().await?.unwrap_or_default();
        let back = redirect.join(request.split(' ').nth(1).unwrap_or_default())?;
        let query: HashMap<_, _> = back.query_pairs().into_owned().collect();
        if query.get("state") == Some(&authorization.state) {
            client.exchange(query.get("code").ok_or("access was not allowed")?).await?;
            return Ok(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nYou are signed in.\n").await?);
        }
    }
}
