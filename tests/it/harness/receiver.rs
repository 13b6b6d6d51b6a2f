//! A webhook's receiver on this machine: keeps what it is sent, and answers as the story wants.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Log;

/// One request.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Id of the notification.
    pub fn id(&self) -> String {
        self.json()["id"].as_str().expect("a notification has an id").to_owned()
    }

    /// The call that it is about.
    pub fn space(&self) -> Option<String> {
        let content = &self.json()["content"];
        let id =
            content["metadata"]["conversationSpaceId"].as_str().or(content["conversationSpaceId"].as_str());
        id.map(str::to_owned)
    }
}

/// What the receiver says.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub status: u16,
    pub retry_after_s: Option<u64>,
    /// How long it thinks before.
    pub delay: Duration,
}

impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self { status, retry_after_s: None, delay: Duration::ZERO }
    }
}

pub struct Receiver {
    /// Where it listens, with a path that nobody guesses.
    pub url: String,
    /// All requests, `OPTIONS` too, in the order in which they arrived.
    pub requests: Log<Received>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers `OPTIONS` with 204, and each `POST` with what `answer` says.
    pub async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(move |request| match request.method.as_str() {
            "OPTIONS" => 204.into(),
            _ => answer(request),
        })
        .await
    }

    /// Answers everything with what `answer` says.
    pub async fn start_with(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(answer, true).await
    }

    /// The same without keeping the requests: a long run has too many.
    pub async fn start_forgetful(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(answer, false).await
    }

    async fn serve(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static, keep: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/goto/7b1e0c", listener.local_addr().expect("it is bound"));
        let requests = Log::new();
        let (sink, answer) = (requests.clone(), Arc::new(answer));
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("the body comes whole");
            let received = Received {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                headers: parts.headers,
                body: String::from_utf8(body.to_vec()).expect("a body is text"),
            };
            let reply = answer(&received);
            if keep {
                sink.push(received);
            }
            tokio::time::sleep(reply.delay).await;
            let mut response =
                Response::builder().status(StatusCode::from_u16(reply.status).expect("a status of HTTP"));
            if let Some(seconds) = reply.retry_after_s {
                response = response.header("retry-after", seconds);
            }
            response.body(axum::body::Body::empty()).expect("a plain response")
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the receiver serves until the test ends");
        });
        Self { url, requests, task }
    }

    /// The notifications that came so far.
    pub fn posts(&self) -> Vec<Received> {
        self.requests.all().into_iter().filter(|request| request.method == "POST").collect()
    }

    /// The notifications of a call, once its report is among them.
    pub async fn call(&self, space: &str) -> Vec<Received> {
        let whole = |requests: &[Received]| {
            let of_call = requests.iter().filter(|request| request.method == "POST");
            let of_call: Vec<Received> =
                of_call.filter(|request| request.space().as_deref() == Some(space)).cloned().collect();
            of_call.iter().any(|request| request.json()["source"] == "call-events-report").then_some(of_call)
        };
        self.requests.wait("the report of the call", super::SOON, whole).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
