//! Running a program with its costs: wall time, processor time and peak memory, those of its children included.
//!
//! GNU time starts the program: what a process has at most, the kernel also counts for what it starts, so a large
//! parent would be counted too. Of several processes at once the largest counts, not their sum. `foreign` is what the
//! rest of the machine did meanwhile: a run beside other work says so itself.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, file, unexpected};

/// How many of a failed program's last lines are shown.
const TAIL: usize = 20;
/// The kernel's unit of processor time in /proc/stat, in seconds.
pub const TICK: f64 = 0.01;

/// What one run cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of processor time, of the program and its children, user and system.
    pub cpu: f64,
    /// The most memory that one of its processes had resident, in bytes.
    pub peak: u64,
    /// Processors that were busy with something else, on average.
    pub foreign: f64,
}

/// A measured run that succeeded.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its costs.
    pub sample: Sample,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A command line in the making.
#[derive(Clone, Debug)]
pub struct Call {
    program: OsString,
    args: Vec<OsString>,
    folder: Option<PathBuf>,
    /// Exit codes that mean success.
    good: Vec<i32>,
}

impl Call {
    /// A call of a program without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), args: Vec::new(), folder: None, good: vec![0] }
    }

    /// A call of the shell; the script has its arguments as `$1`, `$2`, …
    pub fn shell(script: &str) -> Self {
        Self::new("sh").arg("-euc").arg(script).arg("bench")
    }

    /// Appends an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    pub fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Appends the words of a text.
    pub fn words(self, text: &str) -> Self {
        self.args(text.split_whitespace())
    }

    /// Appends an option and its value as one argument, `--name=value`.
    pub fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut arg = OsString::from(name);
        arg.push("=");
        arg.push(value);
        self.arg(arg)
    }

    /// Runs it in a folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Takes an exit code for success, too.
    pub fn or_code(mut self, code: i32) -> Self {
        self.good.push(code);
        self
    }

    /// Runs it; what it wrote to standard output.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Start`] or [`Error::Failed`].
    pub fn run(&self) -> Result<String> {
        Ok(self.finish(Command::new(&self.program).args(&self.args))?.0)
    }

    /// Runs it and measures.
    ///
    /// # Errors
    /// As [`Call::run`].
    pub fn measure(&self) -> Result<Ended> {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let told = std::env::temp_dir().join(format!("bench-time-{}-{run}", std::process::id()));
        self.measure_by(&told)
    }

    /// Measures by a file that GNU time writes, and that is gone in the end.
    fn measure_by(&self, told: &Path) -> Result<Ended> {
        let mut command = Command::new("time");
        command.args(["-q", "-f", "%U %S %M", "-o"]).arg(told).arg(&self.program).args(&self.args);
        let (before, begun) = (busy()?, Instant::now());
        let ended = self.finish(&mut command);
        let wall = begun.elapsed().as_secs_f64();
        let text = fs::read_to_string(told).map_err(file("reading", told));
        // A call that failed leaves it too; one that did not start has none.
        let _ = fs::remove_file(told);
        let ((stdout, stderr), text, after) = (ended?, text?, busy()?);
        let last = text.lines().last().unwrap_or_default();
        let numbers: Vec<f64> = last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [user, system, kib] = numbers[..] else { return Err(unexpected("time", text)) };
        let cpu = user + system;
        let foreign = ((after - before - cpu) / wall.max(0.05)).max(0.0);
        let sample = Sample { wall, cpu, peak: kib as u64 * 1024, foreign };
        Ok(Ended { sample, stdout, stderr })
    }

    /// What it wrote to standard output and to standard error.
    fn finish(&self, command: &mut Command) -> Result<(String, String)> {
        command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let Output { status, stdout, stderr } =
            command.output().map_err(|source| Error::Start { line: self.line(), source })?;
        if status.code().is_some_and(|code| self.good.contains(&code)) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return Ok((text(&stdout), text(&stderr)));
        }
        let said = [stdout, stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        Err(Error::Failed { line: self.line(), status, tail })
    }

    /// The command line, to be read by people.
    fn line(&self) -> String {
        let parts = [&self.program].into_iter().chain(&self.args);
        parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Runs all of them at once: wall time until the last has ended, processor time of all, memory of the largest.
///
/// # Errors
/// The first that [`Call::measure`] ended with, once all have ended.
pub fn at_once(calls: &[Call]) -> Result<Ended> {
    let (before, begun) = (busy()?, Instant::now());
    let ended: Result<Vec<Ended>> = thread::scope(|scope| {
        let running: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.measure())).collect();
        running.into_iter().map(|run| run.join().expect("measuring does not panic")).collect()
    });
    let (ended, wall) = (ended?, begun.elapsed().as_secs_f64());
    let cpu: f64 = ended.iter().map(|ended| ended.sample.cpu).sum();
    let peak = ended.iter().map(|ended| ended.sample.peak).max().unwrap_or_default();
    let foreign = ((busy()? - before - cpu) / wall.max(0.05)).max(0.0);
    let of_all = |of: fn(&Ended) -> &str| ended.iter().map(of).collect();
    let (stdout, stderr) = (of_all(|ended| &ended.stdout), of_all(|ended| &ended.stderr));
    Ok(Ended { sample: Sample { wall, cpu, peak, foreign }, stdout, stderr })
}

