//! What the installer really makes durable: its own test of a whole install, under strace.

use std::env;
use std::fs;
use std::process::Command;

#[test]
fn what_the_plan_lays_onto_the_machine_is_durable_before_there_is_a_boot_entry() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-y", "-e", "trace=openat,fsync,syncfs", "-o"]).arg(&trace);
    traced
        .arg(env::current_exe().unwrap())
        .args(["--exact", "flow::a_blank_disk_becomes_what_the_plan_says"]);
    let ran = traced.output().expect("strace: apt-get install strace");
    let out = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && out.contains("1 passed"), "{out}");
    let trace = fs::read_to_string(trace).unwrap();
    let calls: Vec<&str> = trace.lines().collect();
    let after = |from: usize, call: &str, of: &str| {
        let found = calls[from..].iter().position(|line| line.contains(call) && line.contains(of));
        from + found.unwrap_or_else(|| panic!("no {call} of {of} after line {from}"))
    };
    let last = calls
        .iter()
        .rposition(|line| line.contains("/machine/var/lib/secret\", ") && line.contains("O_CREAT"));
    let laid = last.expect("the last file of the plan is laid");
    let durable = after(laid, "syncfs(", "/machine/var>");
    let entry = after(laid, "fsync(", "/dev/loop");
    assert!(durable < entry, "the ESP is written in line {entry}, the files are durable in line {durable}");
}
