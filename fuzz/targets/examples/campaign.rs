//! `just fuzz`: every target for so many seconds, two at a time, and a table of what came of it. Ends with 1 when one
//! failed. With `--keep` no target is run longer than it takes: what was found since is merged into the kept corpora.
//!
//!     campaign [--keep] [SECONDS] [TARGET]…
//!
//! Inputs that are found lie in `fuzz/target/found/<target>`, what makes a target fail in `fuzz/artifacts/<target>`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::{env, fs, io, thread};

use fuzz_targets::TARGETS;

/// How many run at a time.
const WORKERS: usize = 2;
/// Seconds for each without another number.
const SECONDS: u32 = 600;
/// No input takes longer, in seconds, nor more memory, in MiB; one that does is a failure.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];
/// SQLite, which the fleet brings, has two functions each with a table of one name: no two definitions of one thing.
const SANITIZER: (&str, &str) = ("ASAN_OPTIONS", "detect_odr_violation=0");
/// Longer inputs are not kept.
const KEPT: &str = "-max_len=4096";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What is to be done.
struct Plan {
    seconds: u32,
    keep: bool,
    names: Vec<&'static str>,
}

/// What came of a target.
struct Outcome {
    name: &'static str,
    executions: String,
    inputs: usize,
    crashes: usize,
    sound: bool,
}

fn main() -> io::Result<ExitCode> {
    let plan = plan();
    let built = Command::new("cargo").args(["fuzz", "build"]).env("RUSTC_BOOTSTRAP", "1").status()?;
    if !built.success() {
        return Ok(ExitCode::FAILURE);
    }
    let left = Mutex::new(plan.names.iter());
    let next = || left.lock().expect("nothing panics while it is held").next().copied();
    let worker =
        || std::iter::from_fn(next).map(|name| run(name, &plan)).collect::<io::Result<Vec<Outcome>>>();
    let all: io::Result<Vec<Vec<Outcome>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker returns its errors")).collect()
    });
    let mut outcomes: Vec<Outcome> = all?.into_iter().flatten().collect();
    outcomes.sort_by_key(|outcome| outcome.name);
    println!("| target | executions | corpus | crashes |\n|---|---|---|---|");
    for Outcome { name, executions, inputs, crashes, .. } in &outcomes {
        println!("| {name} | {executions} | {inputs} | {crashes} |");
    }
    let sound = outcomes.iter().all(|outcome| outcome.sound && outcome.crashes == 0);
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan() -> Plan {
    let mut plan = Plan { seconds: SECONDS, keep: false, names: Vec::new() };
    for word in env::args().skip(1) {
        let known = TARGETS.iter().find(|(name, _)| *name == word);
        match (known, word.parse()) {
            (Some((name, _)), _) => plan.names.push(*name),
            (None, Ok(seconds)) => plan.seconds = seconds,
            (None, Err(_)) if word == "--keep" => plan.keep = true,
            (None, Err(_)) => panic!("{word} is no target and no number of seconds"),
        }
    }
    if plan.names.is_empty() {
        plan.names = TARGETS.iter().map(|(name, _)| *name).collect();
    }
    plan
}

fn run(name: &'static str, plan: &Plan) -> io::Result<Outcome> {
    let folder = |of: &str| -> io::Result<PathBuf> {
        let path = Path::new("fuzz").join(of).join(name);
        fs::create_dir_all(&path).map(|()| path)
    };
    let (kept, found, artifacts) = (folder("corpus")?, folder("target/found")?, folder("artifacts")?);
    let mut command = Command::new(Path::new("fuzz/target").join(TRIPLE).join("release").join(name));
    command
        .args(LIMITS)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .env(SANITIZER.0, SANITIZER.1);
    if plan.keep {
        command.args(["-set_cover_merge=1", KEPT]).args([&kept, &found]);
    } else {
        command.args(["-print_final_stats=1", "-reload=0"]).arg(format!("-max_total_time={}", plan.seconds));
        command.args([&found, &kept]);
    }
    let count = |path: &Path| fs::read_dir(path).map(Iterator::count);
    let before = count(&artifacts)?;
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    fs::write(Path::new("fuzz/target").join(format!("{name}.log")), said.as_bytes())?;
    let executions = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(Outcome {
        name,
        executions: executions.unwrap_or("-").trim().to_owned(),
        inputs: if plan.keep { count(&kept)? } else { count(&kept)? + count(&found)? },
        // Those of earlier runs lie there too.
        crashes: count(&artifacts)?.saturating_sub(before),
        sound: output.status.success(),
    })
}
