//! A fleet service for one machine: it keeps what it is told, and answers a report with one plan.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ed25519_dalek::SigningKey;
use edeploy_format::digest::hex;
use edeploy_format::fleet::{Plan, Progress, Report};
use edeploy_format::tuf::sign;

/// The key of all fleet services of the tests.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[77; 32])
}

/// Its public half, in hex.
pub(crate) fn public() -> String {
    hex(key().verifying_key().as_bytes())
}

/// What a machine said.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) reports: Vec<Report>,
    pub(crate) progress: Vec<Progress>,
    pub(crate) log: String,
}

/// A service, for as long as the tests run.
pub(crate) struct Service {
    pub(crate) port: u16,
    pub(crate) told: Arc<Mutex<Told>>,
}

impl Service {
    /// One that answers every report with `plan`, under the nonce of the report.
    pub(crate) fn with(plan: Plan) -> Self {
        Self::signing(plan, key())
    }

    /// One that signs its plans with a key that may not.
    pub(crate) fn forging(plan: Plan) -> Self {
        Self::signing(plan, SigningKey::from_bytes(&[78; 32]))
    }

    fn signing(plan: Plan, key: SigningKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, told) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Told>>::default());
        let shared = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (plan, key, told) = (plan.clone(), key.clone(), Arc::clone(&shared));
                std::thread::spawn(move || answer(&stream, plan, &key, &told));
            }
        });
        Self { port, told }
    }
}

fn answer(stream: &TcpStream, mut plan: Plan, key: &SigningKey, told: &Mutex<Told>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (path, body) = request(&mut reader)?;
        let mut told = told.lock().unwrap();
        let text = match path.as_str() {
            "/v1/machine/report" => {
                let report: Report = serde_json::from_slice(&body).unwrap();
                plan.nonce.clone_from(&report.nonce);
                told.reports.push(report);
                sign(&plan, &[key]).unwrap()
            }
            "/v1/machine/progress" => {
                told.progress.push(serde_json::from_slice(&body).unwrap());
                Vec::new()
            }
            "/v1/machine/log" => {
                told.log = String::from_utf8(body).unwrap();
                Vec::new()
            }
            other => panic!("no machine asks for {other}"),
        };
        drop(told);
        let head = match text.len() {
            0 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            n => format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {n}\r\n\r\n"),
        };
        (&mut &*stream).write_all(&[head.as_bytes(), &text].concat()).ok()?;
    }
}

/// The path and the body of the next request; `None` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}
