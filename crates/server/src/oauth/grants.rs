//! Grant types that a client may be allowed (spec/oauth.md, Token endpoint; implicit flow).

pub const AUTHORIZATION_CODE: &str = "authorization_code";
pub const REFRESH_TOKEN: &str = "refresh_token";
pub const PERSONAL_ACCESS_TOKEN: &str = "personal_access_token";
pub const IMPLICIT: &str = "implicit";

/// Every grant type, with what it is for in words for the client form.
pub const ALL: [(&str, &str); 4] = [
    (AUTHORIZATION_CODE, "People sign in and allow this program (authorization code)"),
    (REFRESH_TOKEN, "It stays signed in for 30 days and longer (refresh token)"),
    (PERSONAL_ACCESS_TOKEN, "It exchanges personal access tokens"),
    (
        IMPLICIT,
        "It gets tokens in the address bar (implicit; for old programs only, since others may see them)",
    ),
];

/// What a new client may do unless its owner chooses otherwise.
pub const DEFAULT: [&str; 2] = [AUTHORIZATION_CODE, REFRESH_TOKEN];

/// What the client of the example office may do.
pub const EXAMPLE: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, PERSONAL_ACCESS_TOKEN];
