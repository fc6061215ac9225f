//! Where answers go.

use std::fs::File;
use std::process::Stdio;

use crate::lab::{Lab, Ran, program};

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_no_panic() {
    let lab = Lab::installed();
    let said = "writing the answer to standard output: No space left on device (os error 28)";
    for words in [&["--help"][..], &["--version"]] {
        let ran = Ran::of(program().args(words).stdout(full()).stderr(Stdio::piped()).output().unwrap());
        assert_eq!(ran.failed(), (1, said), "{words:?}");
    }
    for words in
        [&["status"][..], &["status", "--json"], &["list"], &["verify"], &["test-upgrade", "2"], &["version"]]
    {
        let ran = Ran::of(lab.command(words).stdout(full()).stderr(Stdio::piped()).output().unwrap());
        assert_eq!(ran.failed(), (1, said), "{words:?}");
    }
}

#[test]
fn a_change_that_was_made_is_no_failure_when_it_cannot_be_told() {
    let lab = Lab::installed();
    for (slot, words) in
        [("a", &["upgrade", "2"][..]), ("b", &["bless"]), ("b", &["remember", "--profile", "x"])]
    {
        let mut command = lab.command_as(slot, words);
        let ran = Ran::of(command.stdout(full()).stderr(Stdio::piped()).output().unwrap());
        let (code, last) = ran.failed();
        assert_eq!(code, 0, "{words:?}: {last}");
        assert!(last.starts_with("what was asked for is done, but: writing the answer"), "{words:?}: {last}");
    }
    assert_eq!(lab.run_as("b", &["status", "--json"]).done().json()["next"], "edeploy-b-g2.conf");
}

#[test]
fn a_failure_that_nobody_hears_keeps_its_exit_code() {
    let output = program().arg("frobnicate").stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
