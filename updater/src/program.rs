//! Runs one program with a time limit: hooks, health checks, tools.
//!
//! It gets a process group of its own and no standard input. What it prints is shown line by line as
//! it comes, and the end of it is kept. When the time is over the group gets TERM and, [`GRACE`] later,
//! KILL; when the program ends by itself, what it left behind in its group is killed as well. One that survives that,
//! as what waits for a dead disk does, is waited for no longer than [`GRACE`] again: it stays, and that is an error.
//! What left the group is killed too, in a process that called [`adopt`]. When we are killed, so is the program,
//! but not what it started.

mod strays;
pub(crate) mod tether;

pub use strays::adopt;

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How long a program has between TERM and KILL, and after that.
pub const GRACE: Duration = Duration::from_secs(5);
/// How much of the end of the output is kept.
pub const KEPT: usize = 8 << 10;
/// A line longer than this is shown and kept in parts.
const LINE: usize = 1 << 10;
/// Bytes that Linux keeps in a pipe.
const PIPE: usize = 64 << 10;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// Killed by this signal, not by us.
    Signal(i32),
    /// It was still there when its time was over.
    OutOfTime,
}

/// How it ended, and the last it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub end: End,
    /// The last lines of its output, at most [`KEPT`] bytes, control characters replaced.
    pub output: String,
}

impl Ending {
    /// The last line that is not empty.
    #[must_use]
    pub fn last_words(&self) -> Option<&str> {
        last_words(&self.output)
    }
}

/// The last line of an output that is not empty.
#[must_use]
pub fn last_words(output: &str) -> Option<&str> {
    output.lines().rev().find(|line| !line.trim().is_empty())
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::OutOfTime => f.write_str("no end within its time limit"),
        }
    }
}

/// Runs `command` for at most `limit`; each line of its output is handed to `show`.
///
/// # Errors
/// When it cannot be started or followed, or it or something that it left behind does not end when it is killed; how it
/// ended is no error here.
pub fn run(mut command: Command, limit: Duration, show: &mut dyn FnMut(&str)) -> io::Result<Ending> {
    let (output, input) = io::pipe()?;
    rustix::io::ioctl_fionbio(&output, true)?;
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input).process_group(0);
    tether::die_with_us(&mut command);
    let child = command.spawn()?;
    drop(command);
    let mut lines = Lines { show, partial: Vec::new(), kept: String::new() };
    let mut running = Running { child, output, deadline: Instant::now() + limit, sent: None };
    let ended = running.until_end(&mut lines);
    if ended.is_err() {
        running.give_up();
    }
    let alone = strays::end();
    lines.end();
    // Of two failures the first says what is wrong.
    let status = ended?;
    alone?;
    let end = match status.code() {
        _ if running.sent.is_some() => End::OutOfTime,
        Some(code) => End::Code(code),
        None => End::Signal(status.signal().unwrap_or(0)),
    };
    Ok(Ending { end, output: lines.kept })
}

struct Running {
    child: Child,
    output: PipeReader,
    /// When the next signal is due, or it is given up.
    deadline: Instant,
    /// The signal that it was sent last.
    sent: Option<Signal>,
}

