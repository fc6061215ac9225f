//! Who asks: a machine by the token of its boot script, an operator by theirs, or somebody who looks at the pages.
//!
//! A page may be looked at without a token where the service listens on loopback and was called by a name of loopback:
//! a page of another site that has its own name lead here does not get there so, nor does what a proxy passes on that
//! says so, or that passes its own name on.
//! A cookie serves for pages alone, which change nothing, and is no token.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::problem::Problem;
use super::{App, blocking};
use crate::moment::Moment;
use crate::secret::SecretHash;

/// The name of the cookie of the pages.
pub(super) const COOKIE_NAME: &str = "edeploy-fleet";
/// What proxies add.
const OF_PROXIES: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// The token of a request, as it is kept.
fn bearer(headers: &HeaderMap) -> Result<SecretHash, Problem> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(SecretHash::of(token.trim())),
        Some(_) | None => Err(Problem::no_token("a token is needed: `Authorization: Bearer …`")),
    }
}

/// A machine that is being installed.
pub(super) struct Machine {
    /// What it showed; whoever uses it looks again whose it is.
    pub(super) token: SecretHash,
}

impl FromRequestParts<App> for Machine {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        let (hash, now) = (token.clone(), Moment::now());
        let ticket = blocking(app, move |app| app.store.ticket(&hash, now)).await??;
        ticket.map(|_| Self { token }).ok_or_else(bad_token)
    }
}

/// The token is of no use to a machine: it must boot anew.
pub(super) fn bad_token() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "this token is not, or no longer, that of a machine being installed")
}

/// An operator.
pub(super) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        let operator = known(app, token).await?;
        operator.map(|_| Self).ok_or_else(|| Problem::no_token("this is no operator's token"))
    }
}

/// Somebody who may see the pages.
pub(super) struct Looker;

impl FromRequestParts<App> for Looker {
    type Rejection = NoLooker;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, NoLooker> {
        if app.open && is_local(&parts.headers) {
            return Ok(Self);
        }
        let operator = match (bearer(&parts.headers), cookie(&parts.headers)) {
            (Ok(token), _) => known(app, token).await,
            (Err(_), Some(session)) => logged_in(app, SecretHash::of(session)).await,
            (Err(_), None) => Ok(None),
        };
        let operator = operator.map_err(NoLooker::Problem)?;
        match operator {
            Some(_) => Ok(Self),
            None if parts.uri.path().starts_with("/v1/") => {
                Err(NoLooker::Problem(Problem::no_token("a token is needed, or the cookie of the pages")))
            }
            None => Err(NoLooker::Login),
        }
    }
}

/// Why somebody may not see the pages.
pub(super) enum NoLooker {
    /// They have to say who they are.
    Login,
    /// It cannot be known.
    Problem(Problem),
}

impl IntoResponse for NoLooker {
    fn into_response(self) -> Response {
        match self {
            Self::Login => Redirect::to("/login").into_response(),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// The operator of a token.
pub(super) async fn known(app: &App, token: SecretHash) -> Result<Option<String>, Problem> {
    Ok(blocking(app, move |app| app.store.operator(&token)).await??)
}

/// The operator of a session.
async fn logged_in(app: &App, session: SecretHash) -> Result<Option<String>, Problem> {
    Ok(blocking(app, move |app| app.store.session(&session, Moment::now())).await??)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Whether this machine asks itself.
fn is_local(headers: &HeaderMap) -> bool {
    if OF_PROXIES.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_name_of_loopback_is_one() {
        let called =
            |host: &'static str| is_local(&HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]));
        assert!(["localhost:8420", "127.0.0.1", "[::1]:8420", "[::1]"].into_iter().all(called));
        assert!(!["evil.example", "evil.example:80", "127.0.0.1.evil.example:1", ""].into_iter().any(called));
        assert!(!is_local(&HeaderMap::new()));
        let mut passed_on = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        assert!(is_local(&passed_on));
        passed_on.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        assert!(!is_local(&passed_on), "by a proxy");
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers =
            HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("a=b; edeploy-fleet=cd; e=f"))]);
        assert_eq!(cookie(&headers), Some("cd"));
        assert_eq!(cookie(&HeaderMap::new()), None);
    }
}
