//! Who is signed in to the portal: a cookie of its own, apart from the sign-in that a program asks for.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use ui::Visitor;

use super::{Answer, PortalError, see_other, session_cookie};
use crate::app::App;
use crate::extract::{Body, Params, path_segment};
use crate::limits;
use crate::oauth::login;
use crate::secrets;
use crate::store::{StoreResult, User};

pub const COOKIE: &str = "callfeed_portal";

/// First page of the portal, and where a form without a session leads.
const START: &str = "clients";

/// A person who is signed in to the portal.
pub struct Session {
    pub user: User,
    /// The cookie's value.
    secret: String,
}

impl Session {
    /// What a form for this purpose carries: another site cannot know it.
    pub fn proof(&self, purpose: &str) -> String {
        secrets::hash(&format!("portal {purpose} {}", self.secret))
    }

    /// The fields of a form that was made for this purpose by this session.
    pub fn fields(&self, body: &Body, purpose: &str) -> Result<Params, PortalError> {
        let fields = login::form_fields(body)?;
        self.check(&fields, purpose)?;
        Ok(fields)
    }

    pub fn check(&self, fields: &Params, purpose: &str) -> Result<(), PortalError> {
        if secrets::same(fields.one("proof").unwrap_or_default(), &self.proof(purpose)) {
            return Ok(());
        }
        Err(PortalError::ForeignForm)
    }

    pub fn visitor(&self) -> Visitor {
        Visitor { email: self.user.email.clone(), proof: self.proof(ANY), admin: self.user.super_admin }
    }
}

/// Purpose of forms that do the same whenever they are sent.
pub const ANY: &str = "form";

impl FromRequestParts<Arc<App>> for Session {
    type Rejection = PortalError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PortalError> {
        let jar = CookieJar::from_headers(&parts.headers);
        if let Some(secret) = session_cookie(&jar) {
            let key = app.store.portal_session(&secrets::hash(secret), app.clock.now_us()).await?;
            if let Some(key) = key
                && let Some(user) = app.store.user(&key).await?
            {
                return Ok(Self { user, secret: secret.to_owned() });
            }
        }
        let path = if parts.method == Method::GET { parts.uri.path().trim_start_matches('/') } else { START };
        Err(PortalError::SignIn { service: app.url(path) })
    }
}

/// The path of a `service` address that is a page of the portal.
pub fn portal_path<'a>(app: &App, service: &'a str) -> Option<&'a str> {
    let path = service.strip_prefix(&app.url(""))?;
    let plain = |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/'));
    let known = matches!(path, START | "personal-access-tokens" | "console") || path.starts_with("clients/");
    (known && plain(path)).then_some(path)
}

/// Whether a browser says that another site sent this form; such a login would put the person into a session
/// that somebody else chose.
pub fn from_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

/// Begins a session and leads to the page that was asked for.
pub async fn begin(app: &App, user: &User, path: &str) -> StoreResult<Response> {
    let secret = secrets::token("cfw_");
    let expires_us = app.clock.now_us() + limits::PORTAL_SESSION_LIFE_S * 1_000_000;
    app.store.put_portal_session(&secrets::hash(&secret), &user.user_key, expires_us).await?;
    let cookie = cookie(app, secret, limits::PORTAL_SESSION_LIFE_S);
    Ok((CookieJar::new().add(cookie), see_other(&format!("/{path}"))).into_response())
}

fn cookie(app: &App, value: String, life_s: i64) -> Cookie<'static> {
    let life = std::time::Duration::from_secs(life_s.unsigned_abs());
    Cookie::build((COOKIE, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.public_url.scheme() == "https")
        .max_age(life.try_into().unwrap_or_default())
        .build()
}

/// `POST /clients/sign-out`.
pub async fn sign_out(State(app): State<Arc<App>>, session: Session, body: Body) -> Answer {
    session.fields(&body, ANY)?;
    app.store.delete_portal_session(&secrets::hash(&session.secret)).await?;
    let location = format!("/login?service={}", path_segment(&app.url(START)));
    let gone = cookie(&app, String::new(), 0);
    Ok((CookieJar::new().add(gone), see_other(&location)).into_response())
}
