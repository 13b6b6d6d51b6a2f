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

/// Which checks were not made, or say the same, for the cause that one of them names.
fn following<'a>(findings: &'a [Value], cause: &str) -> Vec<&'a str> {
    let of = findings.iter().filter(|finding| finding["cause"] == cause);
    of.map(|finding| finding["check"].as_str().unwrap()).collect()
}

/// What is bad, by name, and all steps that are told. What only follows from it names it and says no step.
fn bad(findings: &[Value]) -> (Vec<&str>, String) {
    let wrong: Vec<&Value> = findings.iter().filter(|finding| finding["ok"] == false).collect();
    let (bad, following): (Vec<&Value>, Vec<&Value>) =
        wrong.into_iter().partition(|finding| finding["cause"] == "");
    let is_bad = |name: &Value| bad.iter().any(|finding| finding["check"] == *name);
    assert!(
        following.iter().all(|finding| finding["step"] == "" && is_bad(&finding["cause"])),
        "{findings:?}"
    );
    let bad = bad.into_iter();
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
    let unchecked = following(&findings, "sign-in");
    assert!(unchecked.contains(&"read reports") && unchecked.contains(&"connect the socket"), "{findings:?}");
    let reports = findings.iter().find(|finding| finding["check"] == "read reports").unwrap();
    assert!(reports["found"].as_str().unwrap().starts_with("not checked: "), "{reports}");
    let nobody = format!("http://127.0.0.1:{}", crate::harness::ports::free());
    let hosts =
        ["GOTO_AUTH_URL", "GOTO_API_URL", "GOTO_CHANNEL_URL"].map(|name| (name, Some(nobody.as_str())));
    let nowhere = text(settings(&platform, "nowhere", &hosts));
    let findings = doctor(&platform, &nowhere, &state, &[]).await;
    assert_eq!(bad(&findings).0, ["reach authorization server"], "{findings:?}");
    assert!(following(&findings, "reach authorization server").contains(&"read reports"), "{findings:?}");
    apps::log_in(&platform, &platform.folder("state")).await;
    let findings = doctor(&platform, &env, &state, &[]).await;
    assert!(findings.len() >= 10 && bad(&findings).0.is_empty(), "{findings:?}");

    let wrong_key = text(settings(&platform, "key", &[("ACCOUNT_KEY", Some("17"))]));
    let findings = doctor(&platform, &wrong_key, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert_eq!(names, ["account"], "{findings:?}");
    assert!(following(&findings, "account").contains(&"subscribe to reports"), "{findings:?}");
    assert!(steps.contains("ACCOUNT_KEY") && steps.contains("callfeed accounts"), "{steps}");

    let wrong_host = text(settings(&platform, "host", &[("GOTO_API_URL", Some(&nobody))]));
    let findings = doctor(&platform, &wrong_host, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names == ["reach API"] && steps.contains("GOTO_API_URL"), "{findings:?}");
    assert!(findings.iter().any(|finding| finding["check"] == "sign-in" && finding["ok"] == true));

    let secret = text(settings(&platform, "secret", &[("OAUTH_CLIENT_SECRET", Some("of-another-client"))]));
    let findings = doctor(&platform, &secret, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names == ["client secret"] && steps.contains("OAUTH_CLIENT_SECRET"), "{findings:?}");

    // Somebody has signed in, with another client: a login changes nothing before the id is right.
    let id = text(settings(&platform, "id", &[("OAUTH_CLIENT_ID", Some("of-nobody"))]));
    let findings = doctor(&platform, &id, &state, &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names == ["OAuth client and redirect URI"] && steps.contains("OAUTH_CLIENT_ID"), "{findings:?}");
    assert!(following(&findings, names[0]).contains(&"sign-in"), "{findings:?}");

    // A file is no folder.
    let findings = doctor(&platform, &env, &text(platform.env_file()), &[]).await;
    let (names, steps) = bad(&findings);
    assert!(names == ["state folder"] && steps.contains("--state"), "{findings:?}");
    assert!(following(&findings, "state folder").contains(&"read reports"), "{findings:?}");

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
        ("call-events.v1.notifications.manage", &["subscribe to reports"][..]),
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
    assert_eq!(names, ["account"], "{findings:?}");
    assert!(following(&findings, "account").contains(&"subscribe to reports"), "{findings:?}");
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
