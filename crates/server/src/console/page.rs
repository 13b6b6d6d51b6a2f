//! The page and its buttons.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use ui::{Console, ConsoleFault, Message};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Params};
use crate::faults::{self, catalogue};
use crate::oauth::portal::PortalError;
use crate::oauth::portal::session::{ANY, Session};
use crate::sources::simulator::{self, CallRequest};
use crate::webhooks;

type Answer = Result<Response, PortalError>;

/// Only a super admin sees all of an account.
pub(super) fn admin(session: &Session) -> Result<(), PortalError> {
    if session.user.super_admin {
        return Ok(());
    }
    let text = "The console shows the calls of the whole account. Sign in as a super admin.";
    Err(PortalError::Told(StatusCode::FORBIDDEN, Message::new("For super admins", text)))
}

/// `GET /console`.
pub async fn show(State(app): State<Arc<App>>, session: Session) -> Answer {
    admin(&session)?;
    app.journal.look();
    let fault = |kind: &catalogue::Kind| ConsoleFault {
        name: kind.name,
        what: kind.what,
        why: kind.why,
        parameters: kind.describe()["parameters"].to_string(),
        of_sockets: kind.channels().sockets,
        of_webhooks: kind.channels().webhooks,
    };
    let page = Console {
        visitor: session.visitor(),
        scenarios: simulator::scenarios(),
        faults: catalogue::GROUPS.map(|(title, kinds)| (title, kinds.iter().map(fault).collect())).into(),
    };
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

fn form(session: &Session, body: &Body) -> Result<Params, PortalError> {
    admin(session)?;
    session.fields(body, ANY)
}

/// `POST /console/play`: plays calls; 204 at once.
pub async fn play(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    let form = form(&session, &body)?;
    let number = |name: &str| form.one(name).and_then(|text| text.parse::<f64>().ok());
    let request = json!({
        "scenario": form.one("scenario").unwrap_or_default(),
        "speed": number("speed").unwrap_or(1.0),
        "count": number("count").unwrap_or(1.0) as u64,
    });
    let request: CallRequest = serde_json::from_value(request).map_err(ApiError::malformed)?;
    let office = app.directory.office(&session.user.account_key).ok_or_else(ApiError::not_found)?;
    // Nobody hears how the calls go on but the journal.
    drop(simulator::begin(&app, Arc::clone(office), request)?);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /console/faults`: starts a fault for the whole account, or for the channel that the page knows by this name.
pub async fn add_fault(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    let form = form(&session, &body)?;
    let mut wish = json!({"fault": form.one("fault").unwrap_or_default(), "forS": 60});
    // An empty field of the page asks for nothing.
    if form.one("times").is_some() {
        wish["times"] = json!(form.integer("times")?);
    }
    let account = &session.user.account_key;
    if let Some(shown) = form.one("channel").filter(|shown| !shown.is_empty()) {
        wish["channelId"] = json!(shown);
    }
    let kind = catalogue::find(form.one("fault").unwrap_or_default());
    let given = kind.into_iter().flat_map(|kind| kind.parameters).filter_map(|parameter| {
        let value = form.one(&format!("parameter.{}", parameter.name))?;
        Some((parameter.name.to_owned(), json!(value)))
    });
    wish["parameters"] = Value::Object(given.collect::<Map<_, _>>());
    let wish = faults::api::wish(&app, account, &wish).await?;
    faults::start(&app, account, wish)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /console/faults/clear`: ends one fault, or all.
pub async fn clear_faults(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    let form = form(&session, &body)?;
    let account = &session.user.account_key;
    match form.one("id") {
        // One that has ended meanwhile is as well.
        Some(id) => drop(faults::clear(&app, account, id)),
        None => faults::clear_all(&app, account),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /console/resend`: a notification of the journal goes to its channel's reader, or its webhook's receiver, again,
/// with its own id.
pub async fn resend(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    let form = form(&session, &body)?;
    let number = form.integer("number")?.unwrap_or(0).max(0).unsigned_abs();
    let record = app.journal.get(&session.user.account_key, number);
    let record = record.ok_or_else(|| ApiError::conflict("The journal has forgotten it."))?;
    let again = record.again.as_ref().ok_or_else(ApiError::not_found)?;
    if webhooks::is_id(&again.channel_id) {
        webhooks::send_again(&app, &record, again).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let channel = app.hub.get(&again.channel_id).filter(|channel| channel.is_connected());
    let channel = channel.ok_or_else(|| ApiError::conflict("The channel has no reader at the moment."))?;
    app.faults.send(&channel, again.data.clone());
    channel.touch();
    app.journal.again(&record);
    Ok(StatusCode::NO_CONTENT.into_response())
}
