//! One call of the program to the kernel fails, or writes other bytes than it was given, or the program is killed at it:
//! whichever it is, the machine boots what it did or what was armed, the exit code says which, and the next run gets to
//! the end.

use std::process::Command;

use serde_json::{Value, json};

use crate::delta;
use crate::lab::{KILLED, Lab, Ran, rule, tree};

/// A command, the slot from which it is given, and what boots next before and after it.
#[derive(PartialEq)]
struct Under {
    words: &'static [&'static str],
    slot: &'static str,
    next: [&'static str; 2],
}

const UPGRADE: Under =
    Under { words: &["upgrade", "2"], slot: "a", next: ["edeploy-a-g1.conf", "edeploy-b-g2+3.conf"] };
/// By a delta of three frames, of which two make one file.
const BY_DELTA: Under =
    Under { words: &["upgrade", "3"], slot: "a", next: ["edeploy-a-g1.conf", "edeploy-b-g2+3.conf"] };
const BLESS: Under =
    Under { words: &["bless"], slot: "b", next: ["edeploy-b-g2+3.conf", "edeploy-b-g2.conf"] };
const ROLLBACK: Under =
    Under { words: &["rollback"], slot: "b", next: ["edeploy-b-g2.conf", "edeploy-a-g3.conf"] };

impl Under {
    /// A machine on which it can be given, once more.
    fn machine(&self, first: &Lab) -> Lab {
        if *self == BY_DELTA {
            return delta::lab(|index| index);
        }
        let mut lab = first.copy();
        lab.site.version = 2;
        lab.publish("2", 2, &tree("2"), &rule("2", &json!({})), |_| ());
        lab
    }

    /// Version 1, and whatever has to come before.
    fn first(&self) -> Lab {
        let lab = self.machine(&Lab::first(&tree("1")));
        for before in [&UPGRADE, &BLESS] {
            if *before == *self || *self == BY_DELTA {
                break;
            }
            lab.run_as(before.slot, before.words).done();
        }
        lab
    }

    fn each_fails(&self, calls: &str, how: &str, every: usize) {
        let first = self.first();
        let machine = || {
            let lab = self.machine(&first);
            let command = lab.command_as(self.slot, self.words);
            (lab, command)
        };
        each_fails(machine, |lab, ran, failed| self.check(lab, ran, failed), (calls, how, every));
    }

    fn next(&self, lab: &Lab) -> Value {
        lab.run_as(self.slot, &["status", "--json"]).done().json()["next"].clone()
    }

    /// The machine and what was said of it agree, and the next run gets to the end.
    fn check(&self, lab: &Lab, ran: &Ran, failed: &str) {
        let next = self.next(lab);
        let is_done = next == self.next[1];
        assert!(is_done || next == self.next[0], "{failed}: {next}, {ran:?}");
        // Whoever is killed says nothing.
        if ran.code != KILLED {
            self.check_said(ran, is_done, failed);
        }
        lab.run_as(self.slot, &["verify"]).done();
        if is_done {
            lab.run_as(&self.next[1]["edeploy-".len()..][..1], &["verify"]).done();
        }
        let again = lab.run_as(self.slot, self.words);
        assert!([0, 100].contains(&again.code) && self.next(lab) == self.next[1], "{failed}: {again:?}");
        lab.run_as(&self.next[1]["edeploy-".len()..][..1], &["verify"]).done();
    }

    fn check_said(&self, ran: &Ran, is_done: bool, failed: &str) {
        let (code, said) = ran.failed();
        let is_known = !said.contains(" boots next is not known; `edeploy-ab status` may tell: ");
        assert_eq!([0, 100].contains(&code), is_done && is_known, "{failed}: {ran:?}");
        let is_read_back = failed.contains("(INJECTED: args)") && said.contains(" read back");
        assert!(
            is_done || said.contains(": ") || is_read_back,
            "{failed}: what failed on what is not said: {ran:?}"
        );
    }
}

