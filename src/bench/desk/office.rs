//! An office of as many people as wanted, each with a line, made as a person would: an office file, a password, an OAuth
//! client.

use anyhow::{Context as _, ensure};
use apps::env::{LogLevel, Settings};
use secrecy::SecretString;
use server::CallRequest;
use url::Url;

use crate::bench::platform::Platform;
use crate::demo::person::{self, Login};

const ADMIN: &str = "admin@example.com";
/// Of a platform of this measurement alone.
const PASSWORD: &str = "a password for a bench";
const FIRST_EXTENSION: usize = 2000;

/// Extension of the line of the person with this number.
pub fn extension(person: usize) -> String {
    (FIRST_EXTENSION + person).to_string()
}

pub fn email(person: usize) -> String {
    format!("agent{person}@example.com")
}

/// A number of the range for invented ones; 10,000 in all.
pub fn number(caller: usize) -> String {
    format!("+1{}55501{:02}", 201 + caller / 100 % 100, caller % 100)
}

/// One answered call.
pub fn call(from: String, to: String, speed: f64) -> CallRequest {
    CallRequest {
        file: None,
        scenario: "answered".to_owned(),
        from: Some(from),
        from_name: None,
        to: Some(to),
        speed,
        seed: Some(1),
        record: false,
        count: 1,
        every_ms: 0,
        at_once: None,
    }
}

/// Starts it; what a program that comes back to `redirect_uri` needs, and the admin's login.
pub async fn open(people: usize, redirect_uri: &Url) -> anyhow::Result<(Platform, Settings, Login)> {
    let platform = Platform::start_office(&file(people), PASSWORD, &[ADMIN]).await?;
    let login = || Login { email: ADMIN.to_owned(), password: SecretString::from(PASSWORD) };
    let settings = client(&platform.url()?, redirect_uri, &login()).await.context("no OAuth client")?;
    Ok((platform, settings, login()))
}

fn file(people: usize) -> String {
    let mut text = "name = \"Bench\"\nregion = \"US\"\nlines = [\n".to_owned();
    for person in 0..people {
        let (extension, email) = (extension(person), email(person));
        text.push_str(&format!(
            "{{ extension = \"{extension}\", person = \"{email}\", devices = [\"goto.clients\"] }},\n"
        ));
    }
    text.push_str("]\n[[people]]\nfirst-name = \"Ada\"\nlast-name = \"Admin\"\n");
    text.push_str(&format!("email = \"{ADMIN}\"\nroles = [\"super-admin\"]\n"));
    for person in 0..people {
        let email = email(person);
        text.push_str(&format!(
            "[[people]]\nfirst-name = \"Agent\"\nlast-name = \"Number {person}\"\nemail = \"{email}\"\n"
        ));
    }
    text.push_str("[[numbers]]\nnumber = \"+13125550170\"\nname = \"Main number\"\n");
    text.push_str(&format!("to = \"{}\"\n", extension(0)));
    text
}

/// Makes an OAuth client on the developer portal's pages.
async fn client(platform: &Url, redirect_uri: &Url, login: &Login) -> anyhow::Result<Settings> {
    use secrecy::ExposeSecret as _;
    let browser = person::browser()?;
    let service = platform.join("clients")?;
    let password = login.password.expose_secret();
    let form = [("service", service.as_str()), ("email", &login.email), ("password", password)];
    let answer = browser.post(platform.join("login")?).form(&form).send().await?;
    person::next(platform, &answer).context("the admin could not log in")?;
    let portal = browser.get(service.clone()).send().await?.text().await?;
    let html = browser.get(platform.join("clients/new")?).send().await?.text().await?;
    let (_, html) = html.split_once("action=\"/clients\"").context("the portal has no form")?;
    let hidden = |name| person::hidden(html, name).with_context(|| format!("the form has no {name}"));
    let mut fields = vec![("proof", hidden("proof")?), ("id", hidden("id")?), ("name", "Bench")];
    fields.push(("redirect_uris", redirect_uri.as_str()));
    let scopes = apps::SCOPES.into_iter().chain([wire::scope::USERS_READ, wire::scope::SCIM_ME]);
    fields.extend(scopes.map(|scope| ("scope", scope)));
    fields.extend([("grant", "authorization_code"), ("grant", "refresh_token")]);
    let answer = browser.post(service).form(&fields).send().await?;
    ensure!(answer.status().is_success(), "the portal answers {}", answer.status());
    let made = answer.text().await?;
    let fact = |html: &str, label: &str| {
        let (_, rest) = html.split_once(&format!("<dt>{label}</dt><dd><code>"))?;
        rest.split_once('<').map(|(value, _)| value.to_owned())
    };
    let made = |label: &str| fact(&made, label).with_context(|| format!("the portal shows no {label}"));
    Ok(Settings {
        client_id: made("Client ID")?,
        client_secret: SecretString::from(made("Client secret")?),
        account_key: account_key(&portal).context("the portal shows no account key")?,
        log_level: LogLevel::Warn,
        show_debug_logs: false,
        hosts: sdk::Hosts {
            auth: platform.clone(),
            api: platform.clone(),
            channel: platform.clone(),
            admin: platform.clone(),
        },
        token_key: None,
        rate_limit: None,
    })
}

fn account_key(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("ccount key")?;
    let (_, rest) = rest.split_once("<code>")?;
    rest.split_once('<').map(|(value, _)| value.to_owned())
}
