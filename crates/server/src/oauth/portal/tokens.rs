//! Personal access tokens of a person: list, make, revoke (spec/oauth.md, Personal access tokens).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use ui::{Field, Secret, TokenLine, TokenList};
use uuid::Uuid;

use super::form::{field, name_mistake, scope_ticks, scopes_mistake, ticked_scopes};
use super::session::{ANY, Session};
use super::{Answer, PortalError, day, minute, see_other};
use crate::app::App;
use crate::extract::{Body, Params, Path};
use crate::limits;
use crate::secrets;
use crate::store::{PersonalToken, StoreResult};

const PATH: &str = "/personal-access-tokens";

/// `GET /personal-access-tokens`.
pub async fn list(State(app): State<Arc<App>>, session: Session, params: Params) -> Answer {
    let mut page = page(&app, &session, &Uuid::new_v4().to_string()).await?;
    page.notice =
        params.one("revoked").map(|_| "The token is revoked, with all that was exchanged for it.".into());
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

async fn page(app: &App, session: &Session, new_id: &str) -> StoreResult<TokenList> {
    let limit = i64::try_from(limits::PERSONAL_TOKENS_PER_USER_MAX).unwrap_or(i64::MAX);
    let tokens = app.store.personal_tokens_of(&session.user.user_key, limit).await?;
    let line = |token: PersonalToken| TokenLine {
        id: token.pat_id,
        name: token.name,
        scopes: token.scopes.join(", "),
        made: day(token.created_us),
        used: (token.used_us > 0).then(|| minute(token.used_us)),
    };
    Ok(TokenList {
        visitor: session.visitor(),
        tokens: tokens.into_iter().map(line).collect(),
        new_id: new_id.to_owned(),
        new_proof: session.proof(&purpose_of(new_id)),
        name: Field::default(),
        scopes: scope_ticks(&[]),
        ..TokenList::default()
    })
}

/// The form for a new token is good for this id alone, so that sending it twice makes one token.
fn purpose_of(id: &str) -> String {
    format!("new token {id}")
}

/// `POST /personal-access-tokens`: the token, shown once, or the form again with what is wrong.
pub async fn create(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    let fields = crate::oauth::login::form_fields(&body)?;
    let id = fields.one("id").unwrap_or_default().to_owned();
    session.check(&fields, &purpose_of(&id))?;
    let name = fields.one("name").unwrap_or_default().trim().to_owned();
    let scopes = ticked_scopes(&fields);
    let mut page = page(&app, &session, &id).await?;
    page.name = field(&name, name_mistake(&name));
    page.scopes = scope_ticks(&scopes);
    page.scopes_error = scopes_mistake(&scopes);
    if page.tokens.len() >= limits::PERSONAL_TOKENS_PER_USER_MAX {
        page.error = Some(format!(
            "You have {} tokens, and more are not possible. Revoke one that is not used any more.",
            limits::PERSONAL_TOKENS_PER_USER_MAX
        ));
    }
    if page.error.is_some() || page.name.error.is_some() || page.scopes_error.is_some() {
        return Ok(ui::page(StatusCode::BAD_REQUEST, &page, &[]).into_response());
    }
    let secret = secrets::token("cft_");
    let token = PersonalToken {
        pat_id: id,
        user_key: session.user.user_key.clone(),
        name: name.clone(),
        scopes,
        created_us: app.clock.now_us(),
        used_us: 0,
    };
    if !app.store.add_personal_token(&secrets::hash(&secret), &token).await? {
        // A reload of the answer: the token is there and was shown.
        return Ok(see_other(PATH));
    }
    let exchange = "Exchange it for an access token, with the id and secret of a client that may use personal access \
                    tokens:";
    let command = format!(
        "curl -u CLIENT_ID:CLIENT_SECRET \\\n  -d grant_type=personal_access_token -d pat={secret} \\\n  {}",
        app.url("oauth/token")
    );
    let page = Secret {
        visitor: session.visitor(),
        title: "Your token is ready".into(),
        text: "Store the token now. It is shown this once and never again.".into(),
        facts: vec![("Name".into(), name), ("Personal access token".into(), secret)],
        command: Some((exchange.into(), command)),
        stored: "I have stored the token.".into(),
        next: PATH.into(),
    };
    Ok(ui::page(StatusCode::OK, &page, &[]).into_response())
}

/// `POST /personal-access-tokens/{id}/revoke`.
pub async fn revoke(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    session.fields(&body, ANY)?;
    let removed = app.store.revoke_personal_token(&session.user.user_key, &id).await?;
    app.hub.remove_all(&removed.ok_or(PortalError::NotFound)?);
    Ok(see_other("/personal-access-tokens?revoked=1"))
}
