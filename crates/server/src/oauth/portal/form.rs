//! What people type into the forms of the portal: kept as typed, and checked field by field.

use std::net::IpAddr;

use ui::{Field, ScopeTicks, Tick};
use url::{Host, Url};

use crate::extract::Params;
use crate::limits;
use crate::oauth::{grants, scopes};
use crate::store::ClientRow;

/// The client form as typed.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub name: String,
    pub description: String,
    pub redirect_uris: String,
    pub scopes: Vec<String>,
    pub grants: Vec<String>,
}

/// Mistakes, each beside its field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    pub name: Option<String>,
    pub description: Option<String>,
    pub redirect_uris: Option<String>,
    pub scopes: Option<String>,
    pub grants: Option<String>,
}

impl Typed {
    pub fn read(fields: &Params) -> Self {
        let text = |name| fields.one(name).unwrap_or_default().to_owned();
        Self {
            name: text("name").trim().to_owned(),
            description: text("description").trim().to_owned(),
            redirect_uris: text("redirect_uris").replace('\r', ""),
            scopes: ticked_scopes(fields),
            grants: fields.all("grant").into_iter().map(str::to_owned).collect(),
        }
    }

    pub fn of(client: &ClientRow) -> Self {
        Self {
            name: client.name.clone(),
            description: client.description.clone(),
            redirect_uris: client.redirect_uris.join("\n"),
            scopes: client.scopes.clone(),
            grants: client.grants.clone(),
        }
    }

    /// Redirect URIs, one a line, in their order and each once.
    pub fn uris(&self) -> Vec<String> {
        let mut uris: Vec<String> = Vec::new();
        for uri in self.redirect_uris.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !uris.iter().any(|known| known == uri) {
                uris.push(uri.to_owned());
            }
        }
        uris
    }

    pub fn check(&self) -> Result<(), Mistakes> {
        let mistakes = Mistakes {
            name: name_mistake(&self.name),
            description: (self.description.chars().count() > limits::CLIENT_DESCRIPTION_CHARS_MAX).then(
                || format!("Shorten the description to {} characters.", limits::CLIENT_DESCRIPTION_CHARS_MAX),
            ),
            redirect_uris: self.uris_mistake(),
            scopes: scopes_mistake(&self.scopes),
            grants: self.grants_mistake(),
        };
        if mistakes == Mistakes::default() { Ok(()) } else { Err(mistakes) }
    }

    fn uris_mistake(&self) -> Option<String> {
        let uris = self.uris();
        let returns = [grants::AUTHORIZATION_CODE, grants::IMPLICIT];
        if uris.is_empty() && self.grants.iter().any(|grant| returns.contains(&grant.as_str())) {
            return Some("Name at least one address to which people return after they signed in.".into());
        }
        if uris.len() > limits::REDIRECT_URIS_MAX {
            return Some(format!("Name at most {} addresses.", limits::REDIRECT_URIS_MAX));
        }
        uris.iter().find_map(|uri| uri_mistake(uri))
    }

    fn grants_mistake(&self) -> Option<String> {
        let known = |grant: &String| grants::ALL.iter().any(|(name, _)| name == grant);
        let first = |grant: &String| grant != grants::REFRESH_TOKEN;
        if !self.grants.iter().all(known) {
            return Some("Choose from the list only.".into());
        }
        let message = "Choose at least one way to get a first token; a refresh token alone is none.";
        (!self.grants.iter().any(first)).then(|| message.into())
    }
}

/// Scopes that are ticked, by themselves or with their product, in the order of the table.
pub fn ticked_scopes(fields: &Params) -> Vec<String> {
    let (scopes, products) = (fields.all("scope"), fields.all("product"));
    let mut ticked: Vec<String> = Vec::new();
    for product in scopes::products() {
        let whole = products.contains(&product.name);
        let names = product.scopes.into_iter().map(|(name, _)| name);
        ticked.extend(names.filter(|name| whole || scopes.contains(name)).map(str::to_owned));
    }
    ticked
}

pub fn scope_ticks(ticked: &[String]) -> Vec<ScopeTicks> {
    let tick = |(name, text): (&str, &str)| Tick {
        value: name.to_owned(),
        text: text.to_owned(),
        ticked: ticked.iter().any(|scope| scope == name),
    };
    scopes::products()
        .into_iter()
        .map(|product| ScopeTicks {
            product: product.name.to_owned(),
            ticks: product.scopes.into_iter().map(tick).collect(),
        })
        .collect()
}