/// In run after run one call of a kind is injected something (`error=…`, `signal=…`, or other bytes than those that are to
/// be written): the first of each thread, then the `every`th after it, and so on.
fn each_fails(
    machine: impl Fn() -> (Lab, Command),
    check: impl Fn(&Lab, &Ran, &str),
    (calls, how, every): (&str, &str, usize),
) {
    for nth in (1..).step_by(every) {
        let (lab, command) = machine();
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{how}:when={nth}"));
        let (ran, trace) = lab.traced(&command, &["-f", "-y", "-e", &trace, "-e", &inject]);
        let failed = trace.lines().filter(|line| line.contains("(INJECTED")).collect::<Vec<_>>();
        if failed.is_empty() && ran.code != KILLED {
            assert!(nth > 1, "it makes no {calls}");
            return;
        }
        // Nothing that fails may end it by a signal.
        assert!(ran.code != KILLED || how.starts_with("signal"), "{calls} {nth}, {failed:?}: {ran:?}");
        // The loader reads libraries, the standard library pipes of its children, which do not fail like that.
        if failed.iter().any(|line| line.contains("/lib") || line.contains("<pipe:")) && ran.code > 100 {
            continue;
        }
        // Metadata is held in memory, which is what other bytes are put into: what is read back is held against that.
        if how.starts_with("poke") && failed.iter().any(|line| line.contains("/tuf/")) {
            continue;
        }
        check(&lab, &ran, &format!("{calls} {nth}, {failed:?}"));
    }
}

/// Of a repair of a lost ESP and a lost state partition.
fn each_fails_of_a_repair(calls: &str, how: &str, every: usize) {
    let first = UPGRADE.first();
    let machine = || {
        let lab = BLESS.machine(&first);
        lab.lose_esp();
        lab.lose(lab.state_at(), 80 << 20);
        let command = lab.command_on_disk(&["repair"]);
        (lab, command)
    };
    let check = |lab: &Lab, ran: &Ran, failed: &str| {
        let whole = lab.on_disk(&["test-repair", "--json"]).code == 0;
        assert!(whole || ran.failed().1.contains(": "), "{failed}: {ran:?}");
        assert!(whole || ran.code != 0, "{failed}: {ran:?}");
        lab.on_disk(&["repair"]).done();
        // Whether it was good went with the state partition.
        let next = &lab.run_as("a", &["status", "--json"]).done().json()["next"];
        assert!(next.as_str().is_some_and(|next| next.starts_with("edeploy-a-g")), "{failed}: {next}");
        lab.run_as("a", &["verify"]).done();
    };
    each_fails(machine, check, (calls, how, every));
}

/// Of a first install onto an empty disk.
fn each_fails_of_an_install(calls: &str, how: &str, every: usize) {
    let machine = || {
        let mut lab = Lab::new();
        lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
        lab.disk();
        let command = lab.install_command(&[]);
        (lab, command)
    };
    let check = |lab: &Lab, ran: &Ran, failed: &str| {
        assert!(ran.code == 0 || ran.failed().1.contains(": "), "{failed}: {ran:?}");
        // What the disk holds is not at fault.
        assert_ne!(ran.code, 10, "{failed}: {ran:?}");
        if ran.code != 0 {
            lab.install(&["--wipe"]).done();
        }
        let next = &lab.run_as("a", &["status", "--json"]).done().json()["next"];
        assert_eq!(next, "edeploy-a-g1.conf", "{failed}");
        lab.run_as("a", &["verify"]).done();
    };
    each_fails(machine, check, (calls, how, every));
}

/// Each kind is a test: they run side by side.
macro_rules! each_fails {
    ($($name:ident: $under:ident, $calls:literal, $how:literal, $every:literal;)*) => {$(
        #[test]
        fn $name() {
            $under.each_fails($calls, $how, $every);
        }
    )*};
}

#[test]
fn wherever_a_write_of_a_repair_fails() {
    each_fails_of_a_repair("write,pwrite64", "error=EIO", 3);
}

#[test]
fn wherever_a_sync_or_a_mount_of_a_repair_fails() {
    each_fails_of_a_repair("fsync,fdatasync,syncfs,mount", "error=EIO", 1);
}

#[test]
fn wherever_a_write_of_an_install_fails() {
    each_fails_of_an_install("write,pwrite64", "error=ENOSPC", 5);
}

