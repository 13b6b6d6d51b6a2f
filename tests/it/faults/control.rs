//! Starting, listing and ending faults, and who may.

use reqwest::Method;
use serde_json::{Value, json};

use super::{FAULTS, add, ask, clear, clear_all, end_of, office, overview};
use crate::harness::calls::Channel;
use crate::harness::portal::Portal;
use crate::harness::receiver::Receiver;
use crate::harness::{Answer, App, Person, SOON, eventually, http};

const ME: &str = "/users/v1/me";

#[tokio::test]
async fn a_fault_ends_by_count_by_time_and_by_hand_and_the_list_and_the_log_say_so() {
    let (platform, session) = office().await;
    let counted =
        json!({"fault": "server-error", "times": 2, "parameters": {"endpoint": "GET /users/v1/me"}});
    let counted = add(&platform, &counted).await;
    let timed =
        add(&platform, &json!({"fault": "slow", "forS": 1, "parameters": {"endpoint": "/voice-admin/v1"}}))
            .await;
    let cleared = add(&platform, &json!({"fault": "lose"})).await;
    let active = overview(&platform).await["active"].clone();
    assert_eq!(active.as_array().unwrap().len(), 3, "{active}");
    assert_eq!((&active[0]["fault"], &active[0]["times"]), (&json!("server-error"), &json!(2)));
    assert_eq!(active[0]["parameters"]["status"], "500", "defaults are told");
    assert!(active[0]["endsAt"].as_str() > active[0]["startedAt"].as_str(), "{active}");

    for _ in 0..2 {
        session.get(ME).await.error(500, "UNKNOWN_ERROR");
    }
    session.get(ME).await.is(200);
    assert_eq!(end_of(&platform, &counted).await, ("times".to_owned(), 2));
    let over = async || {
        let ended = overview(&platform).await["ended"].clone();
        ended.as_array()?.iter().find(|one| one["id"] == json!(timed))?["ended"]["why"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(eventually("the end of its time", SOON, over).await, "time");
    clear(&platform, &cleared).await;
    assert_eq!(end_of(&platform, &cleared).await, ("cleared".to_owned(), 0));
    ask(&platform, Method::DELETE, &format!("{FAULTS}/{cleared}"), &Value::Null)
        .await
        .error(404, "NOT_FOUND");
    for why in ["times", "time", "cleared"] {
        platform.app.stderr.line_with(&format!("why=\"{why}\""), SOON).await;
    }
}

#[tokio::test]
async fn a_fault_concerns_its_scope_alone() {
    let (platform, session) = office().await;
    let portal = Portal::open(&platform, &Person::admin(&platform)).await;
    let other = portal.new_client("users.v1.read", &["authorization_code"]).await;
    let fault =
        json!({"fault": "server-error", "times": 100, "clientId": other.id, "parameters": {"endpoint": ME}});
    add(&platform, &fault).await;
    session.get(ME).await.is(200);
    clear_all(&platform).await;
    let own = json!({"fault": "server-error", "clientId": platform.setting("OAUTH_CLIENT_ID"), "parameters": {"endpoint": ME}});
    add(&platform, &own).await;
    session.get(ME).await.is(500);

    let wrong = [
        (json!({"fault": "pigeon"}), 400),
        (json!({"fault": "lose", "clientId": other.id}), 400),
        (json!({"fault": "lose", "channelId": "0x"}), 404),
        (json!({"fault": "server-error", "clientId": "0x"}), 400),
        (json!({"fault": "slow", "parameters": {"endpoint": "/nowhere"}}), 400),
        (json!({"fault": "lose", "times": 0}), 400),
        (json!({"fault": "lose", "forS": 86_401}), 400),
        (json!({"fault": "slow", "parameters": {"delayMs": 0}}), 400),
        (json!({"fault": "slow", "parameters": {"pigeon": 1}}), 400),
        (json!({"fault": "lose", "pigeon": 1}), 400),
    ];
    for (body, status) in wrong {
        ask(&platform, Method::POST, FAULTS, &body).await.is(status);
    }
}

#[tokio::test]
async fn each_fault_is_taken_where_the_catalogue_offers_it_and_nowhere_else() {
    let (platform, session) = office().await;
    let socket = Channel::create(&session, "socket").await.id;
    let receiver = Receiver::start(|_| 204.into()).await;
    let hook = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": receiver.url}}});
    let made = session.post("/notification-channel/v1/channels/hook", &hook).await.is(201);
    let hook = made.text_of("/channelId");
    let client = platform.setting("OAUTH_CLIENT_ID");
    let catalogue = overview(&platform).await["catalogue"].clone();
    for kind in catalogue.as_array().unwrap() {
        let scopes: Vec<&str> =
            kind["scopes"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let channel = scopes.contains(&"channel");
        // A fault of any endpoint needs one that names the channel.
        let has_endpoint = kind["parameters"].as_array().unwrap().iter().any(|one| one["name"] == "endpoint");
        let set = if has_endpoint { json!({"endpoint": "/call-events/v1/subscriptions"}) } else { json!({}) };
        let offers = [
            ("channelId", socket.as_str(), channel || scopes.contains(&"WebSockets channel")),
            ("channelId", hook.as_str(), channel || scopes.contains(&"Webhook channel")),
            ("clientId", client, scopes.contains(&"client")),
        ];
        for (name, id, offered) in offers {
            let mut fault = json!({"fault": kind["fault"], "parameters": set});
            fault[name] = json!(id);
            let answer = ask(&platform, Method::POST, FAULTS, &fault).await;
            assert_eq!(answer.status, if offered { 201 } else { 400 }, "{fault}: {}", answer.text);
            assert!(offered || answer.text.contains("Put it on: "), "{}", answer.text);
        }
        clear_all(&platform).await;
    }
    let unnamed = json!({"fault": "not-found", "channelId": socket});
    let refused = ask(&platform, Method::POST, FAULTS, &unnamed).await.is(400);
    assert!(refused.text.contains("do not name it"), "{}", refused.text);
}

#[tokio::test]
async fn only_the_client_of_a_super_admin_may() {
    let (platform, _) = office().await;
    let portal = Portal::open(&platform, &Person::member(&platform)).await;
    let member = portal.new_client("users.v1.read", &["authorization_code"]).await;
    let url = format!("{}{FAULTS}", platform.base);
    let as_member = http().get(&url).basic_auth(&member.id, Some(&member.secret));
    Answer::of("GET faults", as_member).await.error(403, "UNAUTHORIZED");
    let wrong = http().get(&url).basic_auth(&member.id, Some("wrong"));
    Answer::of("GET faults", wrong).await.error(401, "AUTHN_INVALID_TOKEN");
    Answer::of("GET faults", http().get(&url)).await.error(401, "AUTHN_INVALID_TOKEN");
}

#[tokio::test]
async fn the_command_line_starts_lists_and_ends_faults() {
    let (platform, session) = office().await;
    let env = platform.env_file().to_string_lossy().into_owned();
    let folder = platform.folder("cli");
    let run = async |arguments: &[&str]| {
        App::run(&[&["fault"], arguments, &["--env", &env]].concat(), &folder).await
    };
    let added = run(&[
        "add",
        "server-error",
        "--set",
        "status=503",
        "--set",
        "endpoint=GET /users/v1/me",
        "--times",
        "5",
        "--for",
        "2m",
    ])
    .await;
    assert_eq!(added.code, Some(0), "{}", added.errors());
    let fault: Value = serde_json::from_str(&added.stdout[0]).unwrap();
    session.get(ME).await.error(503, "UNAVAILABLE");
    let listed = run(&["list"]).await.stdout.join("\n");
    assert!(listed.contains(fault["id"].as_str().unwrap()) && listed.contains("struck 1"), "{listed}");
    assert!(listed.contains("struck 1 of 5, until ") && listed.contains("status=503"), "{listed}");
    assert!(!listed.contains("drop-socket"), "{listed}");
    let catalogue = run(&["list", "--catalogue"]).await.stdout.join("\n");
    assert!(catalogue.contains("drop-socket"), "{catalogue}");
    let nope = run(&["clear", "nope"]).await;
    assert!(nope.errors().contains("No fault with this id is active"), "{}", nope.errors());
    assert_eq!(run(&["clear"]).await.code, Some(0));
    session.get(ME).await.is(200);
    let json = run(&["list", "--json"]).await.stdout.join("");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["ended"][0]["id"], fault["id"]);
    let refused = run(&["add", "pigeon"]).await;
    assert!(refused.code == Some(1) && refused.errors().contains("no fault pigeon"), "{}", refused.errors());
    let misspelt = run(&["add", "delai"]).await.errors();
    assert!(misspelt.contains("did you mean delay?") && misspelt.contains("list --catalogue"), "{misspelt}");
    for (flag, value, told) in [("--for", "25h", "24h or less"), ("--channel", "0x", "12 characters")] {
        let refused = run(&["add", "lose", flag, value]).await.errors();
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(run(&["add", "lose", "--for", "1d"]).await.code, Some(0), "days are taken");
}
