//! Objects over HTTP and HTTPS, by single ranges, resumed where a connection broke.
//!
//! Trust never comes from the transport: it is bounded (length, redirects, silence, pace) and checked for
//! form, no more. A server that ignores ranges still works; what it sends before the range is
//! read and dropped.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, BodyReader};

use super::pace::Pace;
use super::{Exactly, Fetch, FetchError};

/// How often a request is tried before it counts as failed.
const ATTEMPTS: u32 = 4;
/// The pause after the first failure; doubled with each.
const PAUSE: Duration = Duration::from_millis(250);
/// No byte for this long, and the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(30);
/// Where Debian keeps the certificates it trusts.
pub const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A site behind an address.
pub struct HttpFetch {
    agent: Agent,
    base: String,
}

/// What is asked for: from byte `start`, up to `end` if it is known.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    end: Option<u64>,
}

impl HttpFetch {
    /// The site at `base` (`http://` or `https://`), trusting the certificates in `ca`, as PEM, for https;
    /// without, the system's.
    ///
    /// # Errors
    /// [`FetchError::Io`] when `base` is https and the certificates cannot be read.
    pub fn new(base: &str, ca: Option<&str>) -> Result<Self, FetchError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(3)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .accept_encoding("identity")
            .user_agent(concat!("edeploy-ab/", env!("CARGO_PKG_VERSION")));
        if base.starts_with("https://") {
            config = config.tls_config(tls(ca)?);
        }
        Ok(Self { agent: config.build().new_agent(), base: base.trim_end_matches('/').to_owned() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Asks until there is an answer that trying again would not change.
    fn ask(&self, url: &str, span: Span, tag: Option<&str>) -> Result<Response<Body>, FetchError> {
        let mut attempt = 1;
        loop {
            let result = self.ask_once(url, span, tag);
            let passing = match &result {
                Ok(answer) => {
                    answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS
                }
                Err(_) => true,
            };
            if !passing || attempt == ATTEMPTS {
                return result.map_err(|e| FetchError::Io { url: url.to_owned(), source: e.into_io() });
            }
            std::thread::sleep(PAUSE * 2_u32.pow(attempt));
            attempt += 1;
        }
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

    /// A stream that stands at `span.start`, and the object's strong tag.
    fn stream(&self, url: &str, span: Span, tag: Option<&str>) -> Result<Opened, FetchError> {
        let answer = self.ask(url, span, tag)?;
        let found = |name| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let wrong = |answer: String| FetchError::Answer { url: url.to_owned(), answer };
        let tag = found(header::ETAG).filter(|tag| !tag.starts_with("W/"));
        let (status, place) = (answer.status(), found(header::CONTENT_RANGE));
        let mut stream = answer.into_body().into_reader();
        match status {
            StatusCode::OK => {
                let skip = io::copy(&mut (&mut stream).take(span.start), &mut io::sink());
                let skipped = skip.map_err(|source| FetchError::Io { url: url.to_owned(), source })?;
                if skipped < span.start {
                    return Err(wrong("200 with fewer bytes than were asked for".to_owned()));
                }
            }
            StatusCode::PARTIAL_CONTENT => {
                let expected = format!("bytes {}-", span.start);
                if !place.as_deref().is_some_and(|place| place.starts_with(&expected)) {
                    return Err(wrong(format!(
                        "206 with the range {:?} instead of {expected:?}",
                        place.unwrap_or_default()
                    )));
                }
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(FetchError::NotFound { url: url.to_owned() });
            }
            other => return Err(wrong(other.to_string())),
        }
        Ok(Opened { stream, tag })
    }
}

struct Opened {
    stream: BodyReader<'static>,
    tag: Option<String>,
}

fn tls(ca: Option<&str>) -> Result<TlsConfig, FetchError> {
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
    from: &'a HttpFetch,
    url: String,
    span: Span,
    opened: Opened,
    attempts: u32,
    pace: Pace,
}

impl Read for Resumed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let owed = !buffer.is_empty() && self.span.end.is_some_and(|end| self.span.start < end);
            let asked = Instant::now();
            let read = self.opened.stream.read(buffer);
            let pace = self.pace.came(*read.as_ref().unwrap_or(&0), asked.elapsed());
            pace.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.url)))?;
            let broken = match read {
                Ok(n) if n > 0 || !owed => {
                    self.span.start += n as u64;
                    return Ok(n);
                }
                Ok(_) => io::Error::from(io::ErrorKind::UnexpectedEof),
                Err(e) => e,
            };
            self.attempts += 1;
            if self.attempts >= ATTEMPTS {
                return Err(io::Error::new(broken.kind(), format!("{}: {broken}", self.url)));
            }
            std::thread::sleep(PAUSE * 2_u32.pow(self.attempts));
            // A tag that changed makes the server send the whole object, which `stream` skips
            // through: the digest of what comes out then fails, as it must.
            let again = self.from.stream(&self.url, self.span, self.opened.tag.as_deref());
            self.opened = again.map_err(io::Error::other)?;
        }
    }
}

impl Fetch for HttpFetch {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        let read = self.open(path, None)?.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|source| FetchError::Io { url: self.url(path), source })?;
        if bytes.len() as u64 > limit {
            return Err(FetchError::TooLong { url: self.url(path), limit });
        }
        Ok(bytes)
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
        let opened = self.stream(&url, span, None)?;
        let body = Resumed { from: self, url, span, opened, attempts: 0, pace: Pace::default() };
        Ok(match range {
            Some(range) => Box::new(Exactly::new(body, range.end.saturating_sub(range.start))),
            None => Box::new(body),
        })
    }
}
