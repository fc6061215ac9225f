//! The fleet service as a machine that is being installed sees it: three requests, and one for a token where the boot
//! script brought none.
//!
//! Nothing that it answers is believed here. How long an answer may be and take is bounded.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use edeploy_format::fleet::{Admission, Arrival, Plan, Progress, Report};
use edeploy_format::tuf::Signed;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::fetch::{FetchError, asked_for, tls};

/// How long it may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No problem document is longer.
const PROBLEM_LIMIT: u64 = 1 << 20;
/// The type of what the service answers, where it answers more than that it has heard.
const TYPE: &str = "application/json";
/// The type of a problem document.
const PROBLEM: &str = "application/problem+json";
/// No token is.
const ADMISSION_LIMIT: u64 = 4 << 10;

/// The service.
pub struct Service {
    agent: Agent,
    base: String,
    token: OnceLock<String>,
}

/// A profile that did not fit, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tried {
    /// Its name.
    pub profile: String,
    /// Which of its lines failed, in words.
    pub reason: String,
}

/// What of a problem document (RFC 9457) is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    tried: Vec<Tried>,
}

/// Why the service did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It says no, and will say so again.
    #[error("the service answers {status}: {text}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        text: String,
        /// The profiles that were tried.
        tried: Vec<Tried>,
    },
    /// It says: not now; or it is not the service that answers.
    #[error("the service answers {status}: {text}")]
    Busy {
        /// The status.
        status: u16,
        /// What it says.
        text: String,
        /// How long it asked to be left alone.
        pause: Duration,
        /// Whether the service itself says so. Else it may be reached another way: whoever guards this one, as a
        /// portal where people log in, answers every request in its own form.
        is_its_own: bool,
    },
    /// It cannot be reached, or breaks off.
    #[error("the service at {url} does not answer")]
    Away {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Service {
    /// The service at `base`; `ca` are certificates to trust for https, as PEM, instead of the system's.
    ///
    /// # Errors
    /// If `base` is https and the certificates cannot be read.
    pub fn new(base: &str, token: Option<String>, ca: Option<&str>) -> Result<Self, FetchError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(PATIENCE))
            .timeout_send_body(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_recv_body(Some(PATIENCE))
            .accept_encoding("identity")
            .user_agent(concat!("edeploy-ab/", env!("CARGO_PKG_VERSION")));
        if base.starts_with("https://") {
            config = config.tls_config(tls(ca)?);
        }
        let base = base.trim_end_matches('/').to_owned();
        let token = token.map(OnceLock::from).unwrap_or_default();
        Ok(Self { agent: config.build().new_agent(), base, token })
    }

    /// Whether this machine has a token.
    pub fn knows_us(&self) -> bool {
        self.token.get().is_some()
    }

    /// Asks for a token, and keeps it.
    ///
    /// # Errors
    /// [`ServiceError`]; `Refused` with 403 where nobody permitted this machine yet.
    pub fn admit(&self, arrival: &Arrival) -> Result<(), ServiceError> {
        let (url, answer) = self.post("token", "application/json", &json(arrival))?;
        let bytes = read(&url, answer, ADMISSION_LIMIT)?;
        let admission: Admission = serde_json::from_slice(&bytes).map_err(|_| foreign(NO_JSON))?;
        // It is asked for once.
        let _ = self.token.set(admission.token);
        Ok(())
    }

    /// Reports the hardware; the plan's bytes, which are JSON, and which nobody has verified.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn report(&self, report: &Report) -> Result<Vec<u8>, ServiceError> {
        let (url, answer) = self.post("report", "application/json", &json(report))?;
        let bytes = read(&url, answer, Plan::LIMIT)?;
        serde_json::from_slice::<IgnoredAny>(&bytes).map_err(|_| foreign(NO_JSON))?;
        Ok(bytes)
    }

    /// Tells how far the machine is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn progress(&self, progress: &Progress) -> Result<(), ServiceError> {
        self.post("progress", "application/json", &json(progress)).map(|_| ())
    }

    /// Hands in the log.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn log(&self, text: &str) -> Result<(), ServiceError> {
        self.post("log", "text/plain; charset=utf-8", text.as_bytes()).map(|_| ())
    }

    fn post(&self, what: &str, kind: &str, body: &[u8]) -> Result<(String, Response<Body>), ServiceError> {
        let url = format!("{}/v1/machine/{what}", self.base);
        let mut request = self.agent.post(&url).header(header::CONTENT_TYPE, kind);
        if let Some(token) = self.token.get() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let sent = request.send(body);
        let answer = sent.map_err(|e| ServiceError::Away { url: url.clone(), source: e.into_io() })?;
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if status.is_success() {
            return match kind {
                _ if status == StatusCode::NO_CONTENT => Ok((url, answer)),
                Some(kind) if kind.starts_with(TYPE) => Ok((url, answer)),
                kind => Err(foreign(kind.unwrap_or("no type"))),
            };
        }
        let pause = asked_for(status, answer.headers());
        let is_its_own = kind.is_some_and(|kind| kind.starts_with(PROBLEM));
        let bytes = read(&url, answer, PROBLEM_LIMIT).unwrap_or_default();
        Err(problem(status, is_its_own, pause, &bytes))
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are always JSON")
}

