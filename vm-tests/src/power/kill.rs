//! Machines that are killed at random moments of an upgrade, booted, and upgraded again to the end.
//!
//! A kill ends QEMU, not the power of the computer it runs on: what the guest has written is in the file, flushed
//! or not. What a disk loses is the replay's part; here the whole machine is real, firmware and loader included.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use edeploy_format::slot::Slot;

use super::esp::decide;
use super::medium::{Medium, copy};
use crate::disk::{ALL, check_raw};
use crate::machine::Machine;
use crate::shell::Shell;

/// One kill and what came of it.
#[derive(Clone, Debug)]
pub struct Kill {
    /// Thousandths of a whole upgrade, trial included, that had gone by, about.
    pub at: u64,
    /// The entries on the ESP then.
    pub entries: Vec<String>,
    /// The version that came up.
    pub came_up: String,
}

/// Where machines are killed, and what they go between.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The disk that each of them begins with; it stays as it is.
    pub before: &'a Path,
    /// For their files.
    pub folder: &'a Path,
    /// What the disk boots, in slot a.
    pub old: &'a str,
    /// What it is upgraded to.
    pub new: &'a str,
}

impl Bench<'_> {
    /// How long an upgrade takes that nobody cuts short, from the command to the blessing.
    ///
    /// # Panics
    /// If it does not come to its end.
    #[must_use]
    pub fn whole(&self, name: &str) -> Duration {
        let mut victim = Victim::start(self, name);
        let begun = Instant::now();
        victim.upgrade();
        victim.end();
        begun.elapsed()
    }

    /// Kills a machine when `at` thousandths of the time `whole` have gone by since its upgrade began, boots it,
    /// upgrades it to the end, and checks its disk.
    ///
    /// # Panics
    /// If it does not come up as the boot model says, or does not come to the end.
    #[must_use]
    pub fn kill(&self, name: &str, at: u64, whole: Duration) -> Kill {
        let mut victim = Victim::start(self, name);
        let (begun, moment) = (Instant::now(), whole * u32::try_from(at).expect("thousandths") / 1000);
        let command = format!("edeploy-ab upgrade {} >/dev/null 2>&1", self.new);
        victim.shell().type_in(&command).expect("the machine runs");
        victim.machine.wait_until("moment of the kill", |_| (begun.elapsed() >= moment).then_some(()));
        victim.machine.cut_power();
        let decision = decide(&Medium::of(&victim.disk)).unwrap_or_else(|e| panic!("killed at {at}: {e}"));
        let expected = if decision.name.slot == Slot::A { self.old } else { self.new };
        victim.machine.start();
        let came_up = victim.next_boot();
        assert!(came_up == expected, "{came_up} came up, not {expected}: {decision:?}");
        if decision.choice.counted {
            victim.wait_for_blessing();
        }
        if came_up == self.new {
            victim.shell().must(&format!("edeploy-ab upgrade {}", self.new));
        } else {
            victim.upgrade();
        }
        victim.end();
        Kill { at, entries: decision.entries, came_up }
    }
}

/// A machine to be killed.
struct Victim<'a> {
    bench: &'a Bench<'a>,
    disk: PathBuf,
    machine: Machine,
    shell: Option<Shell>,
    boot: String,
}

impl<'a> Victim<'a> {
    /// In its first boot.
    fn start(bench: &'a Bench<'a>, name: &str) -> Self {
        std::fs::create_dir_all(bench.folder).expect("a folder for the machine");
        let disk = bench.folder.join(format!("{name}.img"));
        copy(bench.before, &disk);
        let mut machine = Machine::on(&disk, bench.folder, name);
        machine.start();
        let mut victim = Self { bench, disk, machine, shell: None, boot: String::new() };
        victim.next_boot();
        victim
    }

    fn next_boot(&mut self) -> String {
        let mut shell = self.machine.shell(&self.boot);
        self.boot = shell.boot().expect("it is ready");
        let version = shell.must("edeploy-ab version").trim().to_owned();
        // The shell is there before the network is.
        shell.must("systemctl is-system-running --wait");
        self.shell = Some(shell);
        version
    }

    fn shell(&mut self) -> &mut Shell {
        self.shell.as_mut().expect("taken at each boot")
    }

    /// Upgrades it, as far as the blessing.
    fn upgrade(&mut self) {
        let new = self.bench.new;
        // The reboot may be faster than the answer.
        let answer = self.shell().try_run(&format!("edeploy-ab upgrade {new} 2>&1"));
        assert!(answer.as_ref().is_none_or(|(code, _)| *code == 100), "no reboot is asked for: {answer:?}");
        let running = self.next_boot();
        assert!(running == new, "{running} runs, not {new}");
        self.wait_for_blessing();
    }

    fn wait_for_blessing(&mut self) {
        self.machine.wait_for(&format!("{} in slot b is good", self.bench.new));
    }

    /// Switches it off and checks its disk, which is then given up.
    fn end(&mut self) {
        self.shell().type_in("systemctl --no-block poweroff").expect("the machine runs");
        self.machine.wait_for_power_off();
        check_raw(&self.disk, &ALL).unwrap_or_else(|e| panic!("{e}"));
        std::fs::remove_file(&self.disk).expect("a copy of ours");
    }
}
