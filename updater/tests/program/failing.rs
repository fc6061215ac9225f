//! One call of the program to the kernel fails: whichever it is, the machine boots what it did or what was armed, the
//! exit code says which, and the next run gets to the end.

use std::fs;
use std::process::Command;

use crate::lab::{Lab, Ran, rule, tree};
use serde_json::json;

/// Runs a command under strace, which has its calls of a kind fail or only notes them.
fn traced(lab: &Lab, command: &Command, options: &[&str]) -> Ran {
    let mut traced = Command::new("strace");
    traced.args(options).arg("-o").arg(lab.path("trace"));
    let output = traced.arg(command.get_program()).args(command.get_args()).output();
    Ran::of(output.expect("strace: apt-get install strace"))
}

/// The machine, and version 2 on its site.
fn with_two(machine: &Lab) -> Lab {
    let mut lab = machine.copy();
    lab.site.version = 2;
    lab.publish("2", 2, &tree("2"), &rule("2", &json!({})), |_| ());
    lab
}

/// In upgrade after upgrade one call of a kind fails: the first of each thread, then the `every`th after it, and so on.
fn each_fails(calls: &str, error: &str, every: usize) {
    let machine = Lab::first(&tree("1"));
    for nth in (1..).step_by(every) {
        let lab = with_two(&machine);
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error={error}:when={nth}"));
        let upgrade = lab.command(&["upgrade", "2"]);
        let ran = traced(&lab, &upgrade, &["-f", "-y", "-e", &trace, "-e", &inject]);
        let trace = fs::read_to_string(lab.path("trace")).unwrap();
        let failed = trace.lines().filter(|line| line.contains("(INJECTED)")).collect::<Vec<_>>();
        if failed.is_empty() {
            assert!(nth > 1, "an upgrade makes no {calls}");
            return;
        }
        // The loader reads libraries, the standard library pipes of its children, which do not fail like that.
        if failed.iter().any(|line| line.contains("/lib") || line.contains("<pipe:")) && ran.code > 100 {
            continue;
        }
        check(&lab, &ran, &format!("{calls} {nth}, {failed:?}"));
    }
}

/// The machine and what was said of it agree, and the upgrade can be had.
fn check(lab: &Lab, ran: &Ran, failed: &str) {
    let next = lab.run(&["status", "--json"]).done().json()["next"].clone();
    let is_armed = next == "edeploy-b-g2+3.conf";
    assert!(is_armed || next == "edeploy-a-g1.conf", "{failed}: {next}, {ran:?}");
    assert_eq!(ran.code == 0, is_armed, "{failed}: {ran:?}");
    let (_, said) = ran.failed();
    assert!(is_armed || said.contains(": "), "{failed}: what failed on what is not said: {ran:?}");
    lab.run(&["verify"]).done();
    lab.run(&["upgrade", "2"]).done();
    lab.run_as("b", &["verify"]).done();
}

/// Each kind is a test: they run side by side.
macro_rules! each_fails {
    ($($name:ident: $calls:literal, $error:literal, $every:literal;)*) => {$(
        #[test]
        fn $name() {
            each_fails($calls, $error, $every);
        }
    )*};
}

each_fails! {
    wherever_a_write_fails_what_is_said_is_so_and_the_next_run_gets_to_the_end: "write", "ENOSPC", 1;
    wherever_a_write_to_a_place_fails: "pwrite64", "EIO", 1;
    wherever_a_sync_fails: "fsync,fdatasync,syncfs", "EIO", 1;
    wherever_a_rename_fails: "/^rename", "ENOSPC", 1;
    wherever_a_folder_cannot_be_made: "/^mkdir", "ENOSPC", 1;
    wherever_a_file_cannot_be_sized: "ftruncate,fallocate", "ENOSPC", 1;
    wherever_an_attribute_cannot_be_set: "/chmod,/chown,utimensat", "EIO", 3;
    wherever_a_device_cannot_be_used: "ioctl", "EIO", 5;
    wherever_a_mount_fails: "mount,umount2", "EBUSY", 1;
    wherever_a_file_cannot_be_opened: "openat,openat2", "EMFILE", 29;
    wherever_a_read_fails: "read", "EIO", 29;
    wherever_a_read_from_a_place_fails: "pread64", "EIO", 29;
}
