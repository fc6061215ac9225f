//! The client of hosts under the specification's rules, driven as suites for TUF clients drive theirs, by cases in
//! Python: keys, signatures and canonical JSON are securesystemslib's (`just python-tuf`), the clock is libfaketime's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The newest change of any file below `folder`.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let times = entries.map(|path| match path.is_dir() {
        true => newest(&path),
        false => path.metadata().unwrap().modified().unwrap(),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The example. It is there already unless this test was built alone.
fn client() -> &'static Path {
    static CLIENT: OnceLock<PathBuf> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let client = test.ancestors().nth(2).unwrap().join("examples/tuf_client");
        let sources = ["examples", "src", "../format/src"].map(|folder| newest(&source(folder)));
        let built = client.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if sources.iter().any(|changed| *changed > built) {
            let words =
                ["build", "--quiet", "-p", "edeploy-ab", "--example", "tuf_client", "--locked", "--offline"];
            let built = Command::new(env!("CARGO")).args(words).current_dir(source("..")).status().unwrap();
            assert!(built.success());
        }
        client
    })
}

/// Runs the cases of a script; there must be so many.
fn cases(script: &str, expected: usize) {
    let python = source("../target/python-tuf/bin/python");
    assert!(python.exists(), "python-tuf is missing; install it with: just python-tuf");
    let ran = Command::new(python)
        .args(["-B", "-W", "ignore", "-m", "unittest", script])
        .current_dir(source("tests/tuf_client"))
        .env("TUF_CLIENT", client())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains(&format!("Ran {expected} tests ")), "{said}");
}

#[test]
fn the_client_is_linked_dynamically_so_that_a_clock_can_be_put_before_it() {
    let program = fs::read(client()).unwrap();
    let interpreter = b"/ld-linux";
    assert!(program.windows(interpreter.len()).any(|bytes| bytes == interpreter));
}

#[test]
fn the_four_documents_are_had_in_order_checked_and_only_then_kept() {
    cases("workflow.py", 27);
}

#[test]
fn signatures_count_as_the_specification_says() {
    cases("keys.py", 12);
}

#[test]
fn delegations_are_searched_and_targets_downloaded_as_the_specification_says() {
    cases("delegations.py", 20);
}
