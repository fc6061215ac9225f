//! Every crate on the host is a reviewed line of `deps.txt`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::process::Command;

#[test]
fn the_crates_of_the_host_are_those_that_were_reviewed() {
    let args = [
        "tree",
        "-p",
        "edeploy-ab",
        "-e",
        "normal",
        "--prefix",
        "none",
        "--no-dedupe",
        "--locked",
        "--offline",
    ];
    let target = ["--target", "x86_64-unknown-linux-musl", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(args).args(target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    found.sort_unstable();
    found.dedup();
    let reviewed: Vec<&str> = include_str!("deps.txt").lines().collect();
    assert_eq!(found, reviewed, "review the difference, then write it into updater/tests/deps.txt");
}
