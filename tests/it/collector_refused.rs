//! The collector refused what only a person can give: it says so at once, with the step, and goes on by itself when it has it.

use std::path::Path;

use serde_json::{Value, json};

use crate::accounts::signed_in;
use crate::collector_sign_in::log_in_elsewhere;
use crate::faults::{add, clear_all};
use crate::harness::calls::play;
use crate::harness::{App, LATER, Person, Platform, SOON, apps, eventually, http, ports};

/// What a command says of the state folder, on standard output.
async fn said(platform: &Platform, state: &Path, command: &[&str]) -> String {
    let state = state.to_string_lossy().into_owned();
    let arguments = [command, &["--state", &state]].concat();
    App::run(&arguments, &platform.folder("apps")).await.stdout.join("\n")
}

#[tokio::test]
async fn a_report_that_is_refused_is_told_at_once_with_its_step_and_had_when_the_right_is_back() {
    let platform = Platform::start().await;
    let (state, health) = (platform.folder("state"), format!("127.0.0.1:{}", ports::free()));
    let app = apps::reports_signed_in(&platform, &state, &["--json", "--health", &health]).await;
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;

    let reports = "GET /call-events-report/v1/reports";
    let refused = json!({"fault": "forbidden", "parameters": {"endpoint": reports}, "times": 1000});
    add(&platform, &refused).await;
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    let line = app.stderr.line_with("1 report cannot be had", SOON).await;
    assert!(
        line.contains("status 403") && line.contains("callfeed login") && !line.contains(&space),
        "{line}"
    );
    let gaps = said(&platform, &state, &["gaps"]).await;
    assert!(gaps.contains(&format!("report of {space} from")) && gaps.contains("super admin"), "{gaps}");
    assert!(!gaps.contains("catching up"), "{gaps}");
    let told = http().get(format!("http://{health}/healthz")).send().await.unwrap();
    let told: Value = told.json().await.unwrap();
    assert_eq!(told["heldBack"][0]["reports"], 1, "{told}");
    let env = platform.env_file().to_string_lossy().into_owned();
    let doctor = said(&platform, &state, &["doctor", "--env", &env]).await;
    assert!(doctor.contains("BAD reports held back: 1 report") && doctor.contains("super admin"), "{doctor}");

    clear_all(&platform).await;
    apps::printed(&app, &space).await;
    app.stderr.line_with("over, 1 report that it held back is had", LATER).await;
    let gaps = said(&platform, &state, &["gaps"]).await;
    assert!(gaps.contains("No gap is open"), "{gaps}");
    app.stop().await;
}

#[tokio::test]
async fn a_first_start_by_somebody_who_may_not_see_the_calls_ends_with_the_step_that_mends_it() {
    let platform = Platform::start().await;
    let (env, state) = (platform.env_file(), platform.folder("state"));
    let (env, folder) = (env.to_string_lossy(), state.to_string_lossy());
    let flags = ["--env", &env, "--state", &folder];
    let member = Person::member(&platform);
    let mut app = signed_in(&platform, &member, "reports", &flags).await;
    assert_eq!(app.exit(LATER).await, Some(1));
    let said = app.stderr.all().join("\n");
    let step = format!(": sign in as a super admin of account {} (callfeed login)", platform.account());
    assert!(said.contains("What mends it") && said.contains(&step), "{said}");

    let mut login = signed_in(&platform, &Person::admin(&platform), "login", &flags).await;
    assert_eq!(login.exit(SOON).await, Some(0));
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;
    app.stop().await;
}

#[tokio::test]
async fn a_refused_list_of_calls_is_told_with_its_step_and_a_new_sign_in_is_taken_up_at_once() {
    let platform = Platform::start().await;
    let (state, health) = (platform.folder("state"), format!("127.0.0.1:{}", ports::free()));
    apps::reports_signed_in(&platform, &state, &["--json"]).await.stop().await;
    let list = "GET /call-events-report/v1/report-summaries";
    let refused = json!({"fault": "forbidden", "parameters": {"endpoint": list}, "times": 1000});
    add(&platform, &refused).await;
    let app = apps::start(&platform, "reports", &state, &["--json", "--health", &health]);
    let line = app.stderr.line_with("looked for again soon", LATER).await;
    assert!(line.contains("status 403") && line.contains("(callfeed login)"), "{line}");
    let told = eventually("the gap is told", SOON, async || {
        let gaps = said(&platform, &state, &["gaps"]).await;
        gaps.contains("look from").then_some(gaps)
    })
    .await;
    assert!(told.contains("sign in as a super admin"), "{told}");
    let told = http().get(format!("http://{health}/healthz")).send().await.unwrap();
    let told: Value = told.json().await.unwrap();
    assert_eq!(told["heldBack"][0]["reports"], 0, "{told}");

    clear_all(&platform).await;
    log_in_elsewhere(&platform, &state).await;
    app.stderr.line_with("a new sign-in is taken up", LATER).await;
    eventually("the calls are looked for", SOON, async || {
        said(&platform, &state, &["gaps"]).await.contains("No gap is open").then_some(())
    })
    .await;
    app.stop().await;
}
