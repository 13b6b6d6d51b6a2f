//! Whom to talk to and as whom.

use secrecy::SecretString;
use url::Url;

/// Origins of the services; paths are appended (spec/README.md, Hosts). The default is the real GoTo Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Authorization server.
    pub auth: Url,
    pub api: Url,
    /// Notification channel API.
    pub channel: Url,
    /// Admin API.
    pub admin: Url,
}

impl Default for Hosts {
    fn default() -> Self {
        let known = |text: &str| Url::parse(text).expect("a constant URL that the tests parse");
        Self {
            auth: known("https://authentication.logmeininc.com"),
            api: known("https://api.goto.com"),
            channel: known("https://api.goto.com"),
            admin: known("https://api.getgo.com"),
        }
    }
}

impl Hosts {
    /// Whether the channels may know `?after=` on the socket's URL, Callfeed's own addition. GoTo Connect does not.
    pub(crate) fn may_resume(&self) -> bool {
        let foreign = ["goto.com", "jive.com"];
        let host = self.channel.host_str().unwrap_or_default();
        !foreign.iter().any(|domain| host.ends_with(domain))
    }

    /// All four roles on one origin, as a compatible server offers them.
    #[must_use]
    pub fn single(origin: Url) -> Self {
        Self { auth: origin.clone(), api: origin.clone(), channel: origin.clone(), admin: origin }
    }
}

/// An OAuth client (spec/oauth.md, OAuth client portal) and where it is used.
#[derive(Clone, Debug)]
pub struct Config {
    pub client_id: String,
    pub client_secret: SecretString,
    /// One of the client's registered URIs, letter for letter.
    pub redirect_uri: Url,
    pub hosts: Hosts,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_hosts_are_the_real_ones() {
        assert_eq!(super::Hosts::default().auth.host_str(), Some("authentication.logmeininc.com"));
    }
}
