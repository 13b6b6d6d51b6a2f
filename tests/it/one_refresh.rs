//! A token that has expired is refreshed once, however many tasks of however many programs meet that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use futures_util::future::join_all;
use serde_json::json;

use crate::accounts::{settings, signed_in};
use crate::faults::add;
use crate::harness::calls::spaces;
use crate::harness::{App, LATER, Person, Platform, SOON, apps, http};

/// Stands before the authorization server and counts refreshes.
struct Counter {
    base: String,
    refreshes: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Counter {
    async fn start(platform: &Platform) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let refreshes = Arc::new(AtomicUsize::new(0));
        let (count, to, client) = (refreshes.clone(), platform.base.clone(), http());
        let pass_on = async move |request: Request<Body>| {
            let (parts, body) = request.into_parts();
            let body: Bytes = axum::body::to_bytes(body, 1_000_000).await.unwrap();
            if String::from_utf8_lossy(&body).contains("grant_type=refresh_token") {
                count.fetch_add(1, Ordering::SeqCst);
            }
            let mut headers = parts.headers;
            headers.remove("host");
            let url = format!("{to}{}", parts.uri);
            let answer = client.request(parts.method, url).headers(headers).body(body).send().await.unwrap();
            let mut response = Response::builder().status(answer.status());
            for name in ["location", "content-type"] {
                if let Some(value) = answer.headers().get(name) {
                    response = response.header(name, value);
                }
            }
            response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
        };
        let router = axum::Router::new().fallback(pass_on);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, refreshes, task }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn all_programs_of_a_folder_refresh_an_expired_token_once() {
    let platform = Platform::start().await;
    let counter = Counter::start(&platform).await;
    let env = settings(&platform, "counted", &[("GOTO_AUTH_URL", Some(&counter.base))]);
    let (env, state) = (env.to_string_lossy().into_owned(), platform.folder("state"));
    let folder = state.to_string_lossy().into_owned();
    let flags = ["--env", &env, "--state", &folder];
    let mut login = signed_in(&platform, &Person::admin(&platform), "login", &flags).await;
    assert_eq!(login.exit(SOON).await, Some(0));
    let app =
        App::start(&[&["reports", "--no-browser", "--json"], &flags[..]].concat(), &platform.folder("apps"));
    app.stderr.line_with("connected", SOON).await;
    assert_eq!(counter.refreshes.load(Ordering::SeqCst), 0);

    add(&platform, &json!({"fault": "expire-token"})).await;
    let mut calls = platform.call("missed", &["--speed", "100", "--count", "20", "--every", "10ms"]);
    let others = join_all((0..4).map(|_| async {
        App::run(&[&["accounts", "--json"], &flags[..]].concat(), &platform.folder("apps")).await
    }));
    for ended in others.await {
        assert_eq!(ended.code, Some(0), "{}", ended.errors());
    }
    assert_eq!(calls.exit(LATER).await, Some(0));
    for space in spaces(&calls) {
        apps::printed(&app, &space).await;
    }
    assert_eq!(counter.refreshes.load(Ordering::SeqCst), 1, "five programs, one refresh");
    app.stop().await;
}
