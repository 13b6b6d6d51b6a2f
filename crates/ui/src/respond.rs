//! Sends a page with the headers that keep it ours.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use url::{Host, Url};

/// Renders a page as an answer with status `status`.
///
/// `form_targets` are addresses outside this server that a form of the page may end up at by redirects; browsers
/// hold `form-action` against each redirect. An entry that is no address is left out.
pub fn page(status: StatusCode, page: &impl Template, form_targets: &[&str]) -> Response<Body> {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "page could not be rendered");
            return (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be shown. Try again.")
                .into_response();
        }
    };
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(form_targets));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}

/// Renders a part of a page, such as one card; empty if it cannot be rendered, which is logged.
pub fn fragment(part: &impl Template) -> String {
    part.render().unwrap_or_else(|error| {
        tracing::error!(%error, "part of a page could not be rendered");
        String::new()
    })
}

fn policy(form_targets: &[&str]) -> HeaderValue {
    let mut text = String::from(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    );
    for source in form_targets.iter().filter_map(|target| source_of(target)) {
        text.push(' ');
        text.push_str(&source);
    }
    HeaderValue::from_str(&text).expect("an origin as the URL standard writes it is visible ASCII")
}

/// The CSP source that allows an address: its origin, or its scheme where CSP knows no such host (IPv6, own schemes).
fn source_of(target: &str) -> Option<String> {
    let url = Url::parse(target).ok()?;
    match (url.scheme(), url.host()) {
        ("javascript" | "data" | "blob" | "about", _) => None,
        ("http" | "https", Some(Host::Domain(_) | Host::Ipv4(_))) => {
            let origin = url.origin().ascii_serialization();
            // Marks with a meaning in CSP; the URL standard lets them stand in a host.
            (!origin.contains([';', ',', '*', '\''])).then_some(origin)
        }
        (scheme, _) => Some(format!("{scheme}:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, expect: Option<&str>) {
        assert_eq!(source_of(target).as_deref(), expect, "{target}");
    }

    #[test]
    fn form_targets() {
        check("http://localhost:5000/app/redirect?x=1", Some("http://localhost:5000"));
        check("https://example.com/cb", Some("https://example.com"));
        check("http://[::1]:5000/cb", Some("http:"));
        check("myapp://done", Some("myapp:"));
        check("javascript:alert(1)", None);
        check("https://a;script-src *", None);
        check("https://*.example.com/", None);
        check("nothing", None);
    }
}
