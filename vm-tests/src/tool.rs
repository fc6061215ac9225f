//! Programs of the host that the tests call, with their whole output in every failure.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// The build side's program, as `just programs` makes it.
#[must_use]
pub fn rolebuild() -> PathBuf {
    built("debug/rolebuild", "just programs")
}

/// The host's program, as `just host` makes it.
#[must_use]
pub fn edeploy_ab() -> PathBuf {
    built("host/edeploy-ab", "just host")
}

/// The installer's program, as `just installer-program` makes it.
#[must_use]
pub fn installer_program() -> PathBuf {
    built("host/edeploy-installer", "just installer-program")
}

/// The fleet service's program, as `just programs` makes it.
#[must_use]
pub fn edeploy_fleet() -> PathBuf {
    built("debug/edeploy-fleet", "just programs")
}

fn built(path: &str, recipe: &str) -> PathBuf {
    let path = repository().join("target").join(path);
    assert!(path.exists(), "{} is missing; run `{recipe}`", path.display());
    path
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be started.
pub fn output(program: impl AsRef<Path>, args: &[&str]) -> Output {
    let program = program.as_ref();
    let output = Command::new(program).args(args).current_dir(repository()).output();
    output.unwrap_or_else(|e| panic!("{}: {e}; run `./setup.sh`", program.display()))
}

/// Runs a program that must succeed; its standard output. What it tells on the way is shown as it comes.
///
/// # Panics
/// If it fails.
pub fn run(program: impl AsRef<Path>, args: &[&str]) -> String {
    let program = program.as_ref();
    let mut command = Command::new(program);
    let output = command.args(args).current_dir(repository()).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}; run `./setup.sh`", program.display()));
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{} {args:?}: {}\n{out}", program.display(), output.status);
    out.into_owned()
}
