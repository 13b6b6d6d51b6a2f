//! Every scenario through `callfeed call`: it prints the id, plays to its end, and leaves the right report.

use std::collections::HashMap;

use engine::{Expectation, Scenario};
use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, play};
use crate::harness::portal::Portal;
use crate::harness::{App, LATER, Person, Platform, SCOPES, SOON, Session, Socket, seed};

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

/// A socket that hears states, reports and revisions of the whole account.
async fn listen(platform: &Platform, session: &Session) -> Socket {
    let channel = Channel::create(session, "scenarios").await;
    let types = ["REPORT_SUMMARY", "REPORT_SUMMARY_REVISION"];
    let body = json!({"channelId": channel.id, "accountKeys": [platform.account()], "eventTypes": types});
    session.post("/call-events-report/v1/subscriptions", &body).await.is(201);
    Channel::subscribe(platform, session, &channel.id).await;
    channel.socket().await
}

/// What was heard of each call: its frames, in order.
type Heard = HashMap<String, Vec<Value>>;

fn of_type<'a>(frames: &'a [Value], kind: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame["data"]["type"] == kind).collect()
}

/// Reads until each of these calls has its summary and its revisions.
async fn hear(socket: &mut Socket, spaces: &[String], expected: &[Expectation]) -> Heard {
    let mut heard = Heard::new();
    let complete = |heard: &Heard| {
        spaces.iter().enumerate().all(|(place, space)| {
            let frames = heard.get(space).map(Vec::as_slice).unwrap_or_default();
            of_type(frames, "REPORT_SUMMARY").len() == 1
                && of_type(frames, "REPORT_SUMMARY_REVISION").len() == expected[place].revisions
        })
    };
    while !complete(&heard) {
        let frame = socket.until("a notification of a call", |frame| {
            frame["data"]["content"]["conversationSpaceId"].is_string()
                || frame["data"]["content"]["metadata"].is_object()
        });
        let frame = frame.await;
        let content = &frame["data"]["content"];
        let id = content["conversationSpaceId"].as_str();
        let id = id.or(content["metadata"]["conversationSpaceId"].as_str()).unwrap().to_owned();
        heard.entry(id).or_default().push(frame);
    }
    heard
}

/// What each call must come to. Whichever lines the office has, the draws of a seed fall alike.
fn expected(scenario: &Scenario, seed: u64) -> Vec<Expectation> {
    let script = engine::script(&engine::Office::example(0), &engine::Request::new(scenario.clone(), seed));
    script.unwrap().expected.into_iter().flatten().collect()
}

fn check_call(what: &str, expected: &Expectation, frames: &[Value], report: &Value) {
    let states = calls::states(frames);
    let linked = report["associatedConversations"] != json!([]);
    if !linked {
        calls::check_sequence(&states);
    }
    assert_eq!(report["callStates"], json!(states), "{what}: the report is what was heard live");
    let first = &of_type(frames, "REPORT_SUMMARY")[0]["data"]["content"];
    assert_eq!(first["callerOutcome"], expected.outcome.as_str(), "{what}: {first}");
    assert_eq!(first.get("callAnswered").is_some(), expected.answered, "{what}");
    assert_eq!(first["participants"].as_array().unwrap().len(), expected.reached, "{what}: {first}");
    let participants = states.iter().flat_map(|state| state["participants"].as_array().unwrap());
    let callers = participants.filter(|one| one["id"] == one["originator"]);
    let mut course: Vec<Value> = callers.map(|caller| caller["status"]["value"].clone()).collect();
    course.dedup();
    assert_eq!(json!(course), json!(expected.caller), "{what}");
}

