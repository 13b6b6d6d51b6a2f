//! Every scenario through `callfeed call`: it prints the id, plays to its end, and leaves the right report.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, play};
use crate::harness::{App, LATER, Person, Platform, SCOPES, SOON, Session, seed};

/// A scenario with what its report must say.
struct Expected {
    scenario: &'static str,
    direction: &'static str,
    outcome: &'static str,
    /// LINE participants of the report.
    lines: usize,
}

const SCENARIOS: [Expected; 6] = [
    Expected { scenario: "answered", direction: "INBOUND", outcome: "NORMAL", lines: 1 },
    Expected { scenario: "missed", direction: "INBOUND", outcome: "MISSED", lines: 1 },
    Expected { scenario: "outbound", direction: "OUTBOUND", outcome: "NORMAL", lines: 1 },
    Expected { scenario: "internal", direction: "OUTBOUND", outcome: "NORMAL", lines: 2 },
    Expected { scenario: "ring-group", direction: "INBOUND", outcome: "NORMAL", lines: 3 },
    Expected { scenario: "dial-plan", direction: "INBOUND", outcome: "NORMAL", lines: 1 },
];

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

fn lines_in(report: &Value) -> usize {
    let participants = report["participants"].as_array().unwrap();
    participants.iter().filter(|participant| participant["type"]["value"] == "LINE").count()
}

#[tokio::test]
async fn every_scenario_ends_with_the_report_it_should_have() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "scenarios").await;
    let mut socket = channel.socket().await;
    let seed = seed().to_string();
    for expected in SCENARIOS {
        let scenario = expected.scenario;
        let space = play(&platform, scenario, &["--speed", "20", "--seed", &seed]).await;
        let frames = socket.call(&space).await;
        let states = calls::states(&frames);
        calls::check_sequence(&states);
        let summary = &frames.last().unwrap()["data"]["content"];
        assert_eq!(summary["callerOutcome"], expected.outcome, "{scenario}: {summary}");
        let report = platform.report(&session, &space).await;
        assert_eq!(report["direction"], expected.direction, "{scenario}");
        assert_eq!(report["callStates"], json!(states), "{scenario}: the report is what was heard live");
        let lines = lines_in(&report);
        let enough = if scenario == "dial-plan" { lines >= 1 } else { lines == expected.lines };
        assert!(enough, "{scenario}: {lines} lines");
        let met = expected.outcome == "NORMAL";
        assert_eq!(report.get("hangupOriginatorId").is_some(), met, "{scenario}: who hung up");
        assert_eq!(summary.get("callAnswered").is_some(), met, "{scenario}: when answered");
    }
}

#[tokio::test]
async fn a_dial_plan_shows_its_steps_and_stays_to_the_hang_up() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let space = play(&platform, "dial-plan", &["--speed", "50"]).await;
    let report = platform.report(&session, &space).await;
    assert_eq!(report["interactiveVoiceResponseSystems"], json!([]), "a report shows no dial plans");
    let states = report["callStates"].as_array().unwrap();
    let statuses: Vec<&Value> =
        states.iter().map(|state| &state["interactiveVoiceResponseSystems"][0]["status"]["value"]).collect();
    assert_eq!(statuses[0], &Value::Null, "first the caller, alone");
    assert_eq!(statuses[1], "CONNECTED");
    assert_eq!(states[1]["type"], "ACTIVE");
    assert_eq!(states[1]["participants"][0]["status"]["value"], "IN_INTERACTIVE_VOICE_RESPONSE");
    let leaving = statuses.iter().position(|status| **status == "DISCONNECTING").expect("the plan ends");
    assert!(statuses[1..leaving].iter().all(|status| **status == "CONNECTED"), "{statuses:?}");
    let talking = |state: &Value| {
        let participants = state["participants"].as_array().unwrap();
        participants.iter().filter(|one| one["status"]["value"] == "CONNECTED").count() == 2
    };
    let talk = states.iter().position(talking).expect("two parties talk");
    assert!(talk < leaving, "the plan stays connected through the talk");
    let nodes: Vec<&Value> = states[1..leaving]
        .iter()
        .map(|state| &state["interactiveVoiceResponseSystems"][0]["type"]["currentNode"]["type"])
        .collect();
    assert!(nodes.len() > 2 && nodes.iter().all(|node| node.is_string()), "{nodes:?}");
}

#[tokio::test]
async fn a_ring_group_rings_three_lines_and_one_answers() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let space = play(&platform, "ring-group", &["--speed", "50"]).await;
    let report = platform.report(&session, &space).await;
    let states = report["callStates"].as_array().unwrap();
    let count = |state: &Value, status: &str| {
        let participants = state["participants"].as_array().unwrap();
        participants.iter().filter(|one| one["status"]["value"] == status).count()
    };
    assert!(states.iter().any(|state| count(state, "RINGING") == 4), "caller and three lines ring");
    let both = states.iter().position(|state| count(state, "CONNECTED") == 2).expect("two talk");
    assert_eq!(count(&states[both], "DISCONNECTING"), 2, "the other lines leave as two connect");
    assert_eq!(states[both + 1]["participants"].as_array().unwrap().len(), 2, "and are gone next");
}

