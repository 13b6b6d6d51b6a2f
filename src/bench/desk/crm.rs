//! A customer service in place of a real one: it knows everybody, and answers as fast as it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::Path;
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// After 20 ms.
    Quick,
    /// After three seconds.
    Slow,
    Never,
}

pub struct Crm {
    mood: Arc<AtomicU8>,
    base: String,
    server: JoinHandle<()>,
}

impl Crm {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
        let base = format!("http://{}", listener.local_addr()?);
        let mood = Arc::new(AtomicU8::new(0));
        let asked = Arc::clone(&mood);
        let find = move |Path(digits): Path<String>| answer(digits, asked.load(Ordering::Relaxed));
        let router = Router::new().route("/people/{digits}", get(find));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { mood, base, server })
    }

    pub fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Relaxed);
    }

    /// `sources.toml` of a screen pop that asks it.
    pub fn sources(&self) -> String {
        format!(
            "[[source]]\nname = \"CRM\"\nkind = \"http\"\nurl = \"{}/people/{{digits}}\"\nitems = \"$.people[*]\"\n\
             deadline_ms = 5000\nrequests_per_minute = 100000\n[source.fields]\nid = [\"$.id\"]\nname = [\"$.name\"]\n\
             company = [\"$.company\"]\nphone = [\"$.phone\"]\n[source.facts]\n\"Open tickets\" = \"$.tickets\"\n",
            self.base
        )
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(digits: String, mood: u8) -> Json<Value> {
    let waits = match mood {
        0 => Duration::from_millis(20),
        1 => Duration::from_secs(3),
        _ => Duration::from_secs(3600),
    };
    tokio::time::sleep(waits).await;
    let person = json!({"id": digits, "name": format!("Customer {digits}"), "company": "Example",
        "phone": format!("+{digits}"), "tickets": 2});
    Json(json!({"people": [person]}))
}
