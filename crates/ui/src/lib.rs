//! The one look of all Callfeed pages: templates, stylesheet, scripts and the headers they are sent with.
//!
//! Pages are plain structs of text. [`page`] turns one into an answer whose Content-Security-Policy allows
//! nothing but our own files, so that a caller named `<script>` stays a name. Nothing is fetched from elsewhere.

mod assets;
mod board;
mod console;
mod docs;
mod pages;
mod portal;
mod respond;
mod wall;

pub use assets::{asset, assets};
pub use board::{
    Card, Claim, Code, Desk, DeskDay, DeskHours, DeskLine, DeskSignIn, Dialled, Fact, Link, MatchLine, Phase,
    ScreenPop, Tab,
};
pub use console::{Console, ConsoleFault};
pub use docs::{
    AnswerLine, Block, Docs, Group, Guide, GuideLink, OperationPage, ParameterLine, Reference, Span, Step,
    Tutorial,
};
pub use pages::{Consent, Login, Message, ScopeGroup};
pub use portal::{
    ClientLine, ClientList, ClientPage, Credentials, DeleteClient, Field, ScopeTicks, Secret, Tick,
    TokenLine, TokenList, Visitor,
};
pub use respond::{fragment, page};
pub use wall::{Timer, Wall, WallAgent, WallLink, Wallboard};
