//! A machine of the tests with the shell of its present boot.

use std::path::Path;

use serde_json::Value;
use vm_tests::disk;
use vm_tests::machine::Machine;
use vm_tests::shell::{Shell, Typed};

use crate::fixture::{fixture, tell, wait_for};

/// What a command says whose shell ends with the boot is kept here.
const SAID: &str = "/var/lib/edeploy-test/said";
/// The kernel's last line before the firmware runs again.
const RESTARTING: &str = "reboot: Restarting system";

/// A running machine.
pub(crate) struct Guest {
    name: String,
    machine: Machine,
    /// `None` between two boots.
    shell: Option<Shell>,
    boot: String,
}

impl Guest {
    /// A machine whose disk begins as `image`, in its first boot.
    pub(crate) fn start(image: &Path, name: &str) -> Self {
        Self::start_with(image, name, |_| ())
    }

    /// The same, after something was done to its disk.
    pub(crate) fn start_with(image: &Path, name: &str, harm: impl FnOnce(&Path)) -> Self {
        Self::start_by(image, name, |machine| harm(machine.disk()))
    }

    /// The same, after something was done to the machine; its first boot that ends with a shell.
    pub(crate) fn start_by(image: &Path, name: &str, prepare: impl FnOnce(&mut Machine)) -> Self {
        let mut machine = Machine::over(image, &fixture().folder, name);
        prepare(&mut machine);
        tell(name, "switched on");
        machine.start();
        Self::of(machine, name)
    }

    /// A machine that runs, in its next boot that ends with a shell.
    pub(crate) fn of(machine: Machine, name: &str) -> Self {
        let mut guest = Self { name: name.to_owned(), machine, shell: None, boot: String::new() };
        guest.next_boot();
        guest
    }

    /// Tells on standard error what happens to this machine.
    pub(crate) fn tell(&self, what: &str) {
        tell(&self.name, what);
    }

    /// Takes the shell of the next boot.
    pub(crate) fn next_boot(&mut self) {
        let mut shell = self.machine.shell(&self.boot);
        self.boot = shell.boot().expect("it is ready");
        let version = shell.must("edeploy-ab version");
        self.tell(&format!("runs {}", version.trim()));
        self.shell = Some(shell);
    }

    fn shell(&mut self) -> &mut Shell {
        self.shell.as_mut().expect("the test took the shell of this boot")
    }

    /// Runs a command that must succeed; its output.
    pub(crate) fn must(&mut self, command: &str) -> String {
        self.shell().must(command)
    }

    /// Runs a command that must end with `code`; its output.
    pub(crate) fn ends_with(&mut self, code: i32, command: &str) -> String {
        let (ended, said) = self.shell().run(command);
        assert!(ended == code, "`{command}` ended with {ended}, not {code}:\n{said}");
        said
    }

    /// Begins a command that reboots the machine.
    pub(crate) fn begin(&mut self, command: &str) -> Typed {
        self.tell(command);
        let folder = Path::new(SAID).parent().expect("a folder").display();
        let line = format!("mkdir -p {folder}; ({command}) >{SAID} 2>&1; code=$?; cat {SAID}; exit $code");
        self.shell().type_in(&line).expect("the machine runs")
    }

    /// Waits until that command has rebooted the machine, with 100 as its exit code if it could still
    /// be seen.
    pub(crate) fn rebooted(&mut self, typed: &Typed) {
        let mut shell = self.shell.take().expect("the command was typed into it");
        let mut answer = None;
        self.machine.wait_until("end of the command", |machine| {
            answer = shell.answer(typed);
            (answer.is_some() || machine.shows(RESTARTING)).then_some(())
        });
        if let Some((code, said)) = answer {
            assert!(code == 100, "it ended with {code}:\n{said}");
        }
        self.wait_for(RESTARTING);
    }

    /// Waits until the machine reboots by itself.
    pub(crate) fn wait_for_reboot(&mut self) {
        self.wait_for(RESTARTING);
        // Not before: what was typed last may not have been read.
        self.shell = None;
    }

    /// What the command said that rebooted the machine, asked on a later boot.
    pub(crate) fn said(&mut self) -> String {
        self.must(&format!("cat {SAID}"))
    }

    /// Waits until the boot has come to its end, and the network is there: the shell is before both.
    pub(crate) fn has_booted(&mut self) {
        // Degraded, which ends with 1, is an end too.
        self.shell().run("systemctl is-system-running --wait");
        self.must("until ip route | grep -q ^default; do sleep 0.2; done");
    }

    /// Upgrades to `version`, as far as the reboot.
    pub(crate) fn upgrade(&mut self, version: &str) {
        wait_for(version);
        self.has_booted();
        let typed = self.begin(&format!("edeploy-ab upgrade {version}"));
        self.rebooted(&typed);
    }

    /// The same, after which one try is left to the version, as though two had passed.
    pub(crate) fn upgrade_with_one_try(&mut self, version: &str) {
        wait_for(version);
        self.has_booted();
        self.tell(&format!("edeploy-ab upgrade {version}, for its last try"));
        self.ends_with(100, &format!("edeploy-ab upgrade {version} --no-reboot"));
        self.must(
            "mkdir /run/esp && mount /dev/vda1 /run/esp && cd /run/esp/loader/entries && \
             entry=$(ls *+3.conf) && mv \"$entry\" \"${entry%+3.conf}+1-2.conf\" && cd / && \
             umount /run/esp && rmdir /run/esp",
        );
        // Its answer may be lost with the boot.
        self.shell().type_in("systemctl --no-block reboot").expect("the machine runs");
        self.wait_for_reboot();
    }

    /// Waits for a line on the console, after all that was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.machine.wait_for(text);
    }

    /// What `edeploy-ab status --json` says.
    pub(crate) fn status(&mut self) -> Value {
        let said = self.must("edeploy-ab status --json");
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
    }

    /// What makes this machine this machine.
    pub(crate) fn identity(&mut self) -> String {
        let key = "/var/lib/ssh/ssh_host_ed25519_key.pub";
        self.must(&format!("until [ -s {key} ]; do sleep 0.2; done; cat /etc/machine-id {key} && hostname"))
    }

    /// Switches it off, and looks at its disk with the tools of the distribution.
    pub(crate) fn switch_off_and_check(self) {
        self.switch_off_and_check_parts(&disk::ALL);
    }

    /// The same, but only at these partitions.
    pub(crate) fn switch_off_and_check_parts(mut self, numbers: &[usize]) {
        self.shell().type_in("systemctl --no-block poweroff").expect("the machine runs");
        self.machine.wait_for_power_off();
        self.tell("switched off; checking its disk");
        disk::check_parts(self.machine.disk(), numbers);
    }
}