fn read(url: &str, answer: Response<Body>, limit: u64) -> Result<Vec<u8>, ServiceError> {
    let status = answer.status().as_u16();
    let bytes = answer.into_body().into_with_config().limit(limit).read_to_vec();
    bytes.map_err(|e| match e {
        // It would be as long the next time.
        ureq::Error::BodyExceedsLimit(limit) => {
            let text = format!("more than {limit} bytes");
            ServiceError::Refused { status, text, tried: Vec::new() }
        }
        e => ServiceError::Away { url: url.to_owned(), source: e.into_io() },
    })
}

/// What is said of a success that holds no JSON.
const NO_JSON: &str = "no JSON";

/// A success of somebody else's: `what` is in it.
fn foreign(what: &str) -> ServiceError {
    let text = format!("something else answers in its place, with {}", plain(what));
    let (status, pause) = (StatusCode::OK.as_u16(), Duration::ZERO);
    ServiceError::Busy { status, text, pause, is_its_own: false }
}

/// What an answer that is no success means. A service that is broken may be mended: it is asked again; so is whoever
/// else answers in its place, as a proxy does that is being set up.
fn problem(status: StatusCode, is_its_own: bool, pause: Duration, bytes: &[u8]) -> ServiceError {
    let Problem { title, detail, tried } = serde_json::from_slice(bytes).unwrap_or_default();
    let said: Vec<&str> = [title.as_str(), &detail].into_iter().filter(|text| !text.is_empty()).collect();
    let reason = status.canonical_reason().unwrap_or("no reason given");
    let text = plain(&if said.is_empty() { reason.to_owned() } else { said.join(": ") });
    let plain_tried = |one: Tried| Tried { profile: plain(&one.profile), reason: plain(&one.reason) };
    let (tried, status_number) = (tried.into_iter().map(plain_tried).collect(), status.as_u16());
    let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    if later || !status.is_client_error() || !is_its_own {
        return ServiceError::Busy { status: status_number, text, pause, is_its_own };
    }
    ServiceError::Refused { status: status_number, text, tried }
}

/// Escape sequences of a server have no business on our console.
fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_which_profiles_were_tried() {
        let text = br#"{"type":"about:blank","title":"no profile fits","status":409,"detail":"2 tried",
            "tried":[{"profile":"web","reason":"no disk"},{"profile":"db","reason":"\u001b[2Jmemory"}]}"#;
        let found = problem(StatusCode::CONFLICT, true, Duration::ZERO, text);
        assert_eq!(found.to_string(), "the service answers 409: no profile fits: 2 tried");
        let ServiceError::Refused { tried, .. } = found else { panic!("{found:?}") };
        let tried: Vec<_> = tried.iter().map(|one| (one.profile.as_str(), one.reason.as_str())).collect();
        assert_eq!(tried, [("web", "no disk"), ("db", " [2Jmemory")]);
    }

    #[test]
    fn a_broken_service_is_asked_again_and_a_no_is_a_no() {
        let answered = |status: u16, is_its_own: bool, text: &[u8]| {
            problem(StatusCode::from_u16(status).unwrap(), is_its_own, Duration::from_secs(7), text)
        };
        let of = |status, text| answered(status, true, text);
        let busy = of(503, b"<html>");
        assert!(matches!(busy, ServiceError::Busy { pause, .. } if pause.as_secs() == 7), "{busy:?}");
        assert_eq!(busy.to_string(), "the service answers 503: Service Unavailable");
        for status in [302, 408, 429] {
            assert!(matches!(of(status, b""), ServiceError::Busy { .. }), "{status}");
        }
        for status in [400, 403, 404, 409] {
            assert!(matches!(of(status, b""), ServiceError::Refused { .. }), "{status}");
            // Another server's, at the same address.
            assert!(matches!(answered(status, false, b""), ServiceError::Busy { .. }), "{status}");
        }
    }
}
