//! What the owner of a collector asks: is everything there, why not, how is it, what of a person is kept.

use serde_json::Value;

use crate::faults::add;
use crate::harness::calls::play;
use crate::harness::{App, LATER, Person, Platform, SCOPES, SOON, apps, eventually};

async fn ask(platform: &Platform, arguments: &[&str]) -> crate::harness::app::Ended {
    App::run(arguments, &platform.folder("apps")).await
}

#[tokio::test]
async fn a_call_is_explained_counted_and_erased() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let folder = state.to_string_lossy().into_owned();
    let port = crate::harness::ports::free();
    let address = format!("127.0.0.1:{port}");
    let app = apps::start(&platform, "reports", &state, &["--json", "--health", &address]);
    let flags = ["--speed", "50", "--from", "+13125550147"];
    let space = play(&platform, "answered", &flags).await;
    apps::printed(&app, &space).await;
    let other = play(&platform, "answered", &["--speed", "50", "--from", "+13125550199"]).await;
    apps::printed(&app, &other).await;

    let http = crate::harness::http();
    let health: Value = eventually("the collector is well", SOON, async || {
        let answer = http.get(format!("http://{address}/healthz")).send().await.ok()?;
        if answer.status() == 200 { answer.json().await.ok() } else { None }
    })
    .await;
    assert_eq!(health["connected"], true, "{health}");
    let metrics = http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    for name in ["connected 1", "lag_seconds ", "sign_in_days_left ", "output_waiting{output=\"terminal\"} "]
    {
        let line = format!("callfeed_collector_{name}");
        assert!(metrics.lines().any(|found| found.starts_with(&line)), "{line}: {metrics}");
    }

    // A token for curl is one that the platform takes.
    let env = platform.env_file().to_string_lossy().into_owned();
    let token = ask(&platform, &["token", "--env", &env, "--state", &folder]).await;
    let session = platform.with_token(&token.stdout[0]);
    session.get(&format!("/call-events-report/v1/reports/{space}")).await.is(200);

    eventually("the delivery is explained", LATER, async || {
        let told = ask(&platform, &["explain", &space, "--state", &folder]).await.stdout.join("\n");
        (told.contains("collected:") && told.contains("terminal: revision 1 was delivered")).then_some(())
    })
    .await;
    let told = ask(&platform, &["explain", "no-such-call", "--state", &folder]).await.stdout.join("\n");
    assert!(told.contains("nothing told the collector"), "{told}");

    let exported = ask(&platform, &["export", "(312) 555-0147", "--state", &folder]).await;
    let exported: Value = serde_json::from_str(&exported.stdout[0]).unwrap();
    assert_eq!(exported["conversationSpaceId"], space);
    let erased = ask(&platform, &["erase", "(312) 555-0147", "--state", &folder]).await;
    assert!(erased.stdout[0].starts_with("Erased from the store: 1 call,"), "{erased:?}");
    let last = erased.stdout.last().unwrap();
    assert!(last.contains("webhooks and commands") && last.contains("copies"), "{last}");
    let told = ask(&platform, &["explain", &space, "--state", &folder]).await.stdout.join("\n");
    assert!(told.starts_with("erased "), "{told}");
    for flag in ["--keep-days", "--keep-numbers", "--keep-names", "--keep-recordings"] {
        let ended = ask(&platform, &["reports", "--state", &folder, flag, "0"]).await;
        assert!(ended.code == Some(2) && ended.errors().contains("1 to 36500 days"), "{flag}: {ended:?}");
    }
    app.stop().await;
    assert_eq!(apps::spaces_of(&apps::stored(&platform, &state).await), [other]);

    // The call is still in the list of the platform; the collector leaves it alone.
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    let third = play(&platform, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &third).await;
    app.stop().await;
    assert!(!apps::spaces_of(&apps::stored(&platform, &state).await).contains(&space));
}

#[tokio::test]
async fn a_token_for_curl_is_never_one_that_was_taken_back() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let env = platform.env_file().to_string_lossy().into_owned();
    let folder = state.to_string_lossy().into_owned();
    let token = async || ask(&platform, &["token", "--env", &env, "--state", &folder]).await;
    let take_back = async |token: &str| {
        let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
        let request = crate::harness::http().post(format!("{}/oauth/revoke", platform.base));
        let request = request.basic_auth(id, Some(secret)).form(&[("token", token)]);
        crate::harness::Answer::of("revoke", request).await.is(200);
    };
    let first = token().await.stdout[0].clone();
    assert_eq!(token().await.stdout[0], first, "a living one is printed again");
    take_back(&first).await;
    let second = token().await.stdout[0].clone();
    assert_ne!(second, first);
    let channels = "/notification-channel/v1/channels";
    platform.with_token(&second).get(channels).await.is(200);

    add(&platform, &serde_json::json!({"fault": "refresh-refused", "times": 9})).await;
    take_back(&second).await;
    let ended = token().await;
    assert!(ended.code == Some(1) && ended.stdout.is_empty(), "{ended:?}");
    assert!(ended.errors().contains("callfeed login"), "{}", ended.errors());
}

#[tokio::test]
async fn a_token_of_nobody_says_how_to_sign_in() {
    let platform = Platform::start().await;
    let _session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let env = platform.env_file().to_string_lossy().into_owned();
    let state = platform.folder("state").to_string_lossy().into_owned();
    let ended = ask(&platform, &["token", "--env", &env, "--state", &state]).await;
    assert!(ended.code == Some(1) && ended.stdout.is_empty(), "{ended:?}");
    assert!(ended.errors().contains("callfeed login"), "{}", ended.errors());
}
