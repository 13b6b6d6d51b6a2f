//! A subscriber that stops reading its socket while many notifications go out: nobody waits for it, and when it reads
//! on it gets everything, in order.

use std::collections::HashSet;

use serde_json::Value;

use crate::harness::calls::Channel;
use crate::harness::{LATER, Person, Platform, SCOPES, Socket};

/// More than the buffers between two programs of one machine hold, and more entries than the platform keeps in memory
/// after that.
const CALLS: usize = 260;

/// Notifications in the order in which they first came.
#[derive(Default)]
struct Heard {
    ids: Vec<String>,
    known: HashSet<String>,
    reports: usize,
}

impl Heard {
    fn add(&mut self, frame: &Value) {
        let Some(id) = frame["data"]["id"].as_str() else { return };
        if self.known.insert(id.to_owned()) {
            self.ids.push(id.to_owned());
            self.reports += usize::from(frame["data"]["source"] == "call-events-report");
        }
    }
}

async fn catch_up_reads(platform: &Platform) -> f64 {
    let text = platform.with_token("").get("/metrics").await.is(200).text;
    let count = text.lines().find_map(|line| line.strip_prefix("callfeed_catch_up_reads_total "));
    count.and_then(|count| count.parse().ok()).expect("the metric is there")
}

#[tokio::test]
async fn a_subscriber_that_stops_reading_holds_nobody_up_and_gets_everything_when_it_reads_on() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let brisk = Channel::subscribed(&platform, &session, "brisk").await;
    let slow = Channel::subscribed(&platform, &session, "slow").await;
    let mut brisk = brisk.socket().await;
    let mut reader = Socket::connect_narrow(&slow.url).await;
    reader.ping(b"connected").await;
    let count = CALLS.to_string();
    let flags = ["--speed", "100000", "--every", "0ms", "--at-once", "40", "--count", &count];
    let mut calls = platform.call("queue-retry", &flags);
    // The other one hears everything while nothing is read from the slow one's socket.
    let mut expected = Heard::default();
    while expected.reports < CALLS {
        expected.add(&brisk.frame().await.expect("the socket stays open"));
    }
    assert_eq!(calls.exit(LATER).await, Some(0));
    let before = catch_up_reads(&platform).await;

    // On a slow machine its time to take something may be over by now: then it was closed, and returns.
    let mut heard = Heard::default();
    while heard.ids.len() < expected.ids.len() {
        match reader.frame().await {
            Some(frame) => heard.add(&frame),
            None => reader = slow.socket().await,
        }
    }
    assert_eq!(heard.ids, expected.ids, "everything, each in its order");
    assert!(catch_up_reads(&platform).await > before, "the log was read for it: it was really behind");
}
