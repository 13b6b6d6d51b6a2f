//! A server of the few endpoints that the client uses. Its mood is set by the tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use sdk::{Client, Config, Hosts, TokenFile};
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};
use url::Url;

pub const ACCOUNT: &str = "4827193056281740395";
const ID_TAIL: &str = "-I3P8K-DJCwZ4CyY48eAHFHNSMqHu-ztLLp6gem4MukAKjd55M4xxNilFfhyqJy9ULawMcpLFiZ3I";

/// What the server does.
#[derive(Clone)]
pub struct Mood {
    pub authorize_status: u16,
    pub expires_in: u64,
    pub channel_lifetime: u64,
    /// Of the single item in the 207.
    pub item_status: u16,
    pub report_items: bool,
    /// An access token that is answered with 401.
    pub expired: Option<String>,
    /// The next request for tokens tells that it has come, and is answered when it may be.
    pub held: Option<(Arc<Notify>, Arc<Notify>)>,
    /// Answers for the next requests to a "METHOD /path": status and body, first in first out.
    pub next: HashMap<String, Vec<(u16, Value)>>,
}

pub struct Shared {
    pub mood: Mutex<Mood>,
    /// "METHOD /path body", in order.
    pub log: Mutex<Vec<String>>,
    pub requests: watch::Sender<usize>,
    /// Living channels: id and nickname.
    pub channels: Mutex<HashMap<String, String>>,
    counter: Mutex<u64>,
    pub to_sockets: broadcast::Sender<Order>,
    pub base: Mutex<String>,
}

/// What all open sockets are to do.
#[derive(Clone)]
pub enum Order {
    Send(String),
    Drop,
}

pub struct Fake {
    pub shared: Arc<Shared>,
    pub base: Url,
    pub folder: tempfile::TempDir,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood {
                authorize_status: 302,
                expires_in: 3600,
                channel_lifetime: 1200,
                item_status: 200,
                report_items: true,
                expired: None,
                held: None,
                next: HashMap::new(),
            }),
            log: Mutex::default(),
            requests: watch::Sender::new(0),
            channels: Mutex::default(),
            counter: Mutex::new(0),
            to_sockets: broadcast::channel(4096).0,
            base: Mutex::new(base.clone()),
        });
        let router = router(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, base: Url::parse(&base).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    pub fn config(&self) -> Config {
        Config {
            client_id: "client-1".to_owned(),
            client_secret: "s3cret".into(),
            redirect_uri: Url::parse("http://127.0.0.1:12021/app/redirect").unwrap(),
            hosts: Hosts::single(self.base.clone()),
        }
    }

    /// A client that keeps its tokens in the folder of this server.
    pub fn client(&self) -> Client {
        Client::new(self.config(), TokenFile::new(self.folder.path().join("tokens.json"))).unwrap()
    }

    pub async fn signed_in(&self) -> Client {
        let client = self.client();
        client.exchange("code-1").await.unwrap();
        client
    }

    pub fn mood(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.shared.mood.lock().unwrap());
    }

    /// Answers the next request to `what` ("GET /path") so.
    pub fn next(&self, what: &str, status: u16, body: Value) {
        self.mood(|mood| mood.next.entry(what.to_owned()).or_default().push((status, body)));
    }

    pub fn log(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }

    pub fn count(&self, start: &str) -> usize {
        self.log().iter().filter(|line| line.starts_with(start)).count()
    }

    /// Waits until `count` requests that start so have come.
    pub async fn wait_for(&self, start: &str, count: usize) {
        let mut requests = self.shared.requests.subscribe();
        let waiting = async {
            while self.count(start) < count {
                requests.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(crate::PATIENCE, waiting).await.is_err() {
            panic!("{count} times {start:?} did not come: {:#?}", self.log());
        }
    }

    pub fn channels(&self) -> Vec<String> {
        self.shared.channels.lock().unwrap().keys().cloned().collect()
    }

    pub fn order(&self, order: Order) {
        let _ = self.shared.to_sockets.send(order);
    }

    pub fn send(&self, id: &str, source: &str, kind: &str, content: Value) {
        let data = json!({"id": id, "source": source, "type": kind, "content": content});
        self.order(Order::Send(json!({"event": "Notification", "eventId": 1, "data": data}).to_string()));
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let channels = "/notification-channel/v1/channels";
    Router::new()
        .route("/oauth/authorize", get(authorize))
        .route("/oauth/token", post(token))
        .route(&format!("{channels}/{{nickname}}"), post(create_channel))
        .route(&format!("{channels}/{{nickname}}/{{id}}"), any(channel))
        .route("/socket/{id}", get(socket))
        .route("/call-events/v1/subscriptions", post(subscribe_calls).get(keys).delete(no_content))
        .route("/call-events-report/v1/subscriptions", post(subscribe_reports).get(keys).delete(no_content))
        .route("/call-events-report/v1/reports/{id}", get(|| async { not_found() }))
        .layer(middleware::from_fn_with_state(shared.clone(), record))
        .with_state(shared)
}

/// Writes the request down and gives the answer that a test has prepared, if it has.
async fn record(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1_000_000).await.unwrap_or_default();
    let name = format!("{} {}", parts.method, parts.uri.path());
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let line = format!("{name}{query} {}", String::from_utf8_lossy(&body));
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let prepared = {
        let mut mood = shared.mood.lock().unwrap();
        let refused = json!({"errorCode": "AUTHN_EXPIRED_TOKEN", "message": "expired"});
        let expired = (bearer.is_some() && bearer == mood.expired).then_some((401, refused));
        let next =
            mood.next.get_mut(&name).filter(|answers| !answers.is_empty()).map(|answers| answers.remove(0));
        expired.or(next)
    };
    let response = match prepared {
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), Json(body)).into_response(),
        None => next.run(Request::from_parts(parts, body.into())).await,
    };
    shared.log.lock().unwrap().push(line);
    shared.requests.send_modify(|count| *count += 1);
    response
}

