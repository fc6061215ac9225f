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
}

impl Shell {
    /// Connects to the port; the shell behind it may not run yet.
    ///
    /// # Errors
    /// If QEMU does not listen.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(Self { stream, unread: String::new(), number: 0 })
    }

    /// Whether it answers. Asks; call it until it does.
    pub fn is_ready(&mut self) -> bool {
        self.number += 1;
        let mark = format!("=== p{} 0", self.number);
        if writeln!(self.stream, "p{} true", self.number).is_err() {
            return false;
        }
        let begun = Instant::now();
        while begun.elapsed() < READY {
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
        self.number += 1;
        let mark = format!("=== c{} ", self.number);
        writeln!(self.stream, "c{} {command}", self.number).expect("the shell's port");
        let begun = Instant::now();
        let mut output = String::new();
        loop {
            if let Some(text) = self.take_until(&mark) {
                output.push_str(&text);
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "`{command}` does not end; so far it said\n{}", self.unread);
        }
        let code = loop {
            if let Some(code) = self.take_until("\n") {
                break code;
            }
        };
        (code.trim().parse().expect("an exit code"), output.trim_start_matches('\n').to_owned())
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
            Ok(n) => self.unread.push_str(&String::from_utf8_lossy(&buffer[..n]).replace('\r', "")),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) => panic!("the shell's port: {e}"),
        }
        None
    }
}
