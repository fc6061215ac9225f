//! Servers that say what a test has them say, time that passes by sleeping only, and who hears notes.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use edeploy_ab::fetch::{Clock, HttpFetch, Limits, Meter};
use edeploy_ab::progress::Progress;

/// No limits but these; 0 is none.
pub(crate) fn limits(rate: u64, bytes: u64, deadline: u64) -> Limits {
    let (rate, bytes) = (NonZeroU64::new(rate), NonZeroU64::new(bytes));
    Limits { rate, bytes, stall: None, deadline: NonZeroU64::new(deadline) }
}

/// A clock that nobody waits for, with a list of its pauses, and of the notes.
pub(crate) struct Still {
    begun: Instant,
    pub(crate) pauses: RefCell<Vec<Duration>>,
    pub(crate) notes: RefCell<Vec<String>>,
}

impl Still {
    pub(crate) fn new() -> &'static Self {
        let (begun, pauses, notes) = (Instant::now(), RefCell::default(), RefCell::default());
        Box::leak(Box::new(Self { begun, pauses, notes }))
    }

    /// A meter on this clock.
    pub(crate) fn meter(&'static self, limits: Limits) -> Meter<'static> {
        Meter::new(limits, self, self)
    }

    /// The site at `base`.
    pub(crate) fn site(&'static self, base: &str, limits: Limits) -> HttpFetch<'static> {
        HttpFetch::within(base, None, Rc::new(self.meter(limits))).unwrap()
    }
}

impl Clock for Still {
    fn now(&self) -> Instant {
        self.begun + self.pauses.borrow().iter().sum::<Duration>()
    }

    fn sleep(&self, pause: Duration) {
        self.pauses.borrow_mut().push(pause);
    }
}

impl Progress for Still {
    fn stage(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn note(&self, line: &str) {
        self.notes.borrow_mut().push(line.to_owned());
    }
    fn done(&self) {}
}

/// Answers each connection with the next of `answers`, closes it, and gives the requests' heads.
pub(crate) fn serve(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let thread =
        std::thread::spawn(move || answers.iter().map(|answer| answer_one(&listener, answer)).collect());
    (base, thread)
}

fn answer_one(listener: &TcpListener, answer: &[u8]) -> String {
    let (mut stream, head) = accept(listener);
    // Who has what it wanted need not wait for the rest.
    let _ = stream.write_all(answer);
    head
}

/// The next connection, and the head of its request.
fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(&stream);
    let mut head = String::new();
    while lines.read_line(&mut head).unwrap() > 2 {}
    (stream, head.to_lowercase())
}

/// Sends this much of an answer, and then nothing; the next connection gets `next`. Gives the head of its request.
pub(crate) fn serve_silence(answer: Vec<u8>, next: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut silent, _) = listener.accept().unwrap();
        silent.write_all(&answer).unwrap();
        answer_one(&listener, &next)
    });
    (base, thread)
}

/// A clock that runs a thousand times as fast and waits for nobody.
pub(crate) struct Hurried(pub(crate) Instant);

impl Clock for Hurried {
    fn now(&self) -> Instant {
        self.0 + self.0.elapsed() * 1000
    }

    fn sleep(&self, _: Duration) {}
}

/// Promises `length` bytes to each connection, and sends one of them each millisecond. Gives the heads of the requests
/// as they come.
pub(crate) fn serve_drops(length: usize) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let (heads, asked) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let (mut stream, head) = accept(&listener);
            if heads.send(head).is_err() {
                return;
            }
            std::thread::spawn(move || {
                let mut piece = answer(&format!("200 OK\r\nContent-Length: {length}"), "");
                while stream.write_all(&piece).is_ok() {
                    piece = vec![b'a'];
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
    });
    (base, asked)
}

/// A whole answer, or the beginning of one.
pub(crate) fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

/// 200 with all of `body`.
pub(crate) fn whole(body: &str) -> Vec<u8> {
    answer(&format!("200 OK\r\nContent-Length: {}", body.len()), body)
}

/// 206 with the bytes of `body` from `start`.
pub(crate) fn rest(body: &str, start: usize) -> Vec<u8> {
    let (all, rest) = (body.len(), &body[start..]);
    let place = format!("Content-Range: bytes {start}-{}/{all}", all - 1);
    answer(&format!("206 Partial Content\r\n{place}\r\nContent-Length: {}", rest.len()), rest)
}

pub(crate) fn not_there() -> Vec<u8> {
    answer("404 Not Found\r\nContent-Length: 0", "")
}

pub(crate) fn busy(more: &str) -> Vec<u8> {
    answer(&format!("503 Service Unavailable{more}\r\nContent-Length: 0"), "")
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{closed}/")
}

pub(crate) fn read(mut stream: Box<dyn Read + '_>) -> std::io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
