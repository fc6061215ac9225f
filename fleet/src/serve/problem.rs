//! What is answered where something is wrong: problem details, RFC 9457.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::say;
use crate::failure::chain;
use crate::store::StoreError;

/// The type of such a body.
pub(super) const TYPE: &str = "application/problem+json";
/// When to ask again where it may be better then, in seconds.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// Something wrong.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    /// Of this kind, with what is wrong in it.
    #[must_use]
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), more: Map::new() }
    }

    /// What was asked for is not there.
    #[must_use]
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    /// No token, or one that is of no use.
    #[must_use]
    pub(super) fn no_token(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// It may be better in some seconds.
    #[must_use]
    pub(super) fn later(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// With a member beside the usual ones.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &impl Serialize) -> Self {
        self.more.insert(name.to_owned(), json!(value));
        self
    }
}

impl From<StoreError> for Problem {
    /// Told in full to the log alone: whoever asks learns that it is not their fault.
    fn from(error: StoreError) -> Self {
        say(&chain(&error));
        Self::later("the store cannot be used; the log of the service says why")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail, more: mut body } = self;
        body.insert("type".to_owned(), "about:blank".into());
        body.insert("title".to_owned(), status.canonical_reason().unwrap_or("").into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("detail".to_owned(), detail.into());
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, LATER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
