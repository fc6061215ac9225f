//! Telling a person how far long work has come.
//!
//! Library code reports to the trait and has no output of its own. On a terminal one line is redrawn
//! with rate and time left; elsewhere each stage is one plain line when it ends.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use edeploy_format::address::masked;

/// What long work reports to.
pub trait Progress {
    /// A stage begins; it will take `total` bytes, 0 where that is not known.
    fn stage(&self, name: &str, total: u64);
    /// So many more bytes of the stage are done.
    fn advance(&self, bytes: u64);
    /// Something a person should know, on a line of its own.
    fn note(&self, line: &str);
    /// The stage is done.
    fn done(&self);
}

/// No reports: for `--json` without a terminal, and for tests.
pub struct Quiet;

impl Progress for Quiet {
    fn stage(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn done(&self) {}
}

/// Reports on standard error.
pub struct Terminal {
    redraw: bool,
    stage: RefCell<Option<Stage>>,
}

struct Stage {
    name: String,
    total: u64,
    bytes: u64,
    begun: Instant,
    drawn: Instant,
}

/// A line is redrawn no more often than this.
const REDRAW: Duration = Duration::from_millis(200);

impl Default for Terminal {
    fn default() -> Self {
        // A serial line without a known terminal at its other end is one for plain lines.
        let knows = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self { redraw: knows && std::io::stderr().is_terminal(), stage: RefCell::new(None) }
    }
}

impl Terminal {
    fn put(&self, text: &str) {
        // A closed standard error must not fail an upgrade.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Progress for Terminal {
    fn stage(&self, name: &str, total: u64) {
        let now = Instant::now();
        let stage = Stage { name: name.to_owned(), total, bytes: 0, begun: now, drawn: now };
        if self.redraw {
            self.put(&format!("\r\x1b[K{name}"));
        }
        *self.stage.borrow_mut() = Some(stage);
    }

    fn advance(&self, bytes: u64) {
        let mut stage = self.stage.borrow_mut();
        let Some(stage) = stage.as_mut() else { return };
        stage.bytes += bytes;
        if self.redraw && stage.drawn.elapsed() >= REDRAW {
            stage.drawn = Instant::now();
            self.put(&format!("\r\x1b[K{}", stage.line(stage.begun.elapsed())));
        }
    }

    fn note(&self, line: &str) {
        let clear = if self.redraw { "\r\x1b[K" } else { "" };
        self.put(&format!("{clear}{}\n", masked(line)));
    }

    fn done(&self) {
        if let Some(stage) = self.stage.borrow_mut().take() {
            self.note(&stage.end(stage.begun.elapsed()));
        }
    }
}

impl Stage {
    fn line(&self, elapsed: Duration) -> String {
        let rate = rate(self.bytes, elapsed);
        let left = self.total.saturating_sub(self.bytes).checked_div(rate);
        match left {
            Some(left) if self.total > 0 => format!(
                "{}  {}%  {} of {}  {}/s  {left} s left",
                self.name,
                self.bytes * 100 / self.total,
                size(self.bytes),
                size(self.total),
                size(rate)
            ),
            _ => format!("{}  {}  {}/s", self.name, size(self.bytes), size(rate)),
        }
    }

    fn end(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        match self.bytes {
            0 => format!("{}: {seconds:.1} s", self.name),
            bytes => format!("{}: {} in {seconds:.1} s", self.name, size(bytes)),
        }
    }
}

fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / millis
}

/// A number of bytes for people: `17 bytes`, `1.5 MB`; decimal units with one digit after the point.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let sizes = [0, 999, 1000, 1_500_000, 999_999, 4_294_967_296, u64::MAX].map(size);
        assert_eq!(sizes, ["0 bytes", "999 bytes", "1.0 kB", "1.5 MB", "999.9 kB", "4.2 GB", "18446.7 PB"]);
    }

    #[test]
    fn a_line_has_rate_and_time_left_and_an_end_has_the_sum() {
        let now = Instant::now();
        let stage =
            Stage { name: "fill".to_owned(), total: 10_000_000, bytes: 2_500_000, begun: now, drawn: now };
        assert_eq!(stage.line(Duration::from_secs(5)), "fill  25%  2.5 MB of 10.0 MB  500.0 kB/s  15 s left");
        assert_eq!(stage.end(Duration::from_millis(5500)), "fill: 2.5 MB in 5.5 s");
    }

    #[test]
    fn an_unknown_total_promises_no_end() {
        let now = Instant::now();
        let stage = Stage { name: "read".to_owned(), total: 0, bytes: 0, begun: now, drawn: now };
        assert_eq!(stage.line(Duration::ZERO), "read  0 bytes  0 bytes/s");
        assert_eq!(stage.end(Duration::ZERO), "read: 0.0 s");
    }
}
