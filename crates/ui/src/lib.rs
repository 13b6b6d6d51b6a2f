//! The one look of all Callfeed pages: templates, stylesheet, scripts and the headers they are sent with.
//!
//! Pages are plain structs of text. [`page`] turns one into an answer whose Content-Security-Policy allows
//! nothing but our own files, so that a caller named `<script>` stays a name. Nothing is fetched from elsewhere.

mod assets;
mod board;
mod console;
mod contacts;
mod docs;
mod lang;
mod pages;
mod portal;
mod respond;
mod text;
mod texts;
mod texts_contacts;
mod wall;

pub use assets::{asset, assets};
pub use board::{
    Card, Claim, Code, ContactForm, Desk, DeskDay, DeskHours, DeskLine, DeskSignIn, Dialled, Fact, Link,
    LoggedLine, MatchLine, PageLink, Phase, ScreenPop, Tab,
};
pub use console::{Console, ConsoleFault};
pub use contacts::{
    ContactColumn, ContactList, ContactsPage, FieldChoice, KeptContact, KeptContacts, Mapping,
};
pub use docs::{
    AnswerLine, Block, Docs, Group, Guide, GuideLink, OperationPage, ParameterLine, Reference, Span, Step,
    Tutorial,
};
pub use lang::{Form, Lang, Languages};
pub use pages::{Consent, Login, Message, ScopeGroup, WayOn};
pub use portal::{
    ClientLine, ClientList, ClientPage, Credentials, DeleteClient, Field, ScopeTicks, Secret, Tick,
    TokenLine, TokenList, Visitor,
};
pub use respond::{fragment, page};
pub use text::{Cardinal, Ordinal, Said, Text};
pub use texts::*;
pub use texts_contacts::{ContactsTexts, FieldsTexts, ImportTexts, KeptTexts};
pub use wall::{Timer, Wall, WallAgent, WallLink, Wallboard};