#[tokio::test]
async fn every_scenario_comes_to_what_its_file_says() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let mut socket = listen(&platform, &session).await;
    let seed = seed();
    for scenario in Scenario::all() {
        let name = scenario.name();
        let speed = if name == "three-hours" { "20000" } else { "200" };
        let mut app = platform.call(name, &["--speed", speed, "--seed", &seed.to_string()]);
        assert_eq!(app.exit(LATER).await, Some(0), "{name} with seed {seed}: {:?}", app.stderr.all());
        let spaces = calls::spaces(&app);
        assert!(!spaces.is_empty(), "{name}");
        let expected = expected(&scenario, seed);
        assert_eq!(spaces.len(), expected.len(), "{name} with seed {seed}");
        let heard = hear(&mut socket, &spaces, &expected).await;
        assert_eq!(heard.len(), spaces.len(), "{name}: nothing is heard of other calls");
        for (place, space) in spaces.iter().enumerate() {
            let report = platform.report(&session, space).await;
            let what = format!("{name} with seed {seed}, call {place}");
            check_call(&what, &expected[place], &heard[space], &report);
            let recorded = report["participants"].as_array().unwrap().iter();
            let recorded = recorded.filter(|leg| leg["recordings"] != json!([])).count();
            assert_eq!(recorded > 0, scenario.is_recorded(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_revised_report_is_there_before_its_notification_and_says_more() {
    let platform = Platform::start().await;
    let scopes = format!("{SCOPES} recording.v1.read");
    let session = Person::admin(&platform).grant(&platform, &scopes).await.session;
    let mut socket = listen(&platform, &session).await;
    let mut app = platform.call("late-transcript", &["--speed", "40"]);
    let space = calls::first_space(&app).await;
    let of = |kind: &'static str| {
        let space = space.clone();
        move |frame: &Value| {
            frame["data"]["type"] == kind && frame["data"]["content"]["conversationSpaceId"] == space.as_str()
        }
    };
    socket.until("the report", of("REPORT_SUMMARY")).await;
    let first = platform.report(&session, &space).await;
    let leg = |report: &Value| report["participants"][1].clone();
    let id = leg(&first)["recordings"][0]["id"].as_str().expect("a recording").to_owned();
    assert_eq!(leg(&first)["transcripts"], json!([]));
    session.get(&format!("/recording/v1/transcriptions/{id}")).await.is(404);
    socket.until("the revision", of("REPORT_SUMMARY_REVISION")).await;
    let second = platform.report(&session, &space).await;
    assert_eq!(leg(&second)["transcripts"][0]["id"], id.as_str());
    session.get(&format!("/recording/v1/transcriptions/{id}")).await.is(302);
    assert_eq!(app.exit(LATER).await, Some(0));
}

#[tokio::test]
async fn a_file_of_ones_own_plays_and_mistakes_in_it_are_named() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let folder = platform.folder("files");
    let file = folder.join("short.toml");
    let text = "about = \"Short.\"\ndirection = \"inbound\"\nsteps = [\n  { after = \"1s\", do = \"ring\" },\n\
                  { after = \"1s\", do = \"hang-up\", who = \"caller\" },\n]\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_string_lossy().into_owned();
    let space = play(&platform, &path, &["--speed", "50"]).await;
    let report = platform.report(&session, &space).await;
    assert_eq!(report["callStates"].as_array().unwrap().len(), 5);
    let env = platform.env_file().to_string_lossy().into_owned();
    let starts = format!("starts = \"2026-02-03\"\n{text}");
    for (wrong, told) in [
        (text.replace("ring", "rang"), "rang"),
        (text.replace("hang-up", "hold"), "step 2"),
        (starts, "such as \"2026-02-03T23:59:30Z\""),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let ended = App::run(&["call", &path, "--env", &env], &folder).await;
        assert!(ended.code == Some(1) && ended.errors().contains(told), "{ended:?}");
    }
}

#[tokio::test]
async fn a_file_of_ones_own_is_compared_with_what_it_expects() {
    let platform = Platform::start().await;
    let folder = platform.folder("files");
    let file = folder.join("short.toml");
    let text = "about = \"Short.\"\ndirection = \"inbound\"\nsteps = [\n  { after = \"1s\", do = \"ring\" },\n\
                  { after = \"1s\", do = \"hang-up\", who = \"caller\" },\n]\n[[expect]]\noutcome = \"MISSED\"\n\
                  answered = false\ncaller = [\"RINGING\", \"DISCONNECTING\"]\nreached = 1\nrows = [19]\n";
    let path = file.to_string_lossy().into_owned();
    let env = platform.env_file().to_string_lossy().into_owned();
    let flags = ["call", &path, "--env", &env, "--speed", "100", "--count", "2", "--every", "0ms"];
    std::fs::write(&file, text).unwrap();
    let ended = App::run(&flags, &folder).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.errors().contains("All calls came to what short.toml expects."), "{ended:?}");
    std::fs::write(&file, text.replace("MISSED", "NORMAL").replace("[19]", "[16]")).unwrap();
    let ended = App::run(&flags, &folder).await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(1), 2), "{ended:?}");
    let told = ended.errors();
    assert_eq!(told.matches(": outcome is \"MISSED\", expected was \"NORMAL\"").count(), 2, "{told}");
    assert!(told.contains(": rows is [19], expected was [16]"), "{told}");
    assert!(told.contains("2 of 2 calls came to something else than short.toml expects"), "{told}");
    std::fs::write(&file, text.replace("MISSED", "MISED")).unwrap();
    let ended = App::run(&flags, &folder).await;
    assert!(ended.errors().contains("did you mean \"MISSED\"?"), "{ended:?}");
}

/// Several callers for one line: the first has it, the others find it busy.
const CROWD: &str = r#"
about = "A crowd."
direction = "inbound"
steps = [
    { after = "1s", do = "ring" },
    { after = "60s", do = "hang-up", who = "caller" },
]
[repeat]
times = 40
every = "1s"
[[expect]]
outcome = "MISSED"
answered = false
caller = ["RINGING", "DISCONNECTING"]
reached = 1
rows = [19]
"#;

