//! What is told while a machine is installed: to its console at once, to the service as it can be reached.
//!
//! The service is told by a thread of its own, and of each stage only the newest: an install never waits for it and
//! never fails because of it. While nothing new happens, as in a script, it hears the same again: that the machine is
//! at work still. All that stood on the console is kept, to be handed in at the end.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use edeploy_format::address::masked;
use edeploy_format::fleet::{LOG_LIMIT, Progress as Told, Stage};

use super::service::Service;
use crate::host::linux::PARTITIONING;
use crate::progress::{Progress, Terminal};
use crate::slot::READING_BACK;

/// The service hears of bytes no more often than this.
const THROTTLE: Duration = Duration::from_secs(1);
/// It hears something at least so often: a service gives up a machine that is silent.
const ALIVE: Duration = Duration::from_secs(20);

/// The console of the machine.
pub struct Console {
    terminal: Terminal,
    verbose: bool,
    log: RefCell<String>,
    teller: RefCell<Option<Teller>>,
    told: RefCell<Told>,
    last: Cell<Option<Instant>>,
}

/// The thread that tells the service.
struct Teller {
    send: mpsc::Sender<Told>,
    thread: JoinHandle<()>,
}

impl Teller {
    /// Hands what is told to `tell`, and the last of it again whenever it was still for as long as `alive`.
    fn of(tell: impl Fn(&Told) + Send + 'static, alive: Duration) -> Self {
        let (send, receive) = mpsc::channel::<Told>();
        let thread = std::thread::spawn(move || {
            let mut last = None;
            loop {
                let mut told = match receive.recv_timeout(alive) {
                    Ok(told) => told,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        last.iter().for_each(&tell);
                        continue;
                    }
                };
                // Of what piled up meanwhile only the newest counts.
                while let Ok(newer) = receive.try_recv() {
                    told = newer;
                }
                tell(&told);
                last = Some(told);
            }
        });
        Self { send, thread }
    }
}

impl Console {
    /// A console that no service hears of yet.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        Self {
            terminal: Terminal::default(),
            verbose,
            log: RefCell::default(),
            teller: RefCell::default(),
            told: RefCell::new(Told { stage: Stage::Booted, done: 0, total: 0, failure: None }),
            last: Cell::new(None),
        }
    }

    /// Tells `service` too, from now on.
    pub fn tell(&self, service: &Arc<Service>) {
        let service = Arc::clone(service);
        let tell = move |told: &Told| {
            // The next one comes soon; how it ended is told by someone who insists.
            let _: Result<(), _> = service.progress(told);
        };
        *self.teller.borrow_mut() = Some(Teller::of(tell, ALIVE));
        self.send();
    }

    /// No more is told to the service, once it has heard of what it was told last.
    pub fn tell_no_more(&self) {
        if let Some(Teller { send, thread }) = self.teller.borrow_mut().take() {
            drop(send);
            // A teller that panicked has nothing more to say.
            let _ = thread.join();
        }
    }

    /// The install has come to `stage`.
    pub fn reach(&self, stage: Stage) {
        self.count(stage, 0);
    }

    /// Where the install is.
    pub fn reached(&self) -> Stage {
        self.told.borrow().stage
    }

    /// The end of all that stood on the console.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// A note that only helps to find out why something fails.
    pub fn detail(&self, line: &str) {
        if self.verbose {
            self.note(line);
        }
    }

    fn count(&self, stage: Stage, total: u64) {
        *self.told.borrow_mut() = Told { stage, done: 0, total, failure: None };
        self.send();
    }

    fn send(&self) {
        self.last.set(Some(Instant::now()));
        if let Some(teller) = &*self.teller.borrow() {
            // A thread that is gone hears nothing.
            let _: Result<(), _> = teller.send.send(self.told.borrow().clone());
        }
    }

    fn keep(&self, line: &str) {
        let mut log = self.log.borrow_mut();
        log.push_str(&masked(line));
        log.push('\n');
        let limit = usize::try_from(LOG_LIMIT).unwrap_or(usize::MAX);
        if log.len() > limit {
            let from = log.len() - limit / 2;
            // Behind the end of a line there is always the beginning of a character.
            let end = log.as_bytes()[from..].iter().position(|byte| *byte == b'\n');
            let from = end.map_or(log.len(), |at| from + at + 1);
            log.drain(..from);
        }
    }
}

impl Progress for Console {
    fn stage(&self, name: &str, total: u64) {
        self.terminal.stage(name, total);
        self.keep(name);
        if total > 0 || name == PARTITIONING {
            self.count(if name == READING_BACK { Stage::Verifying } else { Stage::Writing }, total);
        }
    }

    fn advance(&self, bytes: u64) {
        self.terminal.advance(bytes);
        self.told.borrow_mut().done += bytes;
        if self.last.get().is_none_or(|last| last.elapsed() >= THROTTLE) {
            self.send();
        }
    }

    fn note(&self, line: &str) {
        self.terminal.note(line);
        self.keep(line);
    }

    fn done(&self) {
        self.terminal.done();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_end_is_kept_from_a_line_on() {
        let console = Console::new(false);
        // Characters of three bytes, so that the half lies within one for some of the lengths.
        for length in 330..333 {
            let line = "█".repeat(length);
            for _ in 0..5000 {
                console.keep(&line);
            }
            console.keep("the last line");
            let log = console.log();
            assert!(log.len() as u64 <= LOG_LIMIT, "{}", log.len());
            assert!(log.ends_with("█\nthe last line\n"));
            assert!(log.lines().all(|line| line == "the last line" || line.chars().count() >= 330));
        }
    }

    #[test]
    fn while_nothing_new_is_told_the_same_is_told_again() {
        let (heard, hears) = mpsc::channel();
        let tell = move |told: &Told| heard.send(told.clone()).unwrap();
        let teller = Teller::of(tell, Duration::from_millis(5));
        let at = |stage| Told { stage, done: 0, total: 0, failure: None };
        for stage in [Stage::Planned, Stage::Prepared] {
            teller.send.send(at(stage)).unwrap();
            while hears.recv().unwrap() != at(stage) {}
            assert_eq!([hears.recv().unwrap(), hears.recv().unwrap()], [at(stage), at(stage)]);
        }
        drop(teller.send);
        teller.thread.join().unwrap();
    }

    #[test]
    fn stages_with_bytes_are_writing_until_the_slot_is_read_back() {
        let console = Console::new(false);
        console.reach(Stage::Prepared);
        console.stage("fetching the manifest", 0);
        assert_eq!(console.reached(), Stage::Prepared);
        console.stage("fetching", 100);
        console.advance(30);
        console.advance(20);
        assert_eq!(
            *console.told.borrow(),
            Told { stage: Stage::Writing, done: 50, total: 100, failure: None }
        );
        console.stage(READING_BACK, 100);
        assert_eq!(console.reached(), Stage::Verifying);
        // Nothing is counted yet, and what the disk held is about to go.
        console.stage(PARTITIONING, 0);
        assert_eq!(console.reached(), Stage::Writing);
    }
}
