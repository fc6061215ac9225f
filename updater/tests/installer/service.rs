//! A service that a test has answer as it likes, and that keeps what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use edeploy_format::fleet::{Arrival, Progress, Report};

/// An answer: status and body.
pub type Answer = (u16, Vec<u8>);
type Reports = Box<dyn FnMut(&Report) -> Answer + Send>;

/// What was told.
#[derive(Default)]
pub struct Told {
    pub arrivals: Vec<Arrival>,
    pub reports: Vec<Report>,
    pub progress: Vec<Progress>,
    pub logs: Vec<String>,
    pub tokens: Vec<String>,
}

/// What the service does.
struct State {
    reports: Reports,
    /// So many requests of progress are answered with 503.
    busy: u32,
    /// So many arrivals are of a machine that nobody permitted.
    strange: u32,
    /// So many requests are answered by something that is in the way.
    portal: u32,
    /// This request is not answered, nor is the one after it.
    dies_at: Option<u32>,
    requests: u32,
    told: Told,
}

pub struct Service {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Service {
    /// Answers reports by `reports`, and everything else with 200 once `busy` of them had 503.
    pub fn new(busy: u32, reports: impl FnMut(&Report) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            reports: Box::new(reports),
            busy,
            strange: 0,
            portal: 0,
            dies_at: None,
            requests: 0,
            told: Told::default(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { url, state }
    }

    /// Permits machines that arrive once it refused so many.
    pub fn permits_after(self, strange: u32) -> Self {
        self.state.lock().unwrap().strange = strange;
        self
    }

    /// Is reached once something else answered so many requests, whatever they ask for, with a page.
    pub fn behind_a_portal(self, requests: u32) -> Self {
        self.state.lock().unwrap().portal = requests;
        self
    }

    /// Dies at this request, counted from 1, and is not there for the next; then it is again.
    pub fn dies_at(self, request: u32) -> Self {
        self.state.lock().unwrap().dies_at = Some(request);
        self
    }

    /// All it was told, by tests that are through with it.
    pub fn told(self) -> Told {
        std::mem::take(&mut self.state.lock().unwrap().told)
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (path, token, body) = request(&mut reader)?;
        let mut state = state.lock().unwrap();
        state.requests += 1;
        if state.dies_at.is_some_and(|at| (at..=at + 1).contains(&state.requests)) {
            return None;
        }
        if state.portal > 0 {
            state.portal -= 1;
            let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
            let mut stream = stream;
            stream.write_all(page).ok()?;
            continue;
        }
        state.told.tokens.extend(token);
        let (status, text) = match path.as_str() {
            "/v1/machine/report" => {
                let report = serde_json::from_slice(&body).unwrap();
                let answer = (state.reports)(&report);
                state.told.reports.push(report);
                answer
            }
            "/v1/machine/token" => {
                state.told.arrivals.push(serde_json::from_slice(&body).unwrap());
                match state.strange.checked_sub(1) {
                    Some(left) => {
                        state.strange = left;
                        (403, br#"{"title":"Forbidden","detail":"nobody permitted it"}"#.to_vec())
                    }
                    None => (200, br#"{"token":"asked-for"}"#.to_vec()),
                }
            }
            _ if state.busy > 0 => {
                state.busy -= 1;
                (503, Vec::new())
            }
            "/v1/machine/progress" => {
                state.told.progress.push(serde_json::from_slice(&body).unwrap());
                (204, Vec::new())
            }
            "/v1/machine/log" => {
                state.told.logs.push(String::from_utf8(body).unwrap());
                (204, Vec::new())
            }
            other => panic!("nobody asks for {other}"),
        };
        drop(state);
        let length = match status {
            204 => String::new(),
            200 => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", text.len()),
            _ => format!("Content-Type: application/problem+json\r\nContent-Length: {}\r\n", text.len()),
        };
        let head = format!("HTTP/1.1 {status} Said\r\n{length}\r\n");
        let mut stream = stream;
        stream.write_all(&[head.as_bytes(), &text].concat()).ok()?;
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Option<String>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut token) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => token = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, token, body))
}