#[tokio::test]
async fn calls_that_find_all_lines_busy_are_compared_too_or_counted() {
    let platform = Platform::start().await;
    let folder = platform.folder("files");
    let file = folder.join("crowd.toml");
    let (path, env) =
        (file.to_string_lossy().into_owned(), platform.env_file().to_string_lossy().into_owned());
    let flags = ["call", &path, "--env", &env, "--speed", "200"];
    std::fs::write(&file, CROWD).unwrap();
    let ended = App::run(&flags, &folder).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told = ended.errors();
    assert!(told.contains("since they found all lines busy, and there is no [when-busy]"), "{told}");
    assert!(!told.contains("All calls"), "{told}");
    let busy = "[when-busy]\nsteps = [{ after = \"1s\", do = \"hang-up\", who = \"caller\" }]\n[when-busy.expect]\n\
                outcome = \"NORMAL\"\nanswered = false\ncaller = [\"RINGING\", \"DISCONNECTING\"]\nreached = 0\nrows = []\n";
    std::fs::write(&file, format!("{CROWD}{busy}")).unwrap();
    let ended = App::run(&flags, &folder).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors().contains(": outcome is \"MISSED\", expected was \"NORMAL\""), "{ended:?}");
    // One caller alone finds a free line: what is expected of busy lines is not seen.
    std::fs::write(&file, format!("{CROWD}{busy}").replace("times = 40", "times = 1")).unwrap();
    let ended = App::run(&flags, &folder).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors().contains("[when-busy.expect] was compared with no call"), "{ended:?}");
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
    let ended = App::run(&["call", "answerd", "--env", &env], &folder).await;
    assert_eq!(ended.code, Some(1), "as for what the platform refuses: {ended:?}");
    for name in engine::names() {
        assert!(ended.errors().contains(name), "{name} is not offered: {ended:?}");
    }
    let ended = App::run(&["call", "answered", "--env", &env, "--to", "9999"], &folder).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors().contains("9999"), "{ended:?}");
    assert_eq!(ended.stdout, Vec::<String>::new());
    let ended = App::run(&["call", "answered", "--env", &env, "--speed", "0"], &folder).await;
    assert!(ended.errors().contains("give a number from 0.01 to 100000"), "{ended:?}");
    for command in [&["call", "answered"][..], &["clock"], &["fault", "list"]] {
        let ended = App::run(command, &folder).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.errors().starts_with("callfeed: this is for a Callfeed platform"), "{ended:?}");
        assert!(ended.errors().contains("--env platform/example.env"), "{ended:?}");
    }
    let ended = App::run(&["call", "answered", "--env", "nowhere.env"], &folder).await;
    assert!(ended.code.is_some_and(|code| code != 0) && ended.errors().contains("nowhere.env"), "{ended:?}");
}

#[tokio::test]
async fn the_library_is_listed_and_printed_to_begin_with() {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    let listed = App::run(&["call", "--list"], folder.path()).await;
    assert_eq!((listed.code, listed.stdout.len()), (Some(0), engine::names().count()), "{listed:?}");
    assert!(
        listed.stdout.iter().zip(engine::names()).all(|(line, name)| line.starts_with(name)),
        "{listed:?}"
    );
    let printed = App::run(&["call", "--print", "blind-transfer"], folder.path()).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(
        printed.stdout.join("\n") + "\n",
        engine::text("blind-transfer").expect("it is of the library")
    );
    let unknown = App::run(&["call", "--print", "blind"], folder.path()).await;
    assert!(unknown.errors().contains("blind-transfer"), "{unknown:?}");
}

#[tokio::test]
async fn calls_outlive_ctrl_c_and_its_exit_code_says_that_it_was_one() {
    let platform = Platform::start().await;
    let mut app = platform.call("answered", &[]);
    let space = calls::first_space(&app).await;
    app.interrupt().await;
    assert_eq!(app.exit(SOON).await, Some(130), "{:?}", app.stderr.all());
    let told = app.stderr.all().join("\n");
    assert!(told.contains("the calls go on"), "{told}");
    let session = admin(&platform).await;
    let path = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    let live = session.get(&path).await.is(200).text;
    assert!(live.contains(&space), "{live}");
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
    // Calls are heard by the whole account, so not everybody's client may play them.
    let portal = Portal::open(&platform, &Person::member(&platform)).await;
    let client = portal.new_client("cr.v1.read", &["authorization_code"]).await;
    let members =
        platform.with_token("").request(reqwest::Method::POST, "/simulator/v1/calls").json(&request);
    let members = members.basic_auth(&client.id, Some(&client.secret));
    crate::harness::Answer::of("simulator", members).await.is(403);
    let path = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    let live = session.get(&path).await.is(200).json();
    assert_eq!(live["items"], json!([]));
}

#[tokio::test]
async fn an_empty_list_of_events_means_all_of_them() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::create(&session, "all").await;
    let keys = json!([{"id": platform.account(), "events": []}]);
    let body = json!({"channelId": channel.id, "accountKeys": keys});
    session.post("/call-events/v1/subscriptions", &body).await.is(207);
    let mut socket = channel.socket().await;
    play(&platform, "missed", &["--speed", "50"]).await;
    let mut frames = Vec::new();
    while !frames.iter().any(|frame: &Value| frame["data"]["content"]["state"]["type"] == "ENDING") {
        frames.push(socket.frame().await.expect("the socket stays open until the call has ended"));
    }
    calls::check_sequence(&calls::states(&frames));
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
