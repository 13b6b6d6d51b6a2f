//! Every row of the spec's endpoint tables at the wire: without a token, with a bad one, without the scope, with
//! success, and with each documented error; bodies and statuses are those of the OpenAPI document.

mod document;
mod rows;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use self::document::Document;
use self::rows::Row;
use crate::harness::calls::{self, Channel};
use crate::harness::{Answer, Person, Platform, Session};

const ALL: &str = "call-events.v1.notifications.manage call-events.v1.events.read cr.v1.read \
    call-history.v1.notifications.manage recording.v1.read recording.v1.notifications.manage users.v1.read \
    users.v1.lines.read identity: identity:scim.me voice-admin.v1.read";

/// An office in which there is one of everything that a row can name.
struct World {
    platform: Platform,
    document: Document,
    admin: Session,
    names: BTreeMap<&'static str, String>,
}

impl World {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let document = Document::of(&platform).await;
        let admin = Person::admin(&platform).grant(&platform, ALL).await.session;
        let member = Person::member(&platform).grant(&platform, ALL).await.session;
        let mut names = BTreeMap::from([("account", platform.account().to_owned())]);
        let first = async |path: &str| {
            admin.get(&format!("/voice-admin/v1/{path}")).await.is(200).text_of("/items/0/id")
        };
        names.insert("extension", first("extensions").await);
        names.insert("number", first("phone-numbers").await);
        names.insert("device", first("devices").await);
        names.insert("location", first("locations").await);
        let me = member.get("/identity/v1/Users/me").await.is(200);
        names.insert("member", me.text_of("/id"));
        Self { platform, document, admin, names }
    }

    /// A finished call that was recorded.
    async fn with_call(mut self) -> Self {
        let space = calls::play(&self.platform, "answered", &["--speed", "50", "--record"]).await;
        let report = self.platform.report(&self.admin, &space).await;
        let legs = report["participants"].as_array().unwrap();
        let recording = legs.iter().find_map(|leg| leg["recordings"][0]["id"].as_str()).unwrap();
        self.names.insert("recording", recording.to_owned());
        self.names.insert("space", space);
        self
    }

    /// Channels for one row: one with a subscription of each API, and one with none.
    async fn channels(&mut self) {
        let channel = Channel::subscribed(&self.platform, &self.admin, "demo").await;
        let bare = Channel::create(&self.admin, "demo").await;
        let body = json!({"accountKey": self.platform.account(), "channelId": channel.id});
        let history = self.admin.post("/call-history/v1/subscriptions", &body).await.is(201);
        let recordings = self.admin.post("/recording/v1/subscriptions", &body).await.is(201);
        self.names.insert("history", history.text_of("/items/0/id"));
        self.names.insert("recordings", recordings.text_of("/id"));
        self.names.insert("channel", channel.id);
        self.names.insert("bare", bare.id);
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.names {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    async fn ask(&self, session: &Session, method: &str, path: &str, body: &str) -> Answer {
        let (path, body) = (self.fill(path), self.fill(body));
        let mut request = session.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = Answer::of(&format!("{method} {path}"), request).await;
        self.document.judge(method, &path, &answer);
        answer
    }

    async fn check(&mut self, row: &Row, without_scope: &Session) {
        self.channels().await;
        let Row { method, path, body, scope, status, failures } = row;
        assert_eq!(self.document.scope(method, &self.fill(path)), *scope, "{method} {path}");
        // No token at all is answered like a lacking scope (spec/errors-and-limits.md, Status and code).
        let nobody = self.platform.with_token("");
        self.ask(&nobody, method, path, body).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
        let stranger = self.platform.with_token("made-up");
        self.ask(&stranger, method, path, body).await.error(401, "AUTHN_INVALID_TOKEN");
        if !scope.is_empty() {
            self.ask(without_scope, method, path, body).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
        }
        let admin = self.admin.clone();
        self.ask(&admin, method, path, body).await.is(*status);
        for (path, body, status, code) in *failures {
            self.ask(&admin, method, path, body).await.error(*status, code);
        }
    }
}

/// A token with every scope but this one.
async fn all_but(platform: &Platform, scope: &str) -> Session {
    let others: Vec<&str> = ALL.split(' ').filter(|other| *other != scope).collect();
    Person::admin(platform).grant(platform, &others.join(" ")).await.session
}

async fn check_all(mut world: World, rows: &[Row]) {
    let mut lacking: BTreeMap<&str, Session> = BTreeMap::new();
    for row in rows {
        if !lacking.contains_key(row.scope) {
            lacking.insert(row.scope, all_but(&world.platform, row.scope).await);
        }
        world.check(row, &lacking[row.scope]).await;
    }
}

#[tokio::test]
async fn rows_of_the_notification_channel_api() {
    check_all(World::new().await, rows::NOTIFICATION_CHANNEL).await;
}

#[tokio::test]
async fn rows_of_the_call_events_api() {
    check_all(World::new().await.with_call().await, rows::CALL_EVENTS).await;
}

#[tokio::test]
async fn rows_of_the_recording_api() {
    let world = World::new().await.with_call().await;
    let content = world.fill("/recording/v1/recordings/{recording}/content");
    let token = world.admin.get(&content).await.is(200).text_of("/token/token");
    let nobody = world.platform.with_token("");
    // The token in the path is enough.
    world.ask(&nobody, "GET", &format!("{content}/{token}"), "").await.is(302);
    world.ask(&nobody, "GET", &format!("{content}/wrong"), "").await.error(404, "NOT_FOUND");
    check_all(world, rows::RECORDING_API).await;
}

#[tokio::test]
async fn rows_of_the_report_api() {
    check_all(World::new().await.with_call().await, rows::REPORT_API).await;
}

#[tokio::test]
async fn rows_of_the_call_history_api() {
    check_all(World::new().await.with_call().await, rows::HISTORY_API).await;
}

#[tokio::test]
async fn rows_of_users_lines_and_administration() {
    check_all(World::new().await, rows::DIRECTORY).await;
}

#[tokio::test]
async fn rows_of_voice_admin() {
    let world = World::new().await;
    let queues = world.ask(&world.admin, "GET", "/voice-admin/v1/call-queues", "").await.is(200).json();
    for queue in queues["items"].as_array().unwrap() {
        let path = format!("/voice-admin/v1/call-queues/{}", queue["id"].as_str().unwrap());
        world.ask(&world.admin, "GET", &path, "").await.is(200);
        world.ask(&world.admin, "GET", &format!("{path}/users"), "").await.is(200);
    }
    check_all(world, rows::VOICE_ADMIN).await;
}

#[tokio::test]
async fn rows_that_are_not_served_say_so() {
    let world = World::new().await;
    for (method, path) in rows::NOT_SERVED {
        let request = world.admin.request(Method::from_bytes(method.as_bytes()).unwrap(), &world.fill(path));
        let answer = Answer::of(&format!("{method} {path}"), request).await;
        let status = answer.status;
        match status {
            405 => answer.error(405, "METHOD_NOT_ALLOWED"),
            _ => answer.error(404, "NOT_FOUND"),
        };
    }
}

#[tokio::test]
async fn rows_of_the_authorization_server() {
    let world = World::new().await;
    let (platform, document) = (&world.platform, &world.document);
    let redirect = "http://127.0.0.1:12021/app/redirect";
    let url = platform.authorize_url(redirect, "cr.v1.read", "a-state");
    let nobody = platform.with_token("");
    let path = format!("{}?{}", url.path(), url.query().unwrap());
    document.judge("GET", &path, &nobody.get(&path).await.is(302));
    document.judge("GET", "/oauth/authorize", &nobody.get("/oauth/authorize").await.is(400));
    let grant = Person::admin(platform).grant(platform, "cr.v1.read").await;
    let refused = |status: u16, error: &'static str| (status, Some(error));
    for (form, (status, error)) in [
        (vec![("grant_type", "refresh_token"), ("refresh_token", &*grant.refresh_token)], (200, None)),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], refused(400, "invalid_grant")),
        (vec![("grant_type", "authorization_code"), ("code", "x")], refused(400, "invalid_grant")),
        (vec![("grant_type", "personal_access_token"), ("pat", "x")], refused(400, "invalid_grant")),
        (vec![("grant_type", "client_credentials")], refused(401, "unauthorized_client")),
        (vec![("grant_type", "password")], refused(401, "unauthorized_client")),
        (vec![("grant_type", "something")], refused(400, "unsupported_grant_type")),
        (vec![("grant_type", "refresh_token")], refused(400, "invalid_request")),
        (vec![("grant_type", "x\0")], refused(400, "invalid_request")),
    ] {
        let answer = platform.token(&form).await.is(status);
        document.judge("POST", "/oauth/token", &answer);
        assert_eq!(answer.json()["error"].as_str(), error, "{form:?}");
    }
    let unknown = platform.token_as("nobody", Some("x"), &[("grant_type", "password")]).await.is(401);
    document.judge("POST", "/oauth/token", &unknown);
    for path in ["/.well-known/oauth-authorization-server", "/healthz", "/metrics", "/openapi.json"] {
        document.judge("GET", path, &nobody.get(path).await.is(200));
    }
    let token = [("token", grant.access_token.as_str())];
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let request = nobody.request(Method::POST, path).basic_auth(id, Some(secret)).form(&token);
        document.judge("POST", path, &Answer::of(path, request).await.is(200));
        let answer = Answer::of(path, nobody.request(Method::POST, path).form(&token)).await.is(401);
        document.judge("POST", path, &answer);
    }
    let inspected = nobody.get("/users/v1/me").await;
    document.judge("GET", "/users/v1/me", &inspected);
    assert_eq!(inspected.json()["errorCode"], Value::from("AUTHZ_INSUFFICIENT_SCOPE"));
}
