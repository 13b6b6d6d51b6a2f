//! `callfeed doctor` on a platform: each thing that can be missing is named with the step that mends it, and nothing else.

use axum::http::{StatusCode, header};
use serde_json::Value;

use crate::accounts::{settings, signed_in};
use crate::harness::portal::Portal;
use crate::harness::{App, Person, Platform, SCOPES, SOON, apps};

/// The findings of `callfeed doctor --json`.
async fn doctor(platform: &Platform, env: &str, state: &str, flags: &[&str]) -> Vec<Value> {
    let arguments = [&["doctor", "--env", env, "--state", state, "--json"], flags].concat();
    let ended = App::run(&arguments, &platform.folder("apps")).await;
    let findings: Vec<Value> = ended.stdout.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all_good = findings.iter().all(|finding| finding["ok"] == true);
    assert_eq!(ended.code, Some(i32::from(!all_good)), "{findings:?} {}", ended.errors());
    findings
}

/// What is bad, by name, and all steps that are told.
fn bad(findings: &[Value]) -> (Vec<&str>, String) {
    let bad = findings.iter().filter(|finding| finding["ok"] == false);
    let (names, steps): (Vec<&str>, Vec<&str>) =
        bad.map(|finding| (finding["check"].as_str().unwrap(), finding["step"].as_str().unwrap())).unzip();
    assert!(steps.iter().all(|step| !step.is_empty()), "a step for each: {findings:?}");
    (names, steps.join("\n"))
}

fn text(path: std::path::PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

#[tokio::test]
async fn the_doctor_names_what_is_missing_and_the_step_that_mends_it() {
    let platform = Platform::start().await;
    let (env, state) = (text(platform.env_file()), text(platform.folder("state")));
    let findings = doctor(&platform, &env, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names == ["sign-in"] && steps.contains("callfeed login"), "{findings:?}");
    apps::log_in(&platform, &platform.folder("state")).await;
    let findings = doctor(&platform, &env, &state, &[]).await;
    assert!(findings.len() >= 10 && bad(&findings).0.is_empty(), "{findings:?}");

    let wrong_key = text(settings(&platform, "key", &[("ACCOUNT_KEY", Some("17"))]));
    let findings = doctor(&platform, &wrong_key, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names.contains(&"account") && names.contains(&"subscribe to reports"), "{findings:?}");
    assert!(steps.contains("ACCOUNT_KEY") && steps.contains("callfeed accounts"), "{steps}");

    let nobody = format!("http://127.0.0.1:{}", crate::harness::ports::free());
    let wrong_host = text(settings(&platform, "host", &[("GOTO_API_URL", Some(&nobody))]));
    let findings = doctor(&platform, &wrong_host, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names.contains(&"reach API") && steps.contains("GOTO_API_URL"), "{findings:?}");

    let secret = text(settings(&platform, "secret", &[("OAUTH_CLIENT_SECRET", Some("of-another-client"))]));
    let findings = doctor(&platform, &secret, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names == ["client secret"] && steps.contains("OAUTH_CLIENT_SECRET"), "{findings:?}");

    let findings = doctor(&platform, &env, &state, &["--listen", "app.example:5555"]).await;
    let (names, steps) = bad(&findings);
    assert_eq!(names, ["OAuth client and redirect URI"], "{findings:?}");
    assert!(steps.contains("http://app.example:5555/app/redirect"), "{steps}");
}

#[tokio::test]
async fn the_doctor_names_each_scope_that_is_missing_and_a_role_that_is_too_small() {
    let platform = Platform::start().await;
    let admin = Person::admin(&platform);
    let portal = Portal::open(&platform, &admin).await;
    for (missing, checks) in [
        ("call-events.v1.notifications.manage", &["subscribe to reports", "subscribe to call events"][..]),
        ("call-events.v1.events.read", &["read calls under way"]),
        ("cr.v1.read", &["read reports"]),
        ("users.v1.read", &["read people and lines"]),
        ("identity:scim.me", &["read one's record"]),
    ] {
        let all = SCOPES.split(' ').chain(["users.v1.read", "identity:scim.me"]);
        let scopes: Vec<&str> = all.filter(|scope| *scope != missing).collect();
        let client = portal.new_client(&scopes.join(" "), &["authorization_code", "refresh_token"]).await;
        let few =
            [("OAUTH_CLIENT_ID", Some(client.id.as_str())), ("OAUTH_CLIENT_SECRET", Some(&client.secret))];
        let (env, state) = (text(settings(&platform, missing, &few)), text(platform.folder(missing)));
        let mut app = signed_in(&platform, &admin, "login", &["--env", &env, "--state", &state]).await;
        assert_eq!(app.exit(SOON).await, Some(0));
        let findings = doctor(&platform, &env, &state, &[]).await;
        let (names, steps) = bad(&findings);
        assert_eq!(names, checks, "{missing}: {findings:?}");
        assert!(steps.lines().all(|step| step.contains(missing)), "{missing}: {steps}");
    }

    let (env, state) = (text(platform.env_file()), text(platform.folder("member")));
    let member = Person::member(&platform);
    let mut app = signed_in(&platform, &member, "login", &["--env", &env, "--state", &state]).await;
    assert_eq!(app.exit(SOON).await, Some(0));
    let findings = doctor(&platform, &env, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names.contains(&"account") && names.contains(&"subscribe to reports"), "{findings:?}");
    assert!(steps.contains("super admin") && !steps.contains("tick the scope"), "{steps}");
}

#[tokio::test]
async fn the_doctor_names_a_clock_that_is_wrong() {
    let platform = Platform::start().await;
    // A server whose time is an hour behind is a machine whose time is an hour ahead.
    let date = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    let answer = async move || (StatusCode::NOT_FOUND, [(header::DATE, date)]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let late = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().fallback(answer)).await.unwrap();
    });
    let env = text(settings(&platform, "late", &[("GOTO_AUTH_URL", Some(&late))]));
    let findings = doctor(&platform, &env, &text(platform.folder("state")), &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names.contains(&"clock") && steps.contains("NTP"), "{findings:?}");
    let clock = findings.iter().find(|finding| finding["check"] == "clock").unwrap();
    assert!(clock["found"].as_str().unwrap().contains("ahead of"), "{clock}");
    server.abort();
}
