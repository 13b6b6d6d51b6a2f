//! What can go wrong, in few kinds: a caller branches on [`ErrorKind`], a person reads the message.

use std::fmt;

use wire::error::{ApiError, code};

/// Channel ids have about 87 characters and tokens more; a UUID, which is no secret, has 36.
const SECRET_WORD_CHARS: usize = 48;

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No token, or the authorization server refused the one kept: a person must sign in.
    SignInNeeded,
    /// The user or the client may not do this; trying again does not help.
    Forbidden,
    /// No such thing, or not visible to the user, or not there yet.
    NotFound,
    /// Too many requests, and waiting did not help.
    RateLimited,
    /// The request was understood and refused; trying it unchanged does not help.
    Rejected,
    /// No answer, or one that says "not now" (5xx), or a refusal of a token that was refreshed before. Trying later can help.
    Unreachable,
    /// An answer that does not fit the specification.
    BadAnswer,
    /// Something on this machine: a file, a wrong argument.
    Local,
}

/// An error with all that was said about it. Contains no token and no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    pub kind: ErrorKind,
    /// HTTP status, where an answer came.
    pub status: Option<u16>,
    /// `errorCode` of the API, or `error` of the token endpoint.
    pub code: Option<String>,
    /// What was being done and what to do next.
    pub message: String,
    /// `reference` of the API, to quote to support.
    pub reference: Option<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " (status {status}, {code}")?,
            (Some(status), None) => write!(f, " (status {status}")?,
            (None, Some(code)) => write!(f, " ({code}")?,
            (None, None) => return Ok(()),
        }
        if let Some(reference) = &self.reference {
            write!(f, ", reference {reference}")?;
        }
        f.write_str(")")
    }
}

impl Error {
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, status: None, code: None, message: message.into(), reference: None }
    }

    pub(crate) fn local(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Local, message)
    }

    pub(crate) fn bad_answer(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadAnswer, message)
    }

    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    #[must_use]
    pub(crate) fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code.filter(|code| !code.is_empty());
        self
    }

    /// From a refusing answer of the APIs. A body that is no JSON is no obstacle: a proxy may have written it.
    pub(crate) fn from_answer(doing: &str, status: u16, body: &[u8]) -> Self {
        let api: ApiError = serde_json::from_slice(body).unwrap_or_default();
        let (kind, advice) = match status {
            // The right sign-in of the wrong person (spec/errors-and-limits.md).
            401 if api.error_code == code::NOT_AUTHENTICATED => {
                (ErrorKind::Forbidden, "; sign in as an admin")
            }
            // Only a refused refresh ends a sign-in: this token has just come from one.
            401 => (ErrorKind::Unreachable, "; try again later, and sign in again if that lasts"),
            403 => {
                (ErrorKind::Forbidden, "; check the scopes of the OAuth client and the rights of the user")
            }
            404 | 410 => (ErrorKind::NotFound, ""),
            429 => (ErrorKind::RateLimited, "; make fewer requests a second"),
            500.. => (ErrorKind::Unreachable, "; try again later"),
            _ => (ErrorKind::Rejected, ""),
        };
        let mut message = format!("{doing} failed");
        if !api.message.is_empty() {
            message = format!("{message}: {}", without_secrets(api.message.trim_end_matches('.')));
        }
        let violations = api.constraint_violations.iter().chain(&api.constraints).flatten();
        for violation in violations {
            message = format!("{message} [{} {}]", violation.field, violation.constraint);
        }
        Self {
            kind,
            status: Some(status),
            code: Some(api.error_code).filter(|code| !code.is_empty()),
            message: message + advice,
            reference: api.reference,
        }
    }

    /// From a request that got no answer.
    pub(crate) fn from_transport(doing: &str, host: &str, error: &reqwest::Error) -> Self {
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
        Self::new(ErrorKind::Unreachable, format!("{doing} failed: cannot reach {host}: {why}"))
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable | ErrorKind::RateLimited)
    }
}

/// "Notification channel does not exist <id>": whoever has the id can read the socket, so it is not repeated.
fn without_secrets(text: &str) -> String {
    let is_secret = |word: &str| word.len() >= SECRET_WORD_CHARS;
    text.split(' ').map(|word| if is_secret(word) { "****" } else { word }).collect::<Vec<_>>().join(" ")
}

/// The innermost reason: reqwest's own text contains the URL, which can contain a secret.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_api_keeps_code_reference_and_violations() {
        let body = br#"{"reference":"r1","errorCode":"BAD_REQUEST","message":"Wrong.","constraints":[{"field":"ID","constraint":"REQUIRED"}]}"#;
        let error = Error::from_answer("listing subscriptions", 400, body);
        assert_eq!(error.kind, ErrorKind::Rejected);
        let text =
            "listing subscriptions failed: Wrong [ID REQUIRED] (status 400, BAD_REQUEST, reference r1)";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn an_answer_without_json_is_no_obstacle() {
        let error = Error::from_answer("reading a report", 502, b"<html>");
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(error.to_string(), "reading a report failed; try again later (status 502)");
    }
}