async fn authorize(State(shared): State<Arc<Shared>>) -> Response {
    let status = StatusCode::from_u16(shared.mood.lock().unwrap().authorize_status).unwrap();
    (status, [(header::LOCATION, "/login?service=x")]).into_response()
}

async fn token(State(shared): State<Arc<Shared>>, body: Bytes) -> Json<Value> {
    let number = number(&shared);
    let held = shared.mood.lock().unwrap().held.take();
    if let Some((come, go)) = held {
        come.notify_one();
        go.notified().await;
    }
    let expires_in = shared.mood.lock().unwrap().expires_in;
    let mut answer = json!({"access_token": format!("access-{number}"), "expires_in": expires_in});
    if String::from_utf8_lossy(&body).contains("authorization_code") {
        answer["token_type"] = "Bearer".into();
        answer["refresh_token"] = "refresh-1".into();
        answer["principal"] = "ada@example.com".into();
    }
    Json(answer)
}

fn number(shared: &Shared) -> u64 {
    let mut counter = shared.counter.lock().unwrap();
    *counter += 1;
    *counter
}

async fn create_channel(State(shared): State<Arc<Shared>>, Path(nickname): Path<String>) -> Response {
    let id = format!("0{:03}{ID_TAIL}", number(&shared));
    shared.channels.lock().unwrap().insert(id.clone(), nickname);
    (StatusCode::CREATED, Json(describe(&shared, &id))).into_response()
}

fn describe(shared: &Shared, id: &str) -> Value {
    let base = shared.base.lock().unwrap().replace("http://", "ws://");
    let data = json!({"channelType": "WebSockets", "channelURL": format!("{base}/socket/{id}")});
    let lifetime = shared.mood.lock().unwrap().channel_lifetime;
    json!({"channelId": id, "channelLifetime": lifetime, "channelData": data})
}

async fn channel(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    if !shared.channels.lock().unwrap().contains_key(&id) {
        return not_found();
    }
    if method == Method::DELETE {
        shared.channels.lock().unwrap().remove(&id);
        return StatusCode::NO_CONTENT.into_response();
    }
    Json(describe(&shared, &id)).into_response()
}

async fn subscribe_calls(State(shared): State<Arc<Shared>>) -> Response {
    let status = shared.mood.lock().unwrap().item_status;
    let item = json!({"id": ACCOUNT, "status": status, "message": if status == 200 { "Success" } else { "Forbidden" }});
    (StatusCode::MULTI_STATUS, Json(json!({"accountKeys": [item]}))).into_response()
}

async fn subscribe_reports(State(shared): State<Arc<Shared>>) -> Response {
    let item = json!({"id": "s1", "channelId": "c", "value": ACCOUNT});
    let items = if shared.mood.lock().unwrap().report_items { vec![item] } else { vec![] };
    (StatusCode::CREATED, Json(json!({"items": items}))).into_response()
}

async fn keys() -> Json<Value> {
    Json(json!({"accountKeys": [ACCOUNT]}))
}

async fn no_content() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn not_found() -> Response {
    let body = json!({"errorCode": "NOT_FOUND", "message": "no such thing", "reference": "r1"});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

async fn socket(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !shared.channels.lock().unwrap().contains_key(&id) {
        return not_found();
    }
    // Before the answer, so that no order is missed.
    let orders = shared.to_sockets.subscribe();
    upgrade.on_upgrade(move |socket| serve_socket(socket, orders))
}

async fn serve_socket(mut socket: WebSocket, mut orders: broadcast::Receiver<Order>) {
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            order = orders.recv() => match order {
                Ok(Order::Send(text)) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Ok(Order::Drop) | Err(_) => return,
            },
        }
    }
}
