//! Reading requests: bodies, query parameters, page markers; each mistake in the spec's error body.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use wire::error::code;

use crate::error::{ApiError, ApiResult};
use crate::limits;

/// RFC 3986 §2.3: unreserved characters stay as they are.
pub const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path, or as one value of a query.
pub fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Parts of the path, decoded; a path that is not UTF-8, or has a NUL, leads nowhere.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.path().contains("%00") {
            return Err(ApiError::not_found());
        }
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::not_found()),
        }
    }
}

/// No text of ours holds it, and PostgreSQL refuses it.
const NUL: char = '\0';
const ESCAPED_NUL: &[u8] = b"\\u0000";

/// A request body, read after the caller is known and parsed after the caller is allowed.
pub struct Body {
    content_type: String,
    bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = media_type(request.headers());
        let reading = Bytes::from_request(request, state);
        let bytes = tokio::time::timeout(limits::REQUEST_BODY_TIMEOUT, reading).await;
        let bytes = bytes.map_err(|_| body_late())?.map_err(body_error)?;
        Ok(Self { content_type, bytes })
    }
}

impl Body {
    pub fn is_empty(&self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }

    /// # Errors
    /// 415 unless the body says it is JSON; 400 `MALFORMED_REQUEST` unless it is one.
    pub fn json<T: DeserializeOwned>(&self) -> ApiResult<T> {
        let json = self.content_type == "application/json" || self.content_type.ends_with("+json");
        if !json && !self.is_empty() {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                code::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as JSON with Content-Type: application/json.",
            ));
        }
        // A NUL can only stand in JSON by its escape.
        if self.bytes.windows(ESCAPED_NUL.len()).any(|window| window == ESCAPED_NUL) {
            return Err(ApiError::malformed("the character NUL is not allowed"));
        }
        serde_json::from_slice(&self.bytes).map_err(ApiError::malformed)
    }

    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn body_late() -> ApiError {
    let message = format!("The body was not there within {} s.", limits::REQUEST_BODY_TIMEOUT.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, code::REQUEST_TIMEOUT, message)
}

fn body_error(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("The body is larger than {} bytes.", limits::REQUEST_BODY_BYTES_MAX);
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, code::PAYLOAD_TOO_LARGE, message);
    }
    ApiError::malformed(rejection.body_text())
}

/// Query parameters; arrays are repeated names. Unknown names are ignored (spec/call-events-report.md).
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::checked(parts.uri.query().unwrap_or_default())
    }
}

impl Params {
    /// What was checked before, or came from us; of a NUL all the same nothing is left.
    pub fn parse(text: &str) -> Self {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(name, value)| (name.replace(NUL, ""), value.replace(NUL, ""))).collect())
    }

    /// # Errors
    /// 400 for the character NUL.
    pub fn checked(text: &str) -> ApiResult<Self> {
        let params = Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect());
        match params.0.iter().find(|(key, value)| key.contains(NUL) || value.contains(NUL)) {
            Some((name, _)) => Err(ApiError::bad_request(&name.replace(NUL, ""), "INVALID")),
            None => Ok(params),
        }
    }

    /// First value of a name that is not empty.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    pub fn integer(&self, name: &str) -> ApiResult<Option<i64>> {
        let number = |text: &String| text.parse().map_err(|_| ApiError::bad_request(name, "INVALID"));
        self.given(name).map(number).transpose()
    }

    /// Unlike an empty text, an empty number or instant is a mistake.
    fn given(&self, name: &str) -> Option<&String> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// How often a name is given, empty values included.
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(key, _)| key == name).count()
    }

    /// An instant with its offset from UTC.
    pub fn instant(&self, name: &str) -> ApiResult<Option<Timestamp>> {
        let instant = |text: &String| text.parse().map_err(|_| ApiError::bad_request(name, "INVALID"));
        self.given(name).map(instant).transpose()
    }

    /// 1 to [`limits::PAGE_SIZE_MAX`]; larger is cut, less is an error.
    pub fn page_size(&self) -> ApiResult<i64> {
        self.page_size_or(limits::PAGE_SIZE)
    }

    /// The same with another default.
    pub fn page_size_or(&self, default: i64) -> ApiResult<i64> {
        match self.integer("pageSize")? {
            None => Ok(default),
            Some(size) if size >= 1 => Ok(size.min(limits::PAGE_SIZE_MAX)),
            Some(_) => Err(ApiError::bad_request("pageSize", "INVALID")),
        }
    }

    pub fn page_key(&self) -> ApiResult<Option<PageKey>> {
        let read =
            |text: &str| PageKey::parse(text).ok_or_else(|| ApiError::bad_request("pageMarker", "INVALID"));
        self.one("pageMarker").map(read).transpose()
    }
}

/// Where a page ends: the key of its last item, opaque on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageKey {
    pub number: i64,
    pub text: String,
}

impl PageKey {
    pub fn marker(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{} {}", self.number, self.text))
    }

    fn parse(marker: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
        let (number, text) = text.split_once(' ')?;
        Some(Self { number: number.parse().ok()?, text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_marker_comes_back_whole_and_nonsense_does_not() {
        let key = PageKey { number: -7, text: "a b".into() };
        assert_eq!(PageKey::parse(&key.marker()), Some(key));
        assert_eq!(PageKey::parse("nonsense!"), None);
    }

    #[test]
    fn a_nul_is_refused_by_name() {
        assert!(Params::checked("a=b%20c").is_ok());
        let error = Params::checked("a=b&name=c%00d").expect_err("a NUL");
        assert_eq!(error.constraints[0].field, "name");
        assert_eq!(Params::parse("a=b%00c").one("a"), Some("bc"));
    }

    #[test]
    fn a_page_size_has_bounds() {
        assert_eq!(Params::parse("").page_size().expect("the default"), limits::PAGE_SIZE);
        assert_eq!(Params::parse("pageSize=5").page_size().expect("small"), 5);
        assert_eq!(Params::parse("pageSize=99999").page_size().expect("cut"), limits::PAGE_SIZE_MAX);
        assert!(Params::parse("pageSize=0").page_size().is_err());
        assert!(Params::parse("pageSize=x").page_size().is_err());
        assert!(Params::parse("pageSize=").page_size().is_err());
        assert!(Params::parse("startTime=").instant("startTime").is_err());
    }
}