impl Running {
    fn until_end(&mut self, lines: &mut Lines<'_>) -> io::Result<ExitStatus> {
        let process = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let mut open = true;
        loop {
            let mut fds = vec![PollFd::new(&process, PollFlags::IN)];
            if open {
                fds.push(PollFd::from_borrowed_fd(self.output.as_fd(), PollFlags::IN));
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("limits are far below 2^63 seconds");
            match poll(&mut fds, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            let ended = fds[0].revents().contains(PollFlags::IN);
            drop(fds);
            open = open && self.drain(lines)?;
            if ended {
                // The leader is a zombie until `wait`: its group cannot be anyone else's yet.
                self.signal(Signal::KILL);
                self.drain(lines)?;
                return self.child.wait();
            }
            self.look_at_the_clock()?;
        }
    }

    fn look_at_the_clock(&mut self) -> io::Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let next = match self.sent {
            None => Signal::TERM,
            Some(Signal::TERM) => Signal::KILL,
            Some(_) => return Err(self.stays()),
        };
        self.signal(next);
        self.sent = Some(next);
        self.deadline = Instant::now() + GRACE;
        Ok(())
    }

    fn stays(&self) -> io::Error {
        let text =
            format!("process {} was killed when its time was over, and could not be ended", self.child.id());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    /// Ends what cannot be followed, if it can be ended.
    fn give_up(&mut self) {
        let patience = Instant::now() + if self.sent == Some(Signal::KILL) { Duration::ZERO } else { GRACE };
        self.signal(Signal::KILL);
        // The error that led here is what the caller reports.
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone already, which is what was wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    /// Takes what is there, as much as a pipe holds: a program may write faster than its lines are shown, and its time
    /// ends all the same. False at the end of the stream.
    fn drain(&mut self, lines: &mut Lines<'_>) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let mut taken = 0;
        while taken < PIPE {
            match self.output.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    lines.take(&buffer[..n]);
                    taken += n;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

/// Cuts output into lines, shows them, keeps the last of them.
struct Lines<'a> {
    show: &'a mut dyn FnMut(&str),
    partial: Vec<u8>,
    kept: String,
}

impl Lines<'_> {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.line();
                continue;
            }
            self.partial.push(*byte);
            if self.partial.len() == LINE {
                self.line();
            }
        }
    }

    fn line(&mut self) {
        // Escape sequences of a program have no business on our terminal or in the journal.
        let text =
            String::from_utf8_lossy(&self.partial).replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
        self.partial.clear();
        (self.show)(&text);
        self.kept.push_str(&text);
        self.kept.push('\n');
        while self.kept.len() > KEPT {
            let first = self.kept.find('\n').map_or(self.kept.len(), |at| at + 1);
            self.kept.drain(..first);
        }
    }

    fn end(&mut self) {
        if !self.partial.is_empty() {
            self.line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn end_of(script: &str, limit: Duration) -> Ending {
        run(shell(script), limit, &mut |_| ()).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn output_comes_line_by_line_and_is_kept_with_the_exit_code() {
        let mut shown = Vec::new();
        let ending = run(shell("echo one; echo two >&2; printf three; exit 7"), LONG, &mut |l| {
            shown.push(l.to_owned());
        });
        let ending = ending.unwrap();
        assert_eq!(shown, ["one", "two", "three"]);
        assert_eq!(ending, Ending { end: End::Code(7), output: "one\ntwo\nthree\n".to_owned() });
        assert_eq!(ending.last_words(), Some("three"));
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let ending = end_of("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done", LONG);
        assert!(ending.output.len() <= KEPT);
        assert!(ending.output.starts_with("line 2"), "{}", &ending.output[..20]);
        assert!(ending.output.ends_with("line 2999\n"));
    }

    #[test]
    fn a_line_without_end_is_cut_and_control_characters_do_not_pass() {
        let ending = end_of("head -c 3000 /dev/zero | tr '\\0' x; printf '\\n\\033[31mred\\377'", LONG);
        let lengths: Vec<_> = ending.output.lines().map(str::len).collect();
        assert_eq!(lengths[..3], [1024, 1024, 952]);
        assert_eq!(ending.last_words(), Some("\u{fffd}[31mred\u{fffd}"));
    }

    #[test]
    fn the_time_limit_ends_the_whole_group() {
        let began = Instant::now();
        let ending = end_of("sleep 600 & echo started; sleep 600", Duration::from_millis(200));
        assert_eq!(ending, Ending { end: End::OutOfTime, output: "started\n".to_owned() });
        assert!(began.elapsed() < GRACE);
    }

    #[test]
    fn a_program_that_writes_faster_than_it_is_shown_ends_at_its_limit() {
        // To show a line takes longer than to write it.
        let mut slowly = |_: &str| std::thread::sleep(Duration::from_micros(1));
        let ending = run(shell("exec yes"), Duration::from_millis(200), &mut slowly).unwrap();
        assert_eq!(ending.end, End::OutOfTime);
        assert!(ending.output.ends_with("y\ny\n"), "what it said last is kept");
    }

    #[test]
    fn a_program_that_ignores_term_is_killed() {
        let ending = end_of("trap '' TERM; while :; do sleep 600; done", Duration::from_millis(200));
        assert_eq!(ending.end, End::OutOfTime);
    }

    #[test]
    fn a_program_that_survives_kill_is_given_up_and_named() {
        let (output, _input) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&output, true).unwrap();
        // It has no group of its own, so that no signal finds it: as if it waited for a disk that is gone.
        let child = shell("exec sleep 600").stdin(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let mut running = Running { child, output, deadline: began, sent: Some(Signal::TERM) };
        let mut lines = Lines { show: &mut |_| (), partial: Vec::new(), kept: String::new() };
        let error = running.until_end(&mut lines).unwrap_err();
        running.give_up();
        assert!((GRACE..2 * GRACE).contains(&began.elapsed()), "{:?}", began.elapsed());
        let id = running.child.id();
        assert_eq!(
            error.to_string(),
            format!("process {id} was killed when its time was over, and could not be ended")
        );
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    #[test]
    fn a_child_left_behind_does_not_hold_us_and_is_killed() {
        let began = Instant::now();
        let ending = end_of("sleep 600 & echo $!", LONG);
        assert_eq!(ending.end, End::Code(0));
        assert!(began.elapsed() < GRACE);
        let left = Pid::from_raw(ending.output.trim().parse().unwrap()).unwrap();
        if let Ok(process) = pidfd_open(left, PidfdFlags::empty()) {
            let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
            let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&minute));
            assert_eq!(ended, Ok(1), "it is still there");
        }
    }

    #[test]
    fn a_program_dies_with_the_thread_that_waits_for_it() {
        let starter = std::thread::spawn(|| {
            let mut command = shell("exec sleep 600");
            tether::die_with_us(&mut command);
            let child = command.spawn().unwrap();
            let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
            assert_eq!(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&Timespec::default())), Ok(0));
            (child, process)
        });
        let (mut child, process) = starter.join().unwrap();
        let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&minute));
        assert_eq!(ended, Ok(1), "it is still there");
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn a_signal_is_told_from_an_exit_code() {
        assert_eq!(end_of("kill -SEGV $$", LONG).end, End::Signal(11));
        assert!(run(Command::new("/nonexistent"), LONG, &mut |_| ()).is_err());
    }
}
