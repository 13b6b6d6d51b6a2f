//! A person at the client portal: signs in, sends its forms, keeps what is shown once.

use reqwest::header::HeaderMap;

use super::html::{self, Form};
use super::{Answer, Person, Platform, http};

pub const CLIENTS: &str = "/clients";
pub const TOKENS: &str = "/personal-access-tokens";

pub struct Portal {
    base: String,
    http: reqwest::Client,
}

/// A client as its owner knows it.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub secret: String,
}

/// Fields of a form, as a browser sends them.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

impl Portal {
    /// A browser at which nobody is signed in.
    pub fn closed(platform: &Platform) -> Self {
        Self { base: platform.base.clone(), http: http() }
    }

    pub async fn open(platform: &Platform, person: &Person) -> Self {
        let portal = Self::closed(platform);
        let answer = portal.log_in(person, CLIENTS, &[]).await.is(303);
        assert_eq!(answer.header("location"), CLIENTS);
        portal
    }

    /// The login for a page of the portal.
    pub async fn log_in(
        &self,
        person: &Person,
        page: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Answer {
        let service = format!("{}{page}", self.base);
        let form = [("service", service.as_str()), ("email", &person.email), ("password", &person.password)];
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (name.parse().expect("a header's name"), value.parse().expect("a header's value"))
            })
            .collect();
        let request = self.http.post(format!("{}/login", self.base)).form(&form).headers(headers);
        Answer::of("POST /login", request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(path, self.http.get(format!("{}{path}", self.base))).await
    }

    /// Any fields at all.
    pub async fn post(&self, path: &str, fields: Fields<'_>) -> Answer {
        Answer::of(path, self.http.post(format!("{}{path}", self.base)).form(fields)).await
    }

    /// Opens a page and sends its form for `action` with the form's own hidden fields and these.
    pub async fn send(&self, page: &str, action: &str, fields: Fields<'_>) -> Answer {
        let answer = self.get(page).await.is(200);
        let form = form_for(&answer, action);
        let hidden = form.controls.iter().filter(|control| control.kind == "hidden");
        let mut pairs: Vec<(&str, &str)> =
            hidden.map(|control| (control.name.as_str(), control.value.as_str())).collect();
        pairs.extend(fields);
        self.post(action, &pairs).await
    }

    /// Makes a client that returns to the first tutorial's address, with these scopes and grants.
    pub async fn new_client(&self, scopes: &str, grants: &[&str]) -> Client {
        let mut fields = vec![("name", "Made by a test"), ("redirect_uris", super::REPORTS_REDIRECT)];
        fields.extend(scopes.split(' ').map(|scope| ("scope", scope)));
        fields.extend(grants.iter().map(|grant| ("grant", *grant)));
        let answer = self.send("/clients/new", CLIENTS, &fields).await.is(200);
        Client { id: fact(&answer, "Client ID"), secret: fact(&answer, "Client secret") }
    }

    /// Makes a personal access token.
    pub async fn new_token(&self, name: &str, scopes: &str) -> String {
        let mut fields = vec![("name", name)];
        fields.extend(scopes.split(' ').map(|scope| ("scope", scope)));
        let answer = self.send(TOKENS, TOKENS, &fields).await.is(200);
        fact(&answer, "Personal access token")
    }
}

/// The form of a page that is sent to `action`.
pub fn form_for(answer: &Answer, action: &str) -> Form {
    let mut forms = html::forms(&answer.text);
    forms.retain(|form| form.action == action && form.method == "post");
    assert_eq!(forms.len(), 1, "one form for {action}: {}", answer.text);
    forms.remove(0)
}

/// A value that a page names.
pub fn fact(answer: &Answer, label: &str) -> String {
    let term = format!("<dt>{label}</dt><dd><code>");
    let (_, rest) =
        answer.text.split_once(&term).unwrap_or_else(|| panic!("no {label} in {}", html::text(&answer.text)));
    rest.split('<').next().expect("a split has a first part").to_owned()
}
