//! Pages of signing in, and the page that says one thing.

use askama::Template;

use crate::{Lang, Said, Texts};

/// Sign-in form; posts `email`, `password` and `service` to `/login`. Works without JavaScript.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "login.html")]
pub struct Login {
    /// Where to go after the sign-in, handed back as received.
    pub service: String,
    /// What was typed before; empty at first.
    pub email: String,
    /// Why the last try failed, as a full sentence.
    pub error: Option<String>,
    /// The program that asked for the sign-in.
    pub app_name: Option<String>,
}

/// Consent form; posts `decision` (`allow` or `deny`) and the hidden fields to `/OAuth/approve`.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "consent.html")]
pub struct Consent {
    pub app_name: String,
    pub user_email: String,
    /// What the program asks for, by product.
    pub scopes: Vec<ScopeGroup>,
    /// Name and value of each hidden field.
    pub hidden: Vec<(String, String)>,
    /// Host the browser goes to afterwards.
    pub redirect_host: Option<String>,
}

/// What a program may do with one product, in words for people.
#[derive(Clone, Debug, Default)]
pub struct ScopeGroup {
    pub product: String,
    pub texts: Vec<String>,
}

/// A page that says one thing: "You are signed in", or what went wrong and what to do.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "message.html")]
pub struct Message {
    pub title: String,
    pub text: String,
    /// For whoever helps: a code or a reference.
    pub detail: Option<String>,
    /// The way on; boxed, since answers that refuse carry this page.
    pub link: Option<Box<WayOn>>,
    pub lang: Lang,
}

/// A link to where it goes on.
#[derive(Clone, Debug)]
pub struct WayOn {
    pub words: String,
    pub address: String,
}

impl Message {
    #[must_use]
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { title: title.into(), text: text.into(), ..Self::default() }
    }

    /// The same in another language.
    #[must_use]
    pub fn said(texts: &Texts, said: &Said) -> Self {
        Self { lang: texts.lang, ..Self::new(&said.title, &said.text) }
    }

    #[must_use]
    pub fn with_link(mut self, words: impl Into<String>, address: impl Into<String>) -> Self {
        self.link = Some(Box::new(WayOn { words: words.into(), address: address.into() }));
        self
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
