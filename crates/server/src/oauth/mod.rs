//! OAuth 2.0 authorization server (spec/oauth.md): authorize, login, consent, token, and the pages on which people
//! manage clients and personal access tokens.

pub mod authorize;
pub mod grants;
pub mod inspect;
mod issue;
pub mod login;
pub mod password;
pub mod portal;
pub mod request;
mod scopes;
pub mod throttle;
pub mod token;
