//! Objects over HTTP and HTTPS, by single ranges, resumed where a connection broke.
//!
//! Trust never comes from the transport: it is bounded (length, redirects, silence, pace) and checked for
//! form, no more. A server that ignores ranges still works; what it sends before the range is
//! read and dropped, and counts.

use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::meter::{Metered, limit};
use super::{Fetch, FetchError, Meter, backoff, exactly, stream, whole};
use crate::random;

/// How often a request is tried, and a body resumed without [`PROGRESS`], before it counts as failed.
const ATTEMPTS: u32 = 4;
/// So many bytes more, and what failed before counts no longer.
pub(super) const PROGRESS: u64 = 64 << 10;
/// Where Debian keeps the certificates it trusts.
pub const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A site behind an address.
pub struct HttpFetch<'a> {
    agent: Agent,
    base: String,
    meter: Rc<Meter<'a>>,
}

/// What is asked for: from byte `start`, up to `end` if it is known.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    end: Option<u64>,
}

impl HttpFetch<'static> {
    /// The site at `base`, without limits; see [`HttpFetch::within`].
    ///
    /// # Errors
    /// As there.
    pub fn new(base: &str, ca: Option<&str>) -> Result<Self, FetchError> {
        Self::within(base, ca, Rc::default())
    }
}

impl<'a> HttpFetch<'a> {
    /// The site at `base` (`http://` or `https://`), trusting the certificates in `ca`, as PEM, for https;
    /// without, the system's. All that comes is held to the limits of `meter`.
    ///
    /// # Errors
    /// [`FetchError::Io`] when `base` is https and the certificates cannot be read.
    pub fn within(base: &str, ca: Option<&str>, meter: Rc<Meter<'a>>) -> Result<Self, FetchError> {
        let silence = Some(meter.silence());
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(3)
            .timeout_connect(silence)
            .timeout_recv_response(silence)
            .timeout_per_read(silence)
            .accept_encoding("identity")
            .user_agent(concat!("edeploy-ab/", env!("CARGO_PKG_VERSION")));
        if base.starts_with("https://") {
            config = config.tls_config(tls(ca)?);
        }
        Ok(Self { agent: config.build().new_agent(), base: base.trim_end_matches('/').to_owned(), meter })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Asks until there is an answer that trying again would not change.
    fn ask(&self, url: &str, span: Span, tag: Option<&str>) -> Result<Response<Body>, FetchError> {
        let failed = |e: ureq::Error| FetchError::Io { url: url.to_owned(), source: e.into_io() };
        let mut failures = 0;
        loop {
            self.meter.left()?;
            let result = self.ask_once(url, span, tag);
            failures += 1;
            let asked_for = match &result {
                Ok(answer) => {
                    let status = answer.status();
                    if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
                        return result.map_err(failed);
                    }
                    backoff::asked_for(status, answer.headers())
                }
                Err(_) => Duration::ZERO,
            };
            if failures == ATTEMPTS {
                self.meter.left()?;
                return result.map_err(failed);
            }
            if !asked_for.is_zero() {
                self.meter.note(&format!("{url}: busy, asked again in {} s", asked_for.as_secs()));
            }
            self.wait(failures, asked_for)?;
        }
    }

    /// Waits before it asks again: as long as it was `asked_for` at least.
    fn wait(&self, failures: u32, asked_for: Duration) -> Result<(), FetchError> {
        let chance = random::number().unwrap_or(u32::MAX);
        Ok(self.meter.pause(backoff::pause(failures, chance).max(asked_for))?)
    }

