//! A sign-in that ends while the collector runs: it is asked for, each time, until somebody signs in, wherever; and
//! whoever watches hears of it.

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use crate::faults::{add, clear_all};
use crate::harness::calls::play;
use crate::harness::person::query;
use crate::harness::{App, LATER, Person, Platform, SOON, apps, eventually, http, ports};

/// The refresh token dies, which is noticed when the report of this call is asked for.
async fn end_sign_in(platform: &Platform) -> String {
    add(platform, &json!({"fault": "refresh-refused", "times": 1})).await;
    add(platform, &json!({"fault": "expire-token"})).await;
    play(platform, "missed", &["--speed", "50"]).await
}

/// As somebody who chooses Deny behind this login address.
async fn deny(person: &Person, address: &str, listen: &str) {
    let address = Url::parse(address).unwrap();
    let inner = Url::parse(&query(&address, "service").unwrap()).unwrap();
    let mut back = Url::parse(&format!("http://{listen}/app/redirect")).unwrap();
    let state = query(&inner, "state").unwrap();
    back.query_pairs_mut().append_pair("error", "access_denied").append_pair("state", &state);
    let page = person.deliver(&back).await.is(400);
    assert!(page.text.contains("another login address"), "{}", page.text);
}

async fn gaps(platform: &Platform, state: &Path) -> String {
    let state = state.to_string_lossy().into_owned();
    App::run(&["gaps", "--state", &state], &platform.folder("apps")).await.stdout.join("\n")
}

#[tokio::test]
async fn a_sign_in_that_ends_twice_is_asked_for_twice_and_a_refusal_ends_nothing() {
    let platform = Platform::start().await;
    let (state, admin) = (platform.folder("state"), Person::admin(&platform));
    let [own, other, health] = [(); 3].map(|()| format!("127.0.0.1:{}", ports::free()));
    let app = apps::start(&platform, "reports", &state, &["--json", "--listen", &own, "--health", &health]);
    deny(&admin, &apps::nth_login_address(&app, 1).await, &own).await;
    let landed = admin.sign_in(&apps::nth_login_address(&app, 2).await).await;
    admin.deliver(&landed).await.is(200);
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;

    // It ends, and somebody denies.
    let space = end_sign_in(&platform).await;
    let told: Value = eventually("the health tells of the sign-in", LATER, async || {
        let answer = http().get(format!("http://{health}/healthz")).send().await.ok()?;
        let (status, told) = (answer.status(), answer.json::<Value>().await.ok()?);
        (status == 503 && told["signInNeeded"] == true).then_some(told)
    })
    .await;
    assert_eq!(told["accounts"][0]["signInNeeded"], true, "{told}");
    let metrics = http().get(format!("http://{health}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\ncallfeed_collector_sign_in_days_left 0\n"), "{metrics}");
    let wanted = async || gaps(&platform, &state).await.contains("sign-in from").then_some(());
    eventually("the gap is told", SOON, wanted).await;
    deny(&admin, &apps::nth_login_address(&app, 3).await, &own).await;
    let unanswered = apps::nth_login_address(&app, 4).await;

    // Somebody signs in elsewhere: what was missed comes, and nobody is asked any more.
    let mut login = apps::start(&platform, "login", &state, &["--listen", &other]);
    apps::sign_in(&platform, &login).await;
    assert_eq!(login.exit(SOON).await, Some(0));
    apps::printed(&app, &space).await;
    eventually("the health is good, and no sign-in is wanted", LATER, async || {
        let answer = http().get(format!("http://{health}/healthz")).send().await.ok()?;
        (answer.status() == 200 && !gaps(&platform, &state).await.contains("sign-in")).then_some(())
    })
    .await;
    let page = format!("http://{own}/app/redirect");
    eventually("the page has gone", SOON, async || http().get(&page).send().await.is_err().then_some(()))
        .await;

    clear_all(&platform).await;
    let space = end_sign_in(&platform).await;
    let address = apps::nth_login_address(&app, 5).await;
    assert_ne!(address, unanswered);
    let landed = admin.elsewhere().sign_in(&address).await;
    admin.deliver(&landed).await.is(200);
    apps::printed(&app, &space).await;
    app.stop().await;
}

/// Starts `callfeed login` beside a collector and signs in there.
pub async fn log_in_elsewhere(platform: &Platform, state: &Path) {
    let listen = format!("127.0.0.1:{}", ports::free());
    let mut login = apps::start(platform, "login", state, &["--listen", &listen]);
    apps::sign_in(platform, &login).await;
    assert_eq!(login.exit(SOON).await, Some(0));
}

/// How often the reports of these calls were printed.
fn times(app: &App, spaces: &[String]) -> Vec<usize> {
    let lines = app.stdout.all();
    spaces.iter().map(|space| lines.iter().filter(|line| line.contains(space.as_str())).count()).collect()
}

#[tokio::test]
async fn calls_of_a_time_without_a_sign_in_are_collected_once_after_a_login_elsewhere_without_a_restart() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    let own = format!("127.0.0.1:{}", ports::free());
    let mut app = apps::start(&platform, "reports", &state, &["--json", "--listen", &own]);
    apps::login_address(&app).await;
    // Nobody opens the address: the first sign-in is elsewhere, too.
    log_in_elsewhere(&platform, &state).await;
    let mut spaces = vec![play(&platform, "missed", &["--speed", "50"]).await];
    apps::printed(&app, &spaces[0]).await;

    spaces.push(end_sign_in(&platform).await);
    apps::nth_login_address(&app, 2).await;
    eventually("the gap is told", SOON, async || {
        let told = gaps(&platform, &state).await;
        (told.contains("sign-in from") && told.contains("callfeed login")).then_some(())
    })
    .await;
    for scenario in ["missed", "answered"] {
        spaces.push(play(&platform, scenario, &["--speed", "50"]).await);
    }
    assert_eq!(times(&app, &spaces), [1, 0, 0, 0]);
    log_in_elsewhere(&platform, &state).await;
    for space in &spaces {
        apps::printed(&app, space).await;
    }
    eventually("no gap is open", LATER, async || {
        gaps(&platform, &state).await.contains("No gap is open").then_some(())
    })
    .await;
    assert!(!app.ended());
    assert_eq!(times(&app, &spaces), [1; 4]);
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    spaces.sort();
    assert_eq!(stored, spaces);
    app.stop().await;
}

#[tokio::test]
async fn a_service_that_refuses_all_tokens_for_a_while_asks_nobody_to_sign_in() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    apps::reports_signed_in(&platform, &state, &["--json"]).await.stop().await;
    add(&platform, &json!({"fault": "unauthorized", "times": 12})).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;
    let said = app.stderr.all().join("\n");
    assert!(said.contains("401") && !said.contains("the sign-in has ended"), "{said}");
    app.stop().await;
}