#[tokio::test]
async fn many_calls_overlap_and_each_is_printed_once() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let mut app = platform.call("answered", &["--count", "5", "--every", "100ms", "--seed", "5"]);
    let five = |lines: &[String]| {
        (lines.iter().filter(|line| line.contains("conversationSpaceId")).count() == 5).then_some(())
    };
    app.stdout.wait("five ids", SOON, five).await;
    let path = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    let live = session.get(&path).await.is(200).json();
    assert!(live["items"].as_array().unwrap().len() > 1, "calls overlap: {live}");
    assert_eq!(app.exit(LATER).await, Some(0));
    let mut spaces = calls::spaces(&app);
    spaces.sort();
    spaces.dedup();
    assert_eq!(spaces.len(), 5, "{spaces:?}");
    for space in spaces {
        platform.report(&session, &space).await;
    }
}

#[tokio::test]
async fn the_same_seed_plays_the_same_call() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let mut parties = Vec::new();
    for _ in 0..2 {
        let space = play(&platform, "answered", &["--speed", "50", "--seed", "77"]).await;
        let report = platform.report(&session, &space).await;
        parties.push((
            report["participants"][0]["type"]["caller"].clone(),
            report["participants"][1]["type"]["lineId"].clone(),
        ));
    }
    assert_eq!(parties[0], parties[1]);
}

#[tokio::test]
async fn any_caller_is_accepted_letter_by_letter() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let callers = [
        ("+13125550147", "<script>alert(1)</script><b>Bold</b> & \"quoted\""),
        ("Anonymous", ""),
        ("not a number; DROP TABLE calls;--", "名前 Ünïcode 🎉"),
        ("", "No number"),
    ];
    for (number, name) in callers {
        let flags = ["--speed", "50", "--from", number, "--from-name", name];
        let space = play(&platform, "missed", &flags).await;
        let report = platform.report(&session, &space).await;
        let caller = &report["participants"][0]["type"]["caller"];
        assert_eq!((&caller["number"], &caller["name"]), (&json!(number), &json!(name)));
    }
}

#[tokio::test]
async fn mistakes_are_named_with_what_is_possible() {
    let platform = Platform::start().await;
    let folder = platform.folder("apps");
    let env = platform.env_file().to_string_lossy().into_owned();
    let ended = App::run(&["call", "conference", "--env", &env], &folder).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    for expected in SCENARIOS {
        assert!(
            ended.errors().contains(expected.scenario),
            "{} is not offered: {ended:?}",
            expected.scenario
        );
    }
    let ended = App::run(&["call", "answered", "--env", &env, "--to", "9999"], &folder).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors().contains("9999"), "{ended:?}");
    assert_eq!(ended.stdout, Vec::<String>::new());
    let ended = App::run(&["call", "answered", "--env", "nowhere.env"], &folder).await;
    assert!(ended.code.is_some_and(|code| code != 0) && ended.errors().contains("nowhere.env"), "{ended:?}");
}

#[tokio::test]
async fn the_simulator_lets_nobody_in_without_the_clients_own_credentials() {
    let platform = Platform::start().await;
    let request = json!({"scenario": "answered"});
    let session = admin(&platform).await;
    for stranger in [platform.with_token(""), platform.with_token("made-up")] {
        let answer = stranger.post("/simulator/v1/calls", &request).await;
        assert!([401, 403].contains(&answer.status), "{} {}", answer.status, answer.text);
    }
    let wrong = platform.with_token("").request(reqwest::Method::POST, "/simulator/v1/calls").json(&request);
    let wrong = wrong.basic_auth(platform.setting("OAUTH_CLIENT_ID"), Some("wrong"));
    let status = crate::harness::Answer::of("simulator", wrong).await.status;
    assert!([401, 403].contains(&status), "{status}");
    let path = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    let live = session.get(&path).await.is(200).json();
    assert_eq!(live["items"], json!([]));
}

#[tokio::test]
async fn a_platform_that_goes_away_ends_the_command_with_the_reason() {
    let mut platform = Platform::start().await;
    let mut app = platform.call("answered", &["--speed", "0.1"]);
    calls::first_space(&app).await;
    platform.kill9().await;
    assert_eq!(app.exit(LATER).await, Some(1), "it does not wait for ever");
    let said = app.stderr.all().join("\n");
    assert!(said.contains(&platform.base) || said.to_lowercase().contains("platform"), "{said}");
    let ended = App::run(
        &["call", "answered", "--env", &platform.env_file().to_string_lossy()],
        &platform.folder("apps"),
    )
    .await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[tokio::test]
async fn calls_that_go_one_at_a_time_do_not_overlap() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let flags = ["--count", "4", "--every", "0ms", "--at-once", "1", "--speed", "100"];
    let mut app = platform.call("ring-group", &flags);
    assert_eq!(app.exit(LATER).await, Some(0), "callfeed call ends when its calls have ended");
    let mut spans = Vec::new();
    for space in calls::spaces(&app) {
        let report = platform.report(&session, &space).await;
        let instant = |name: &str| report[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        spans.push((instant("callCreated"), instant("callEnded")));
    }
    assert_eq!(spans.len(), 4);
    spans.sort();
    assert!(spans.windows(2).all(|two| two[0].1 <= two[1].0), "each begins after the one before: {spans:?}");
}