/// Seconds that all processors were busy since the machine started.
///
/// # Errors
/// When the kernel does not say.
pub fn busy() -> Result<f64> {
    let path = Path::new("/proc/stat");
    let text = fs::read_to_string(path).map_err(file("reading", path))?;
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user, nice, system, idle, waiting for disks, interrupts, soft interrupts
    let [user, nice, system, _, _, irq, soft, ..] = ticks[..] else {
        return Err(unexpected("/proc/stat", first));
    };
    Ok((user + nice + system + irq + soft) * TICK)
}

/// Writes out and forgets all that the kernel keeps of files.
///
/// # Errors
/// When the kernel does not let us: only root may.
pub fn drop_caches() -> Result<()> {
    Call::new("sync").run()?;
    let path = Path::new("/proc/sys/vm/drop_caches");
    fs::write(path, "3").map_err(file("writing", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_of_grandchildren_count() {
        let script = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true";
        let ended = Call::shell(script).measure().unwrap();
        assert!(ended.sample.cpu > 0.0, "{ended:?}");
        assert!(ended.sample.peak > 500_000, "{ended:?}");
    }

    #[test]
    fn what_runs_at_once_costs_the_sum_of_processor_time_and_the_most_memory() {
        let call = Call::shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo \"$1\"");
        let both = at_once(&[call.clone().arg("one"), call.arg("two")]).unwrap();
        assert_eq!(both.stdout, "one\ntwo\n");
        assert!(both.sample.cpu > 0.0 && both.sample.peak > 500_000, "{both:?}");
        let failed = at_once(&[Call::new("true"), Call::shell("exit 3")]).unwrap_err().to_string();
        assert!(failed.contains("exit status: 3"), "{failed}");
    }

    #[test]
    fn a_failed_call_leaves_no_file_behind() {
        let told = std::env::temp_dir().join(format!("bench-test-{}", std::process::id()));
        Call::new("true").measure_by(&told).unwrap();
        assert!(!told.exists());
        Call::shell("exit 3").measure_by(&told).unwrap_err();
        assert!(!told.exists());
    }

    #[test]
    fn a_failure_has_the_command_line_and_the_last_words() {
        let error = Call::shell("echo why >&2; exit 3").run().unwrap_err().to_string();
        assert!(error.starts_with("`sh -euc echo why") && error.ends_with("exit status: 3:\nwhy"), "{error}");
        assert_eq!(Call::shell("echo fine; exit 100").or_code(100).run().unwrap(), "fine\n");
    }
}
