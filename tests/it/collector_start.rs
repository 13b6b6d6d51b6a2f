//! The collector started while its store is away: it says so, waits, goes on by itself, and ends when it is told to.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{App, LATER, Platform, SOON, apps, database, ports};

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    let (port, listen) = (ports::free(), format!("127.0.0.1:{}", ports::free()));
    let url = match database::fresh().await {
        Some(url) => {
            let mut url: url::Url = url.parse().expect("a URL");
            let there = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432));
            url.set_host(Some("127.0.0.1")).expect("a host fits");
            url.set_port(Some(port)).expect("a port fits");
            (url.to_string(), Some(there))
        }
        None => (format!("postgres://calls@127.0.0.1:{port}/calls"), None),
    };
    let (url, there) = url;
    let app = apps::start(&platform, "reports", &state, &["--database", &url, "--listen", &listen]);
    app.stderr.line_with("waiting for it", SOON).await;
    if let Some(there) = there {
        // Where the tests have a PostgreSQL, it comes now.
        let door = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        tokio::spawn(async move {
            while let Ok((mut from, _)) = door.accept().await {
                let mut to = TcpStream::connect(&there).await.expect("the PostgreSQL of the tests answers");
                tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
            }
        });
        app.stderr.line_with("the store is there", LATER).await;
        apps::login_address(&app).await;
    }
    app.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_at_the_start_is_waited_for_and_breaks_nothing() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    let listen = format!("127.0.0.1:{}", ports::free());
    let arguments = apps::arguments(&platform, "reports", &state, &["--listen", &listen]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let full = App::start_without_room(&arguments, &platform.folder("apps"));
    full.stderr.line_with("make room on its disk", SOON).await;
    full.stop().await;
    let app = App::start(&arguments, &platform.folder("apps"));
    apps::login_address(&app).await;
    app.stop().await;
    assert_eq!(apps::stored(&platform, &state).await.len(), 0, "the store can be read");
}
