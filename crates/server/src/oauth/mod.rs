//! OAuth 2.0 authorization server (spec/oauth.md): authorize, login, consent, token.

pub mod authorize;
pub mod login;
pub mod password;
pub mod request;
pub mod throttle;
pub mod token;
