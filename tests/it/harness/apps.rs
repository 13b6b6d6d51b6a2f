//! The two apps as a person starts them.

use std::path::Path;

use serde_json::Value;

use super::{App, LATER, Person, Platform, SOON, ports};

/// Port of the first tutorial's redirect URI.
pub const REPORTS_PORT: u16 = 12021;
/// Port of the second tutorial's page and redirect URI.
pub const SCREEN_POP_PORT: u16 = 5000;

/// Starts `callfeed APP --env FILE --state DIR FLAGS`.
pub fn start(platform: &Platform, app: &str, state: &Path, flags: &[&str]) -> App {
    let arguments = arguments(platform, app, state, flags);
    App::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &platform.folder("apps"))
}

/// What [`start`] starts the app with.
pub fn arguments(platform: &Platform, app: &str, state: &Path, flags: &[&str]) -> Vec<String> {
    let env = platform.env_file().to_string_lossy().into_owned();
    let state = state.to_string_lossy().into_owned();
    let arguments = [&[app, "--env", &env, "--state", &state, "--no-browser"], flags].concat();
    arguments.into_iter().map(str::to_owned).collect()
}

/// The login address that an app prints for a person to open.
pub async fn login_address(app: &App) -> String {
    nth_login_address(app, 1).await
}

/// The login address that it prints as the first, second …
pub async fn nth_login_address(app: &App, number: usize) -> String {
    let find = |lines: &[String]| lines.iter().filter_map(|line| address_in(line)).nth(number - 1);
    app.stderr.wait("the login address", SOON, find).await
}

fn address_in(line: &str) -> Option<String> {
    let start = line.find("http")?;
    let address = line[start..].split_whitespace().next()?;
    address.contains("/login?service=").then(|| address.to_owned())
}

/// Signs the admin in at the address that the app prints, up to the page that the app shows in the end.
pub async fn sign_in(platform: &Platform, app: &App) {
    let person = Person::admin(platform);
    let landed = person.sign_in(&login_address(app).await).await;
    let answer = person.deliver(&landed).await;
    assert!(answer.status < 400, "the app accepts the code: {} {}", answer.status, answer.text);
}

/// `callfeed login`: afterwards the apps of this state folder need no person.
pub async fn log_in(platform: &Platform, state: &Path) {
    let _port = ports::reserve(REPORTS_PORT).await;
    let mut app = start(platform, "login", state, &[]);
    sign_in(platform, &app).await;
    assert_eq!(app.exit(SOON).await, Some(0), "callfeed login ends when the person has signed in");
}

/// `callfeed reports`, signed in for the first time through its own page.
pub async fn reports_signed_in(platform: &Platform, state: &Path, flags: &[&str]) -> App {
    let _port = ports::reserve(REPORTS_PORT).await;
    let app = start(platform, "reports", state, flags);
    sign_in(platform, &app).await;
    app
}

/// What `callfeed reports list --json` prints: the store of a state folder, a report a line.
pub async fn stored(platform: &Platform, state: &Path) -> Vec<Value> {
    let state = state.to_string_lossy().into_owned();
    let ended = App::run(&["reports", "list", "--state", &state, "--json"], &platform.folder("apps")).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    ended.stdout.iter().map(|line| serde_json::from_str(line).expect("a bare report a line")).collect()
}

/// The calls of reports, in order.
pub fn spaces_of(reports: &[Value]) -> Vec<String> {
    reports
        .iter()
        .map(|report| report["conversationSpaceId"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Waits until the reports app has printed the report of this call.
pub async fn printed(app: &App, space: &str) -> Value {
    let find = |lines: &[String]| {
        lines.iter().find_map(|line| {
            let report: Value = serde_json::from_str(line).ok()?;
            (report["conversationSpaceId"] == space).then_some(report)
        })
    };
    app.stdout.wait("the report of the call", LATER, find).await
}
