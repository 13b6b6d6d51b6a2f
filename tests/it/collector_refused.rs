//! The collector refused what only a person can give: it says so at once, with the step, and goes on by itself when it has it.

use std::path::Path;

use serde_json::{Value, json};

use crate::accounts::signed_in;
use crate::faults::{add, clear_all};
use crate::harness::calls::play;
use crate::harness::{App, LATER, Person, Platform, SOON, apps, http, ports};

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
    app.stderr.line_with("over, no report is held back by it any more (it was 1 report)", LATER).await;
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
