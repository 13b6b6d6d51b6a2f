//! Stylesheet, scripts and logo, compiled in and served under `/assets/`.

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets"]
struct Files;

/// Characters of the content hash in an address.
const HASH_LEN: usize = 16;

/// Address of an asset with its content hash, so that browsers may keep it for ever.
#[must_use]
pub fn asset(name: &str) -> String {
    match Files::get(name) {
        Some(file) => format!("/assets/{name}?v={}", hash(&file)),
        None => format!("/assets/{name}"),
    }
}

/// Routes that serve the assets; merge them into each app that shows pages.
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{*name}", get(serve))
}

async fn serve(Path(name): Path<String>, RawQuery(query): RawQuery, request: HeaderMap) -> Response<Body> {
    let Some(file) = Files::get(&name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let hash = hash(&file);
    let etag = format!("\"{hash}\"");
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(file.data).into_response() };
    // Only the address with the hash names this very content; any other must be asked for again.
    let fixed = query.as_deref().and_then(|query| query.strip_prefix("v=")) == Some(hash.as_str());
    let keep = if fixed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime(&name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .insert(header::ETAG, HeaderValue::from_str(&etag).expect("hex digits in quotes are a header value"));
    response
}

fn hash(file: &EmbeddedFile) -> String {
    let mut text = String::with_capacity(HASH_LEN);
    for byte in file.metadata.sha256_hash().iter().take(HASH_LEN / 2) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
