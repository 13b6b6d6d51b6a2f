//! Scopes by product, in words for people: on the consent page and in the forms of the portal.

use ui::ScopeGroup;

/// Scopes of one product: name and what it allows.
pub struct Product {
    pub name: &'static str,
    pub scopes: Vec<(&'static str, &'static str)>,
}

/// All scopes, grouped in the order of the table.
pub fn products() -> Vec<Product> {
    let mut products: Vec<Product> = Vec::new();
    for &(scope, text) in wire::scope::ALL {
        let name = product_of(scope);
        match products.iter_mut().find(|product| product.name == name) {
            Some(product) => product.scopes.push((scope, text)),
            None => products.push(Product { name, scopes: vec![(scope, text)] }),
        }
    }
    products
}

/// These scopes for the consent page.
pub fn for_people(scopes: &[String]) -> Vec<ScopeGroup> {
    let mut groups: Vec<ScopeGroup> = Vec::new();
    for scope in scopes {
        let product = product_of(scope);
        let text = wire::scope::ALL.iter().find(|(name, _)| name == scope).map_or(scope.as_str(), |(_, t)| t);
        match groups.iter_mut().find(|group| group.product == product) {
            Some(group) => group.texts.push(text.to_owned()),
            None => groups.push(ScopeGroup { product: product.to_owned(), texts: vec![text.to_owned()] }),
        }
    }
    groups
}

fn product_of(scope: &str) -> &'static str {
    match scope.split(['.', ':']).next().unwrap_or_default() {
        "call-events" | "cr" | "call-history" | "recording" | "call-control" | "calls" | "call-parking"
        | "webrtc" => "Calls",
        "voicemail" | "messaging" | "fax" => "Messages",
        "queue-caller" | "cc-analytics" | "asset" => "Contact center",
        "users" | "identity" | "contacts" | "presence" => "People",
        "voice-admin" => "Phone system",
        _ => "Other products",
    }
}
