//! Bad days on demand (docs/faults.md): each fault shows its effect at the wire, and ends.

mod answers;
mod control;
mod coverage;
mod deliveries;
mod frames;
mod ids;
mod modes;
mod sign_in;
mod states;
mod webhooks;

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel};
use crate::harness::{Answer, Person, Platform, Session, http};

const FAULTS: &str = "/simulator/v1/faults";
const SCOPES: &str = "call-events.v1.notifications.manage call-events.v1.events.read cr.v1.read \
    call-history.v1.notifications.manage recording.v1.read recording.v1.notifications.manage users.v1.read \
    users.v1.lines.read identity: identity:scim.me";

/// Names of the faults that an answer says it suffers from.
fn struck(answer: &Answer) -> &str {
    answer.header("x-callfeed-fault")
}

/// The body, `Null` if it is not JSON.
fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or(Value::Null)
}

/// A request for a fault.
async fn ask(platform: &Platform, method: reqwest::Method, path: &str, body: &Value) -> Answer {
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let request =
        http().request(method.clone(), format!("{}{path}", platform.base)).basic_auth(id, Some(secret));
    let request = if body.is_null() { request } else { request.json(body) };
    Answer::of(&format!("{method} {path}"), request).await
}

/// Starts a fault and returns its id.
pub async fn add(platform: &Platform, fault: &Value) -> String {
    let answer = ask(platform, reqwest::Method::POST, FAULTS, fault).await.is(201);
    answer.text_of("/id")
}

async fn clear(platform: &Platform, id: &str) {
    ask(platform, reqwest::Method::DELETE, &format!("{FAULTS}/{id}"), &Value::Null).await.is(204);
}

pub async fn clear_all(platform: &Platform) {
    ask(platform, reqwest::Method::DELETE, FAULTS, &Value::Null).await.is(204);
}

pub async fn overview(platform: &Platform) -> Value {
    ask(platform, reqwest::Method::GET, FAULTS, &Value::Null).await.is(200).json()
}

/// Why a fault ended, and how often it struck.
async fn end_of(platform: &Platform, id: &str) -> (String, u64) {
    let all = overview(platform).await;
    let ended = all["ended"].as_array().unwrap().iter().find(|one| one["id"] == id);
    let ended = ended.unwrap_or_else(|| panic!("{id} has not ended: {}", all["active"]));
    (ended["ended"]["why"].as_str().unwrap().to_owned(), ended["struck"].as_u64().unwrap())
}

/// A platform with a person who may do everything.
async fn office() -> (Platform, Session) {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    (platform, session)
}

/// A channel with all that an account tells.
async fn full_channel(platform: &Platform, session: &Session, nickname: &str) -> Channel {
    let channel = Channel::subscribed(platform, session, nickname).await;
    let account = platform.account();
    let body = json!({"accountKey": account, "channelId": channel.id});
    session.post("/recording/v1/subscriptions", &body).await.is(201);
    let extensions = ["1001", "1002", "1003", "1004", "1005"];
    let body = json!({"accountKey": account, "channelId": channel.id, "extensions": extensions});
    session.post("/call-history/v1/subscriptions", &body).await.is(201);
    channel
}

async fn play(platform: &Platform, scenario: &str) -> String {
    calls::play(platform, scenario, &["--speed", "100", "--record"]).await
}
