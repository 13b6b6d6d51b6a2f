//! What the stories stand on: the real binary in processes of its own, a person at a browser, sockets.
//!
//! Every test gets its own ports, folders and database, so that all of them can run at once. Nothing here
//! sleeps for luck: whoever waits, waits for an event, with a deadline that says what did not come.

pub mod app;
pub mod apps;
pub mod browser;
pub mod calls;
pub mod chaos;
pub mod database;
pub mod html;
pub mod ledger;
pub mod log;
pub mod person;
pub mod platform;
pub mod portal;
pub mod ports;
pub mod reader;
pub mod receiver;
pub mod rest;
pub mod socket;

use std::time::Duration;

pub use app::App;
pub use browser::Browser;
pub use log::Log;
pub use person::Person;
pub use platform::Platform;
pub use rest::{Answer, Session};
pub use socket::Socket;

/// For what takes a moment on an idle machine; the machine may be slow and busy.
pub const SOON: Duration = Duration::from_secs(60);
/// For what takes many steps: hundreds of calls, a restart with everything coming back.
pub const LATER: Duration = Duration::from_secs(240);
/// Between two looks at something that cannot tell us when it changes.
pub const LOOK: Duration = Duration::from_millis(50);

/// Scopes that both tutorials need together.
pub const SCOPES: &str = "call-events.v1.notifications.manage call-events.v1.events.read cr.v1.read";
/// Redirect URIs of the first and the second tutorial.
pub const REPORTS_REDIRECT: &str = "http://127.0.0.1:12021/app/redirect";
pub const SCREEN_POP_REDIRECT: &str = "http://localhost:5000/app/redirect";

/// An HTTP client that follows no redirect and keeps cookies: what a browser is before it decides anything.
pub fn http() -> reqwest::Client {
    // Another test of this process may have been first; one provider is enough for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .cookie_store(true)
        // Certificates of the tests are made by the tests; tls.rs looks closely.
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .timeout(SOON)
        .build()
        .expect("a client without special settings can always be built")
}

/// Looks again and again until `look` returns something, for what cannot announce itself.
pub async fn eventually<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let started = tokio::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < deadline, "{what}: not within {deadline:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// A seed that a failing run prints and `CALLFEED_TEST_SEED` repeats.
pub fn seed() -> u64 {
    let given = std::env::var("CALLFEED_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed: CALLFEED_TEST_SEED={seed}");
    seed
}
