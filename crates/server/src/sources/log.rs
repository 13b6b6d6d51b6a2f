//! `GET /simulator/v1/log`: the account's event log, for comparing two runs or looking what happened.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::simulator::owner_of_client;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::limits;
use crate::store::Entry;
use crate::time;

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    position: i64,
    timestamp: String,
    kind: &'static str,
    conversation_space_id: &'a str,
    notification_id: &'a str,
    content: &'a RawValue,
}

/// JSON lines, from the first entry behind `after` to the one that is the last now.
pub async fn log(State(app): State<Arc<App>>, headers: HeaderMap, params: Params) -> ApiResult<Response> {
    let owner = owner_of_client(&app, &headers).await?;
    if !owner.super_admin {
        let message = "The log is the whole account's: the client's owner must be a super admin.";
        return Err(ApiError::forbidden(message));
    }
    let after = params.integer("after")?.unwrap_or(0).max(0);
    let (lines, inbox) = mpsc::channel(1);
    app.tasks.spawn(read(Arc::clone(&app), owner.account_key, after, lines));
    let body = Body::from_stream(ReceiverStream::new(inbox).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

async fn read(app: Arc<App>, account_key: String, mut after: i64, lines: mpsc::Sender<Bytes>) {
    let Ok(head) = app.store.log_head(&account_key).await else { return };
    while after < head && !app.shutdown.is_cancelled() {
        let page = match app.store.log_after(&account_key, after, limits::CATCH_UP_PAGE).await {
            Ok(page) => page,
            Err(error) => return tracing::warn!("the log could not be read for its export: {error}"),
        };
        let Some(last) = page.last() else { return };
        after = last.position;
        let text: String = page.iter().filter(|entry| entry.position <= head).map(line).collect();
        if lines.send(Bytes::from(text)).await.is_err() {
            return;
        }
    }
}

fn line(entry: &Entry) -> String {
    let line = Line {
        position: entry.position,
        timestamp: time::nanos(entry.at_us),
        kind: entry.kind.as_str(),
        conversation_space_id: &entry.conversation_space_id,
        notification_id: &entry.notification_id,
        content: &entry.content,
    };
    // Strings and JSON text always encode.
    serde_json::to_string(&line).map_or_else(|_| String::new(), |text| text + "\n")
}