    fn ask_once(&self, url: &str, span: Span, tag: Option<&str>) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent.get(url);
        let end = span.end.map(|end| (end - 1).to_string()).unwrap_or_default();
        if span.start > 0 || span.end.is_some() {
            request = request.header(header::RANGE, format!("bytes={}-{end}", span.start));
            if let Some(tag) = tag {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        request.call()
    }

    /// The answer that holds `span`, and the object's strong tag.
    fn opened(&self, url: &str, span: Span, tag: Option<&str>) -> Result<Opened<'_>, FetchError> {
        let answer = self.ask(url, span, tag)?;
        let found = |name| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let wrong = |answer: String| FetchError::Answer { url: url.to_owned(), answer };
        let tag = found(header::ETAG).filter(|tag| !tag.starts_with("W/"));
        let (status, place) = (answer.status(), found(header::CONTENT_RANGE));
        let skip = match status {
            StatusCode::OK => span.start,
            StatusCode::PARTIAL_CONTENT => {
                let expected = format!("bytes {}-", span.start);
                if !place.as_deref().is_some_and(|place| place.starts_with(&expected)) {
                    let place = place.unwrap_or_default();
                    return Err(wrong(format!("206 with the range {place:?} instead of {expected:?}")));
                }
                0
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(FetchError::NotFound { url: url.to_owned() });
            }
            StatusCode::FORBIDDEN => return Err(FetchError::Forbidden { url: url.to_owned() }),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                return Err(FetchError::Busy { url: url.to_owned(), answer: status.to_string() });
            }
            other => return Err(wrong(other.to_string())),
        };
        if let Some(encoding) = found(header::CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
            return Err(wrong(format!("{status} with the encoding {encoding:?}, which was not asked for")));
        }
        if skip > 0 {
            self.meter.note_once(|| {
                format!("{url}: the server ignores ranges: what lies before is fetched and dropped")
            });
        }
        Ok(Opened { stream: Metered::new(answer.into_body().into_reader(), &self.meter), skip, tag })
    }
}

struct Opened<'a> {
    stream: Metered<'a>,
    /// Bytes before those that were asked for.
    skip: u64,
    tag: Option<String>,
}

impl Opened<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut dropped = [0; 4096];
        while self.skip > 0 {
            match (&mut self.stream).take(self.skip).read(&mut dropped)? {
                0 => return Ok(0),
                n => self.skip -= n as u64,
            }
        }
        self.stream.read(buffer)
    }
}

/// How https is spoken, trusting the certificates in `ca`, as PEM; without, the system's.
pub(crate) fn tls(ca: Option<&str>) -> Result<TlsConfig, FetchError> {
    let name = if ca.is_some() { "the certificates given by --ca" } else { SYSTEM_CERTIFICATES };
    let failed = |source| FetchError::Io { url: name.to_owned(), source };
    let own = ca.map(|ca| Ok(ca.as_bytes().to_vec()));
    let pem = own.unwrap_or_else(|| std::fs::read(SYSTEM_CERTIFICATES)).map_err(failed)?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(failed(io::Error::other("it holds no certificate in PEM")));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

/// A body that asks again from where it stands when the connection breaks.
struct Resumed<'a> {
    from: &'a HttpFetch<'a>,
    url: String,
    span: Span,
    opened: Opened<'a>,
    failures: u32,
    /// Bytes that came since it broke.
    fresh: u64,
}

impl Resumed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let owed = !buffer.is_empty() && self.span.end.is_some_and(|end| self.span.start < end);
            let broken = match self.opened.read(buffer) {
                Ok(n) if n > 0 || !owed => {
                    self.span.start += n as u64;
                    self.fresh += n as u64;
                    return Ok(n);
                }
                Ok(_) => io::Error::from(io::ErrorKind::UnexpectedEof),
                Err(e) if limit(&e).is_some() => return Err(e),
                Err(e) => e,
            };
            self.resume(&broken)?;
        }
    }

    /// Asks again after `broken`.
    fn resume(&mut self, broken: &io::Error) -> io::Result<()> {
        self.failures = if self.fresh < PROGRESS { self.failures + 1 } else { 1 };
        self.fresh = 0;
        if self.failures == ATTEMPTS {
            return Err(io::Error::new(broken.kind(), format!("{}: {broken}", self.url)));
        }
        self.from.wait(self.failures, Duration::ZERO).map_err(FetchError::into_io)?;
        // A tag that changed makes the server send the whole object, of which the beginning is dropped:
        // the digest of what comes out then fails, as it must.
        let again = self.from.opened(&self.url, self.span, self.opened.tag.as_deref());
        self.opened = again.map_err(FetchError::into_io)?;
        Ok(())
    }
}

impl Fetch for HttpFetch<'_> {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        whole(&self.url(path), self.open(path, None)?, limit)
    }

    fn open(
        &self,
        path: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Box<dyn Read + '_>, FetchError> {
        let url = self.url(path);
        let span = match &range {
            Some(range) => Span { start: range.start, end: Some(range.end) },
            None => Span { start: 0, end: None },
        };
        let opened = self.opened(&url, span, None)?;
        let mut body = Resumed { from: self, url, span, opened, failures: 0, fresh: 0 };
        let body = stream(move |buffer| body.read(buffer));
        Ok(match range {
            Some(range) => exactly(body, range.end.saturating_sub(range.start)),
            None => body,
        })
    }
}
