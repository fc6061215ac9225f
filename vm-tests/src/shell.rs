//! A root shell inside a machine, on its second serial port.
//!
//! The role under test runs a service that reads `<id> <command>` lines and answers with the output
//! and a line `=== <id> <exit code>`; when it starts it says `=== ready <boot id>`.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// No command takes longer.
const PATIENCE: Duration = Duration::from_secs(900);
/// A shell that does not answer for so long is not there yet.
const READY: Duration = Duration::from_secs(5);

/// An open shell.
pub struct Shell {
    stream: UnixStream,
    unread: String,
    number: u32,
    /// The machine was reset or switched off.
    closed: bool,
}

/// A command that was typed and has not answered yet.
pub struct Typed {
    mark: String,
    begun: Instant,
}

impl Shell {
    /// Connects to the port; the shell behind it may not run yet.
    ///
    /// # Errors
    /// If QEMU does not listen.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(Self { stream, unread: String::new(), number: 0, closed: false })
    }

    /// Whether it answers. Asks; call it until it does.
    pub fn is_ready(&mut self) -> bool {
        self.number += 1;
        let mark = format!("=== p{} 0", self.number);
        if writeln!(self.stream, "p{} true", self.number).is_err() {
            return false;
        }
        let begun = Instant::now();
        while begun.elapsed() < READY && !self.closed {
            if self.take_until(&mark).is_some() {
                return true;
            }
        }
        false
    }

    /// Which boot of the machine this is.
    pub fn boot(&mut self) -> String {
        self.run("cat /proc/sys/kernel/random/boot_id").1
    }

    /// Runs a command; its exit code and output.
    ///
    /// # Panics
    /// If it does not end.
    pub fn run(&mut self, command: &str) -> (i32, String) {
        let typed = self.type_in(command);
        loop {
            if let Some(answer) = self.answer(&typed) {
                return answer;
            }
            let over = self.closed || typed.begun.elapsed() > PATIENCE;
            assert!(!over, "`{command}` does not end; so far it said\n{}", self.unread);
        }
    }

    /// Begins a command whose [`answer`](Self::answer) is asked for later, or never comes.
    ///
    /// # Panics
    /// If the port is closed.
    pub fn type_in(&mut self, command: &str) -> Typed {
        self.number += 1;
        writeln!(self.stream, "c{} {command}", self.number).expect("the shell's port");
        Typed { mark: format!("=== c{} ", self.number), begun: Instant::now() }
    }

    /// The exit code and output of a command, if it has ended.
    ///
    /// # Panics
    /// If the port fails, or the exit code is none.
    pub fn answer(&mut self, typed: &Typed) -> Option<(i32, String)> {
        let output = self.take_until(&typed.mark)?;
        let code = loop {
            if let Some(code) = self.take_until("\n") {
                break code;
            }
            if self.closed {
                return None;
            }
        };
        Some((code.trim().parse().expect("an exit code"), output.trim_start_matches('\n').to_owned()))
    }

    /// Runs a command that must succeed.
    ///
    /// # Panics
    /// If it fails.
    pub fn must(&mut self, command: &str) -> String {
        let (code, output) = self.run(command);
        assert!(code == 0, "`{command}` ended with {code}:\n{output}");
        output
    }

    /// What came before `mark`, once it is there; takes the mark as well.
    fn take_until(&mut self, mark: &str) -> Option<String> {
        if let Some(at) = self.unread.find(mark) {
            let rest = self.unread.split_off(at + mark.len());
            let taken = std::mem::replace(&mut self.unread, rest);
            return Some(taken[..at].to_owned());
        }
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => self.closed = true,
            Ok(n) => self.unread.push_str(&String::from_utf8_lossy(&buffer[..n]).replace('\r', "")),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) => panic!("the shell's port: {e}"),
        }
        None
    }
}
