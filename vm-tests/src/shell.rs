//! A root shell inside a machine, on its second serial port.
//!
//! The role under test runs a service that says `=== ready <boot id>` until the first command comes. It
//! reads `<id> <command>` lines and answers with a line `=== <id> begins`, the output, and a line
//! `=== <id> <exit code>`. Nothing is typed before it is ready: the firmware and the loader read this port
//! as well, and take letters for keys of their menus.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No command takes longer.
const PATIENCE: Duration = Duration::from_secs(900);
/// Nothing came, or the whole machine was stopped for a while and goes on.
const PASSES: [io::ErrorKind; 3] =
    [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut, io::ErrorKind::Interrupted];

/// An open shell.
pub struct Shell {
    stream: UnixStream,
    unread: String,
    /// Which boot of the machine it belongs to, once it has said so.
    boot: Option<String>,
    /// The machine was reset or switched off.
    closed: bool,
}

/// A command that was typed and has not answered yet.
pub struct Typed {
    id: String,
    begun: Instant,
}

static COMMANDS: AtomicU32 = AtomicU32::new(0);

impl Shell {
    /// Connects to the port; the shell behind it may not run yet.
    ///
    /// # Errors
    /// If QEMU does not listen.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        Ok(Self { stream, unread: String::new(), boot: None, closed: false })
    }

    /// Which boot of the machine this is, if the shell has said so by now. Ask until it has.
    pub fn boot(&mut self) -> Option<String> {
        self.read();
        if self.boot.is_none() {
            let (_, said) = self.unread.split_once("=== ready ")?;
            self.boot = Some(said.split_once('\n')?.0.to_owned());
        }
        self.boot.clone()
    }

    /// Whether the machine was reset or switched off since.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Runs a command; its exit code and output.
    ///
    /// # Panics
    /// If it does not end.
    pub fn run(&mut self, command: &str) -> (i32, String) {
        self.run_and_show(command, |_| ())
    }

    /// Runs a command and shows each line of its output as it comes; its exit code and output.
    ///
    /// # Panics
    /// If it does not end.
    pub fn run_and_show(&mut self, command: &str, show: impl FnMut(&str)) -> (i32, String) {
        let answer = self.try_and_show(command, show);
        answer.unwrap_or_else(|| panic!("`{command}` does not end; so far it said\n{}", self.unread))
    }

    /// Runs a command that the end of the boot may cut off.
    pub fn try_run(&mut self, command: &str) -> Option<(i32, String)> {
        self.try_and_show(command, |_| ())
    }

    /// As [`try_run`](Self::try_run), and shows each line of its output as it comes.
    pub fn try_and_show(&mut self, command: &str, mut show: impl FnMut(&str)) -> Option<(i32, String)> {
        let typed = self.type_in(command)?;
        let mut shown = 0;
        while !self.closed && typed.begun.elapsed() < PATIENCE {
            if let Some(answer) = self.answer(&typed) {
                answer.1[shown..].lines().for_each(show);
                return Some(answer);
            }
            let said = self.output_of(&typed).unwrap_or_default();
            let whole = said.rfind('\n').map_or(0, |end| end + 1);
            said[shown..whole].lines().for_each(&mut show);
            shown = whole;
        }
        None
    }

    /// Begins a command whose [`answer`](Self::answer) is asked for later, or never comes.
    ///
    /// `None` if the machine is gone.
    pub fn type_in(&mut self, command: &str) -> Option<Typed> {
        let id = format!("c{}", COMMANDS.fetch_add(1, Ordering::Relaxed));
        writeln!(self.stream, "{id} {command}").ok()?;
        Some(Typed { id, begun: Instant::now() })
    }

    /// The exit code and output of a command, if it has ended.
    ///
    /// # Panics
    /// If the port fails, or the exit code is none.
    pub fn answer(&mut self, typed: &Typed) -> Option<(i32, String)> {
        self.read();
        let output = self.output_of(typed)?;
        let (output, rest) = output.split_once(&format!("=== {} ", typed.id))?;
        let (code, _) = rest.split_once('\n')?;
        let answer = (code.trim().parse().expect("an exit code"), output.to_owned());
        self.unread.clear();
        Some(answer)
    }

    /// What came since the command began.
    fn output_of(&self, typed: &Typed) -> Option<&str> {
        self.unread.split_once(&format!("=== {} begins\n", typed.id)).map(|(_, output)| output)
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

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => self.closed = true,
            Ok(n) => self.unread.push_str(&String::from_utf8_lossy(&buffer[..n]).replace('\r', "")),
            Err(e) if PASSES.contains(&e.kind()) => {}
            Err(e) => panic!("the shell's port: {e}"),
        }
    }
}
