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
fn a_failure_that_nobody_hears_keeps_its_exit_code() {
    let output = program().arg("frobnicate").stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
