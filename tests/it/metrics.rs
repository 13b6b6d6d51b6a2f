//! What Prometheus reads: the platform's numbers after a story, and who may read them.

use std::collections::HashMap;

use serde_json::json;

use crate::harness::calls::{Channel, play};
use crate::harness::receiver::Receiver;
use crate::harness::{Answer, Person, Platform, SCOPES, SOON, eventually, http, ports};

/// Series and their values, as `name{labels}` -> value.
fn series(text: &str) -> HashMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a series has a value");
        (name.to_owned(), value.parse().expect("a value is a number"))
    };
    lines.map(split).collect()
}

async fn scrape(base: &str) -> HashMap<String, f64> {
    let answer = Answer::of("GET /metrics", http().get(format!("{base}/metrics"))).await.is(200);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    series(&answer.text)
}

/// The sum of all series of a name whose labels contain all of `labels`.
fn sum(series: &HashMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let of_name = series.iter().filter(|(key, _)| key.split('{').next() == Some(name));
    of_name.filter(|(key, _)| labels.iter().all(|label| key.contains(label))).map(|(_, value)| value).sum()
}

#[tokio::test]
async fn the_numbers_tell_of_requests_sockets_calls_and_the_log() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "metrics").await;
    let mut socket = channel.socket().await;
    let space = play(&platform, "answered", &["--speed", "50"]).await;
    let frames = socket.call(&space).await.len() as f64;
    platform.report(&session, &space).await;
    session.get("/nowhere/13125550147").await.is(404);
    let now = scrape(&platform.base).await;
    let report = r#"route="/call-events-report/v1/reports/{id}""#;
    assert!(sum(&now, "callfeed_http_requests_total", &[report, r#"status="200""#]) >= 1.0, "{now:#?}");
    assert!(sum(&now, "callfeed_http_request_duration_seconds_count", &[report]) >= 1.0);
    assert!(sum(&now, "callfeed_http_requests_total", &[r#"route="unmatched""#, r#"status="404""#]) >= 1.0);
    assert!(!now.keys().any(|key| key.contains("5550147")), "no path is a label, only its template");
    assert_eq!((now["callfeed_channels"], now["callfeed_sockets_open"]), (1.0, 1.0));
    assert_eq!((now["callfeed_calls_under_way"], now["callfeed_log_queue_length"]), (0.0, 0.0));
    // One step of a call is one append, with one state or more, the last one with the report.
    assert!((2.0..frames).contains(&now["callfeed_log_appends_total"]), "{now:#?}");
    assert!(now["callfeed_log_commit_entries_sum"] >= frames);
    assert!(now["callfeed_log_commit_duration_seconds_count"] >= 1.0);
    assert_eq!(now["callfeed_log_commit_failures_total"], 0.0);
    assert!(now["callfeed_notifications_sent_total"] >= frames);
    assert!(now["callfeed_catch_up_reads_total"] >= 1.0);
    assert_eq!(now["callfeed_logins_slowed_total"], 0.0);
    // One receiver takes its notifications, the other fails at each.
    for status in [204, 500] {
        let receiver = Receiver::start(move |_| status.into()).await;
        let data = json!({"webhook": {"url": receiver.url}, "delivery": "durable"});
        let body = json!({"channelType": "Webhook", "webhookChannelData": data});
        let path = format!("/notification-channel/v1/channels/metrics-{status}");
        let id = session.post(&path, &body).await.is(201).text_of("/channelId");
        Channel::subscribe(&platform, &session, &id).await;
        play(&platform, "missed", &["--speed", "50"]).await;
        eventually("the numbers tell of the webhook", SOON, async || {
            let now = scrape(&platform.base).await;
            let waiting = now["callfeed_webhook_notifications_waiting"];
            let told = match status {
                204 => now["callfeed_webhook_deliveries_total"] >= 3.0 && waiting == 0.0,
                _ => now["callfeed_webhook_failures_total"] >= 1.0 && waiting >= 3.0,
            };
            (told && now["callfeed_webhooks"] == 1.0).then_some(())
        })
        .await;
        session.delete(&format!("{path}/{id}")).await.is(204);
        eventually("the webhook is gone", SOON, async || {
            (scrape(&platform.base).await["callfeed_webhooks"] == 0.0).then_some(())
        })
        .await;
    }
    drop(socket);
    eventually("the socket is gone", SOON, async || {
        (scrape(&platform.base).await["callfeed_sockets_open"] == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn behind_a_public_url_the_numbers_are_not_on_the_platforms_port() {
    let listen = format!("127.0.0.1:{}", ports::free());
    let public = ["--public-url", "https://phones.example.com"];
    let platform = Platform::start_with(&public).await;
    platform.with_token("").get("/metrics").await.is(404);
    let flags = [&public[..], &["--metrics-listen", &listen]].concat();
    let platform = Platform::start_with(&flags).await;
    platform.with_token("").get("/metrics").await.is(404);
    let now = scrape(&format!("http://{listen}")).await;
    assert_eq!(sum(&now, "callfeed_info", &["version="]), 1.0);
    let elsewhere = Answer::of("GET /", http().get(format!("http://{listen}/healthz"))).await;
    elsewhere.is(404);
    platform.stop().await;
}
