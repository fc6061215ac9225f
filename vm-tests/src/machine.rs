//! One virtual machine: OVMF, one disk, one network card that reaches the host's loopback as 10.0.2.2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::Shell;
use crate::tool::run;

const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// A boot that takes longer than this has failed; emulated on a busy machine one takes a minute or two.
const PATIENCE: Duration = Duration::from_secs(420);
const LOOK: Duration = Duration::from_millis(100);

/// A machine and its disk. Dropping it cuts its power.
pub struct Machine {
    name: String,
    folder: PathBuf,
    forward: Option<u16>,
    qemu: Option<Child>,
    /// Console bytes that earlier waits have passed over.
    seen: usize,
}

impl Machine {
    /// A machine called `name` in `folder`, whose disk begins as a copy (an overlay) of `base`.
    ///
    /// # Panics
    /// If the overlay cannot be made.
    #[must_use]
    pub fn over(base: &Path, folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder for the machine");
        let folder = folder.to_owned();
        let machine = Self { name: name.to_owned(), folder, forward: None, qemu: None, seen: 0 };
        let (disk, base) = (machine.path("qcow2"), base.to_str().expect("UTF-8"));
        run(
            "qemu-img",
            &["create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", disk.to_str().expect("UTF-8")],
        );
        fs::copy(VARIABLES, machine.path("vars")).expect("package ovmf; run `./setup.sh`");
        let _ = fs::remove_file(machine.path("console"));
        machine
    }

    /// Makes port 80 of the machine reachable at a port of the host's loopback.
    pub fn forward(&mut self, port: u16) {
        self.forward = Some(port);
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }

    /// The socket of the shell's port.
    #[must_use]
    pub fn shell_path(&self) -> PathBuf {
        self.path("shell")
    }

    /// The disk, in qcow2.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.path("qcow2")
    }

    /// Switches it on.
    ///
    /// # Panics
    /// If QEMU cannot be started.
    pub fn start(&mut self) {
        let (console, shell) = (self.path("console"), self.path("shell"));
        let _ = fs::remove_file(&shell);
        let forward =
            self.forward.map(|port| format!(",hostfwd=tcp:127.0.0.1:{port}-:80")).unwrap_or_default();
        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "1024",
        ]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]);
        for (unit, options, file) in
            [(0, "readonly=on,", PathBuf::from(FIRMWARE)), (1, "", self.path("vars"))]
        {
            command.arg("-drive");
            command.arg(format!("if=pflash,format=raw,unit={unit},{options}file={}", file.display()));
        }
        command.arg("-drive").arg(format!("if=none,id=disk,format=qcow2,file={}", self.disk().display()));
        command.args(["-device", "virtio-blk-pci,drive=disk,bootindex=0", "-device", "virtio-rng-pci"]);
        command.arg("-netdev").arg(format!("user,id=net{forward}"));
        command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        command.arg("-chardev").arg(format!("file,id=console,append=on,path={}", console.display()));
        command.arg("-chardev").arg(format!("socket,id=shell,server=on,wait=off,path={}", shell.display()));
        command.args(["-serial", "chardev:console", "-serial", "chardev:shell"]);
        let log = fs::File::create(self.path("qemu")).expect("a log for QEMU");
        let qemu = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.qemu = Some(qemu.expect("package qemu-system-x86; run `./setup.sh`"));
    }

    /// All that the console showed so far.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("console")).unwrap_or_default()).into_owned()
    }

    /// Waits until the console shows `text`, after all that was waited for before.
    ///
    /// # Panics
    /// If it does not, with the end of the console.
    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(&format!("`{text}` on the console"), |machine| {
            let console = machine.console();
            let from = machine.seen.min(console.len());
            let found = console.get(from..).and_then(|new| new.find(text));
            machine.seen = found.map_or(machine.seen, |at| from + at + text.len());
            found
        });
    }

    /// A root shell of another boot than `before` (empty: of any), as soon as it is there.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn shell(&mut self, before: &str) -> Shell {
        let path = self.path("shell");
        self.wait_until("a shell of the next boot", |_| {
            let mut shell = Shell::connect(&path).ok()?;
            (shell.is_ready() && shell.boot() != before).then_some(shell)
        })
    }

    /// Looks again and again until there is an answer.
    ///
    /// # Panics
    /// If there is none in time, or QEMU ends.
    pub fn wait_until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.qemu.as_mut().and_then(|qemu| qemu.try_wait().ok().flatten());
            let late = begun.elapsed() > PATIENCE;
            assert!(
                !late && ended.is_none(),
                "{}: no {what} ({ended:?}); the console ends with\n{}",
                self.name,
                self.tail()
            );
            std::thread::sleep(LOOK);
        }
    }

    fn tail(&self) -> String {
        let console = self.console();
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Cuts the power, at once.
    pub fn cut_power(&mut self) {
        if let Some(mut qemu) = self.qemu.take() {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }

    /// Waits until the machine has switched itself off.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for_power_off(&mut self) {
        let begun = Instant::now();
        let Some(mut qemu) = self.qemu.take() else { return };
        while qemu.try_wait().expect("QEMU's state").is_none() {
            assert!(begun.elapsed() < PATIENCE, "{} does not switch off:\n{}", self.name, self.tail());
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.cut_power();
    }
}
