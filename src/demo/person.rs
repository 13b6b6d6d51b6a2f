//! Signs in for the demo's apps as a person would: login page, consent page, back with a code.

use anyhow::{Context as _, ensure};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// How to sign in.
pub struct Login {
    pub email: String,
    pub password: SecretString,
}

pub async fn sign_in(client: &sdk::Client, login: &Login) -> anyhow::Result<()> {
    let authorization = client.authorization(&apps::SCOPES).await?;
    let back = allow(&authorization.login_url, login).await?;
    ensure!(
        query(&back, "state").as_deref() == Some(authorization.state.as_str()),
        "the state came back changed"
    );
    let code = query(&back, "code").context("the platform gave no code")?;
    client.exchange(&code).await?;
    Ok(())
}

/// From the login page to the client's address, which it returns with what the platform added to it.
pub async fn allow(page: &Url, login: &Login) -> anyhow::Result<Url> {
    let http = browser()?;
    let service = query(page, "service").context("the login address has no service")?;
    let form = [
        ("email", login.email.as_str()),
        ("password", login.password.expose_secret()),
        ("service", service.as_str()),
    ];
    let approve = next(page, &http.post(page.join("/login")?).form(&form).send().await?)?;
    let answer = http.get(approve.clone()).send().await?;
    if answer.status().is_redirection() {
        return next(&approve, &answer);
    }
    let html = answer.text().await?;
    let proof = hidden(&html, "proof").context("the consent page has no form")?;
    let form = [("request", approve.query().unwrap_or_default()), ("proof", proof), ("decision", "allow")];
    let path = page.join("/OAuth/approve")?;
    next(&approve, &http.post(path).form(&form).send().await?)
}

/// Follows no redirect, keeps cookies.
pub fn browser() -> anyhow::Result<Client> {
    Ok(Client::builder().cookie_store(true).redirect(redirect::Policy::none()).build()?)
}

/// Where an answer leads to.
pub fn next(from: &Url, answer: &Response) -> anyhow::Result<Url> {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location =
        location.with_context(|| format!("status {} where a redirect was due", answer.status()))?;
    Ok(from.join(location)?)
}

pub fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Value of a hidden field of our own page, which holds base64url only.
pub fn hidden<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!("name=\"{name}\""))?;
    let (_, rest) = rest.split_once("value=\"")?;
    rest.split_once('"').map(|(value, _)| value)
}
