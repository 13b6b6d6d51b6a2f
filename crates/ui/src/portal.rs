//! Pages of the client portal: programs, their secrets, personal access tokens. Plain forms without JavaScript.

use askama::Template;

/// Who is signed in, and the proof that the sign-out form carries.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    pub email: String,
    pub proof: String,
    /// A super admin, who may open the console.
    pub admin: bool,
}

/// A text field with what was typed and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Field {
    pub value: String,
    pub error: Option<String>,
}

/// A checkbox.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    pub value: String,
    pub text: String,
    pub ticked: bool,
}

/// Checkboxes of one product's scopes.
#[derive(Clone, Debug, Default)]
pub struct ScopeTicks {
    pub product: String,
    pub ticks: Vec<Tick>,
}

impl ScopeTicks {
    /// How many are ticked.
    #[must_use]
    pub fn ticked(&self) -> usize {
        self.ticks.iter().filter(|tick| tick.ticked).count()
    }
}

/// The list of a person's clients.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "clients.html")]
pub struct ClientList {
    pub visitor: Visitor,
    pub account_key: String,
    pub clients: Vec<ClientLine>,
    /// Of people who left; empty for who is no admin.
    pub leavers: Vec<ClientLine>,
    /// What has just been done.
    pub notice: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct ClientLine {
    pub id: String,
    pub name: String,
    pub description: String,
    /// Day of its making; empty if not known.
    pub made: String,
}

/// A new client, or one that is there already with its credentials.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "client.html")]
pub struct ClientPage {
    pub visitor: Visitor,
    pub id: String,
    /// Proof of the form; it is bound to the id of a new client.
    pub proof: String,
    /// `None` while the client is not made yet.
    pub credentials: Option<Credentials>,
    pub name: Field,
    pub description: Field,
    pub redirect_uris: Field,
    pub scopes: Vec<ScopeTicks>,
    pub scopes_error: Option<String>,
    pub grants: Vec<Tick>,
    pub grants_error: Option<String>,
    /// What is wrong with the form as a whole.
    pub error: Option<String>,
    /// What has just been done.
    pub notice: Option<String>,
}

impl ClientPage {
    fn has_errors(&self) -> bool {
        let fields = [&self.name.error, &self.description.error, &self.redirect_uris.error];
        fields.iter().any(|error| error.is_some())
            || self.scopes_error.is_some()
            || self.grants_error.is_some()
    }
}

/// How the secrets of a client stand.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Proof of the forms that change secrets.
    pub proof: String,
    /// Ends of older secrets that still work.
    pub old_until: Vec<String>,
    /// As many older secrets as there may be.
    pub full: bool,
}

/// A secret that is shown once.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "secret.html")]
pub struct Secret {
    pub visitor: Visitor,
    pub title: String,
    pub text: String,
    /// Label and value of each line, such as "Client ID".
    pub facts: Vec<(String, String)>,
    /// What to do with them next: words and commands to paste.
    pub command: Option<(String, String)>,
    /// The words beside the tick.
    pub stored: String,
    /// Where the person goes on.
    pub next: String,
}

/// Asks once more before a client is deleted.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "client_delete.html")]
pub struct DeleteClient {
    pub visitor: Visitor,
    pub id: String,
    pub name: String,
    pub proof: String,
}

/// A person's tokens, and the form for a new one.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "tokens.html")]
pub struct TokenList {
    pub visitor: Visitor,
    pub tokens: Vec<TokenLine>,
    /// Id and proof of the form for a new one.
    pub new_id: String,
    pub new_proof: String,
    pub name: Field,
    pub scopes: Vec<ScopeTicks>,
    pub scopes_error: Option<String>,
    pub error: Option<String>,
    pub notice: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct TokenLine {
    pub id: String,
    pub name: String,
    pub scopes: String,
    pub made: String,
    /// `None` if never.
    pub used: Option<String>,
}
