//! The clients of a person: list, make, change, new secrets, delete. Nobody but the owner sees one, and an admin those
//! of people who left.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ui::{ClientLine, ClientList, ClientPage, Credentials, DeleteClient, Secret};
use uuid::Uuid;

use super::form::{Mistakes, Typed, field, grant_ticks, scope_ticks};
use super::session::{ANY, Session};
use super::{Answer, PortalError, day, minute, see_other};
use crate::app::App;
use crate::extract::{Body, Params, Path};
use crate::limits;
use crate::oauth::grants;
use crate::secrets;
use crate::store::{ClientRow, StoreResult};

/// `GET /clients`.
pub async fn list(State(app): State<Arc<App>>, session: Session, params: Params) -> Answer {
    let clients = app.store.clients_of(&session.user.user_key, row_limit()).await?;
    let leavers = leavers(&app, &session).await?;
    let line = |client: ClientRow| ClientLine {
        id: client.client_id,
        name: client.name,
        description: client.description,
        made: if client.created_us == 0 { String::new() } else { day(client.created_us) },
    };
    let page = ClientList {
        visitor: session.visitor(),
        account_key: session.user.account_key.clone(),
        clients: clients.into_iter().map(line).collect(),
        leavers: leavers.into_iter().map(line).collect(),
        notice: params.one("deleted").map(|_| "The client is deleted.".into()),
    };
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

/// What people left behind, for an admin: programs may still go on with it, and nobody else can end them.
async fn leavers(app: &App, session: &Session) -> StoreResult<Vec<ClientRow>> {
    if !session.user.super_admin {
        return Ok(Vec::new());
    }
    app.store.clients_of_leavers(&session.user.account_key, row_limit()).await
}

/// `POST /clients/{id}/take-over`: a client of somebody who left becomes the admin's, who can then change and delete it.
pub async fn take_over(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    session.fields(&body, ANY)?;
    let client = leavers(&app, &session).await?.into_iter().find(|client| client.client_id == id);
    let client = client.ok_or(PortalError::NotFound)?;
    app.store.hand_client_over(&id, &client.owner_user_key, &session.user.user_key).await?;
    Ok(see_other(&format!("/clients/{id}?done=taken")))
}

fn row_limit() -> i64 {
    i64::try_from(limits::CLIENTS_PER_USER_MAX).unwrap_or(i64::MAX)
}

/// `GET /clients/new`.
pub async fn new_form(session: Session) -> Answer {
    let typed = Typed { grants: grants::DEFAULT.map(str::to_owned).to_vec(), ..Typed::default() };
    let page = new_page(&session, &Uuid::new_v4().to_string(), &typed, Mistakes::default());
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

fn new_page(session: &Session, id: &str, typed: &Typed, mistakes: Mistakes) -> ClientPage {
    ClientPage { proof: session.proof(&purpose_of(id)), ..page(session, id, typed, mistakes) }
}

/// The form for a new client is good for this id alone, so that sending it twice makes one client.
fn purpose_of(id: &str) -> String {
    format!("new client {id}")
}

fn page(session: &Session, id: &str, typed: &Typed, mistakes: Mistakes) -> ClientPage {
    ClientPage {
        visitor: session.visitor(),
        id: id.to_owned(),
        proof: session.proof(ANY),
        name: field(&typed.name, mistakes.name),
        description: field(&typed.description, mistakes.description),
        redirect_uris: field(&typed.redirect_uris, mistakes.redirect_uris),
        scopes: scope_ticks(&typed.scopes),
        scopes_error: mistakes.scopes,
        grants: grant_ticks(&typed.grants),
        grants_error: mistakes.grants,
        ..ClientPage::default()
    }
}

/// `POST /clients`: the secret, shown once, or the form again with what is wrong.
pub async fn create(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    let fields = crate::oauth::login::form_fields(&body)?;
    let id = fields.one("id").unwrap_or_default().to_owned();
    session.check(&fields, &purpose_of(&id))?;
    let typed = Typed::read(&fields);
    if let Err(mistakes) = typed.check() {
        let page = new_page(&session, &id, &typed, mistakes);
        return Ok(ui::page(StatusCode::BAD_REQUEST, &page, &[]).into_response());
    }
    if app.store.clients_of(&session.user.user_key, row_limit()).await?.len() >= limits::CLIENTS_PER_USER_MAX
    {
        let mut page = new_page(&session, &id, &typed, Mistakes::default());
        page.error = Some(format!(
            "You have {} clients, and more are not possible. Delete one that is not used any more.",
            limits::CLIENTS_PER_USER_MAX
        ));
        return Ok(ui::page(StatusCode::CONFLICT, &page, &[]).into_response());
    }
    let secret = secrets::token("cfs_");
    let client = ClientRow {
        client_id: id.clone(),
        owner_user_key: session.user.user_key.clone(),
        name: typed.name.clone(),
        description: typed.description.clone(),
        secret_hash: secrets::hash(&secret),
        redirect_uris: typed.uris(),
        scopes: typed.scopes,
        grants: typed.grants,
        created_us: app.clock.now_us(),
    };
    if app.store.add_client(&client).await? {
        let text = "Store the secret now. It is shown this once and never again.";
        Ok(secret_page(&session, &client, "Your client is ready", text, secret))
    } else {
        // A reload of the answer: the client is there, its secret was shown.
        Ok(see_other(&format!("/clients/{id}")))
    }
}

fn secret_page(session: &Session, client: &ClientRow, title: &str, text: &str, secret: String) -> Response {
    let page = Secret {
        visitor: session.visitor(),
        title: title.to_owned(),
        text: text.to_owned(),
        facts: vec![("Client ID".into(), client.client_id.clone()), ("Client secret".into(), secret)],
        command: None,
        stored: "I have stored the client secret.".into(),
        next: format!("/clients/{}", client.client_id),
    };
    ui::page(StatusCode::OK, &page, &[]).into_response()
}

/// The client, if this person made it; otherwise as if it did not exist.
async fn own(app: &App, session: &Session, id: &str) -> Result<ClientRow, PortalError> {
    let client = app.store.client(id).await?;
    client.filter(|client| client.owner_user_key == session.user.user_key).ok_or(PortalError::NotFound)
}

async fn credentials(app: &App, session: &Session, id: &str) -> StoreResult<Credentials> {
    let old = app.store.old_secrets(id, app.clock.now_us()).await?;
    Ok(Credentials {
        proof: session.proof(ANY),
        full: old.len() >= limits::OLD_SECRETS_MAX,
        old_until: old.into_iter().map(|(_, until_us)| minute(until_us)).collect(),
    })
}

/// `GET /clients/{id}`.
pub async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let client = own(&app, &session, &id).await?;
    let mut page = page(&session, &id, &Typed::of(&client), Mistakes::default());
    page.credentials = Some(credentials(&app, &session, &id).await?);
    page.notice = match params.one("done") {
        Some("saved") => Some("Saved.".into()),
        Some("taken") => Some("This client is yours now. Its program goes on as before.".into()),
        Some("ended") => Some("The older secrets have ended. Only the newest works.".into()),
        _ => None,
    };
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

/// `POST /clients/{id}`.
pub async fn change(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let fields = session.fields(&body, ANY)?;
    let client = own(&app, &session, &id).await?;
    let typed = Typed::read(&fields);
    if let Err(mistakes) = typed.check() {
        let mut page = page(&session, &id, &typed, mistakes);
        page.credentials = Some(credentials(&app, &session, &id).await?);
        return Ok(ui::page(StatusCode::BAD_REQUEST, &page, &[]).into_response());
    }
    let redirect_uris = typed.uris();
    let changed = ClientRow {
        name: typed.name,
        description: typed.description,
        redirect_uris,
        scopes: typed.scopes,
        grants: typed.grants,
        ..client
    };
    app.store.change_client(&changed).await?;
    Ok(see_other(&format!("/clients/{id}?done=saved")))
}

/// `POST /clients/{id}/secret`: a new one, while the present one works on for a while.
pub async fn rotate(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    session.fields(&body, ANY)?;
    let client = own(&app, &session, &id).await?;
    let now_us = app.clock.now_us();
    if app.store.old_secrets(&id, now_us).await?.len() >= limits::OLD_SECRETS_MAX {
        return Ok(see_other(&format!("/clients/{id}")));
    }
    let secret = secrets::token("cfs_");
    let until_us = now_us + limits::OLD_SECRET_LIFE_S * 1_000_000;
    let hash = secrets::hash(&secret);
    if !app.store.rotate_secret(&id, &client.secret_hash, &hash, until_us).await? {
        return Ok(see_other(&format!("/clients/{id}")));
    }
    let text = format!(
        "Store the secret now. It is shown this once and never again. The one before works until {}.",
        minute(until_us)
    );
    Ok(secret_page(&session, &client, "Your new secret", &text, secret))
}

/// `POST /clients/{id}/old-secrets`: ends them before their time.
pub async fn end_old_secrets(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    session.fields(&body, ANY)?;
    own(&app, &session, &id).await?;
    app.store.end_old_secrets(&id).await?;
    Ok(see_other(&format!("/clients/{id}?done=ended")))
}

/// `GET /clients/{id}/delete`.
pub async fn confirm_delete(State(app): State<Arc<App>>, session: Session, Path(id): Path<String>) -> Answer {
    let client = own(&app, &session, &id).await?;
    let page = DeleteClient { visitor: session.visitor(), id, name: client.name, proof: session.proof(ANY) };
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

/// `POST /clients/{id}/delete`.
pub async fn delete(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    session.fields(&body, ANY)?;
    own(&app, &session, &id).await?;
    app.hub.remove_all(&app.store.delete_client(&id).await?);
    Ok(see_other("/clients?deleted=1"))
}