pub fn grant_ticks(ticked: &[String]) -> Vec<Tick> {
    let tick = |(name, text): (&str, &str)| Tick {
        value: name.to_owned(),
        text: text.to_owned(),
        ticked: ticked.iter().any(|grant| grant == name),
    };
    grants::ALL.map(tick).to_vec()
}

pub fn field(value: &str, error: Option<String>) -> Field {
    Field { value: value.to_owned(), error }
}

pub fn name_mistake(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        return Some("Give it a name.".into());
    }
    if length > limits::PORTAL_NAME_CHARS_MAX {
        return Some(format!("Shorten the name to {} characters.", limits::PORTAL_NAME_CHARS_MAX));
    }
    name.contains(char::is_control).then(|| "Use letters, digits and signs only.".into())
}

pub fn scopes_mistake(scopes: &[String]) -> Option<String> {
    scopes.is_empty().then(|| "Choose at least one.".into())
}

/// Why an address may not be returned to.
fn uri_mistake(uri: &str) -> Option<String> {
    let because = |why: &str| Some(format!("{uri}: {why}"));
    if uri.len() > limits::REDIRECT_URI_BYTES_MAX {
        return Some(format!("Shorten each address to {} bytes.", limits::REDIRECT_URI_BYTES_MAX));
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return because("write other characters than ASCII, and spaces, percent-encoded.");
    }
    if let Some(meant) = meant(uri) {
        return because(&format!("did you mean {meant}?"));
    }
    let Ok(url) = Url::parse(uri) else {
        return because("this is not a complete address, such as https://example.com/callback.");
    };
    // RFC 6749 §3.1.2.
    if url.fragment().is_some() {
        return because("leave out the part from # on.");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return because("leave out the user name and password.");
    }
    match url.scheme() {
        "https" => None,
        // RFC 9700 §2.6: nothing unencrypted leaves the machine.
        "http" if is_loopback(&url) => None,
        "http" => because("use https; http is for 127.0.0.1, [::1] and localhost only."),
        // RFC 8252 §7.1: a scheme of one's own is a domain name backwards; script and data schemes have no dot.
        scheme if scheme.contains('.') => None,
        _ => because("use https, or a scheme of your own such as com.example.app:/callback."),
    }
}

/// The address that lacks its scheme, where what is written begins with a host.
fn meant(uri: &str) -> Option<String> {
    let (host, rest) = uri.split_at(uri.find([':', '/', '?', '#']).unwrap_or(uri.len()));
    let port = rest.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if !(host == "localhost" || host.contains('.')) || (rest.starts_with(':') && !port) {
        return None;
    }
    let plain = Url::parse(&format!("http://{uri}")).ok()?;
    let scheme = if is_loopback(&plain) { "http" } else { "https" };
    Some(format!("{scheme}://{uri}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, good: bool) {
        let mistake = uri_mistake(uri);
        assert_eq!(mistake.is_none(), good, "{uri}: {mistake:?}");
    }

    #[test]
    fn addresses_to_return_to() {
        check("https://example.com/callback?x=1", true);
        check("http://127.0.0.1:12021/app/redirect", true);
        check("http://localhost:5000/app/redirect", true);
        check("http://[::1]:5000/", true);
        check("com.example.app:/callback", true);
        check("http://example.com/callback", false);
        check("http://localhost.example.com/callback", false);
        check("http://127.0.0.1.example.com/", false);
        check("https://example.com/#here", false);
        check("https://example.com/#", false);
        check("https://ada@example.com/", false);
        check("https://example.com/a b", false);
        check("javascript:alert(1)", false);
        check("data:text/html,x", false);
        check("/callback", false);
        check("example.com", false);
        check("example.com:8443/callback", false);
        for (written, meant) in [
            ("localhost:3000/cb", "http://localhost:3000/cb"),
            ("127.0.0.1:3000/cb", "http://127.0.0.1:3000/cb"),
            ("example.com/cb", "https://example.com/cb"),
            ("example.com:8443/cb", "https://example.com:8443/cb"),
        ] {
            let mistake = uri_mistake(written).unwrap_or_default();
            assert!(mistake.ends_with(&format!("did you mean {meant}?")), "{mistake}");
        }
    }

    #[test]
    fn a_product_takes_all_of_its_scopes() {
        let fields = Params::parse("product=Phone+system&scope=fax.v1.read&scope=nonsense");
        assert_eq!(ticked_scopes(&fields), ["voice-admin.v1.read", "voice-admin.v1.write", "fax.v1.read"]);
    }
}