#[test]
fn wherever_a_sync_or_a_mount_of_an_install_fails() {
    each_fails_of_an_install("fsync,fdatasync,syncfs,mount", "error=EIO", 1);
}

each_fails! {
    wherever_a_write_fails_what_is_said_is_so_and_the_next_run_gets_to_the_end: UPGRADE, "write", "error=ENOSPC", 1;
    wherever_a_write_to_a_place_fails: UPGRADE, "pwrite64", "error=EIO", 1;
    wherever_a_sync_fails: UPGRADE, "fsync,fdatasync,syncfs", "error=EIO", 1;
    wherever_a_rename_fails: UPGRADE, "/^rename", "error=ENOSPC", 1;
    wherever_a_folder_cannot_be_made: UPGRADE, "/^mkdir", "error=ENOSPC", 1;
    wherever_a_file_cannot_be_sized: UPGRADE, "ftruncate,fallocate", "error=ENOSPC", 1;
    wherever_an_attribute_cannot_be_set: UPGRADE, "/chmod,/chown,utimensat", "error=EIO", 3;
    wherever_a_device_cannot_be_used: UPGRADE, "ioctl", "error=EIO", 5;
    wherever_a_mount_fails: UPGRADE, "mount,umount2", "error=EBUSY", 1;
    wherever_a_file_cannot_be_opened: UPGRADE, "openat,openat2", "error=EMFILE", 29;
    wherever_a_read_fails: UPGRADE, "read", "error=EIO", 29;
    wherever_a_read_from_a_place_fails: UPGRADE, "pread64", "error=EIO", 29;
    wherever_a_write_of_an_upgrade_by_a_delta_fails: BY_DELTA, "write", "error=ENOSPC", 1;
    wherever_a_write_of_a_delta_to_a_place_fails: BY_DELTA, "pwrite64", "error=EIO", 1;
    wherever_a_sync_of_an_upgrade_by_a_delta_fails: BY_DELTA, "fsync,fdatasync,syncfs", "error=EIO", 1;
    wherever_a_name_of_what_a_delta_makes_fails: BY_DELTA, "/^rename,linkat", "error=ENOSPC", 1;
    wherever_what_a_delta_needs_cannot_be_sized: BY_DELTA, "ftruncate,fallocate", "error=ENOSPC", 1;
    wherever_a_write_to_the_slot_or_state_keeps_other_bytes: UPGRADE, "write", "poke_enter=@arg2=58", 1;
    wherever_a_write_to_the_esp_keeps_other_bytes: UPGRADE, "pwrite64", "poke_enter=@arg2=58", 1;
    wherever_a_write_of_an_upgrade_by_a_delta_keeps_other_bytes: BY_DELTA, "write,pwrite64", "poke_enter=@arg2=58", 1;
    wherever_it_is_killed_at_a_name: UPGRADE, "/^rename,/^unlink,/^mkdir", "signal=KILL", 1;
    wherever_it_is_killed_at_a_sync_or_a_mount: UPGRADE, "fsync,fdatasync,syncfs,mount,umount2", "signal=KILL", 1;
    wherever_a_write_of_a_blessing_fails: BLESS, "write", "error=ENOSPC", 1;
    wherever_a_write_of_a_blessing_to_a_place_fails: BLESS, "pwrite64", "error=EIO", 1;
    wherever_a_sync_of_a_blessing_fails: BLESS, "fsync,fdatasync,syncfs", "error=EIO", 1;
    wherever_a_mount_of_a_blessing_fails: BLESS, "mount,umount2", "error=EBUSY", 1;
    wherever_a_mount_of_a_rollback_fails: ROLLBACK, "mount,umount2", "error=EBUSY", 1;
    wherever_a_write_of_a_rollback_fails: ROLLBACK, "write", "error=ENOSPC", 1;
    wherever_a_write_of_a_rollback_to_a_place_fails: ROLLBACK, "pwrite64", "error=EIO", 1;
    wherever_a_sync_of_a_rollback_fails: ROLLBACK, "fsync,fdatasync,syncfs", "error=EIO", 1;
}
