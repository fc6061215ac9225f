//! One virtual machine: OVMF, a disk, a network card that reaches the host's loopback as 10.0.2.2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::console::newest_line;
use crate::disk::overlay;
use crate::drive;
use crate::hardware::{Hardware, Plug};
use crate::monitor::Monitor;
use crate::shell::Shell;
use crate::timeline::Timeline;

const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// A boot that takes longer than this has failed; emulated on a busy machine one takes a minute or two.
const PATIENCE: Duration = Duration::from_secs(420);
/// How often a narrator is told where a machine is.
const NARRATION: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

/// A machine and its disk. Dropping it cuts its power.
pub struct Machine {
    name: String,
    folder: PathBuf,
    disk: PathBuf,
    format: &'static str,
    hardware: Hardware,
    /// Port 80 of which of its addresses is reachable at which port of the host's loopback.
    forward: Option<(u16, &'static str)>,
    /// Whether UEFI starts it, not SeaBIOS.
    uefi: bool,
    /// Kernel, initrd and arguments that the next start boots instead of the disk.
    kernel: Option<[String; 3]>,
    /// A USB stick that the next start boots.
    stick: Option<PathBuf>,
    /// The logs of its writes, one for each start, if they are to be logged.
    logs: Option<Vec<PathBuf>>,
    /// What fails on its disk, as options of QEMU's `inject-error`.
    faults: Vec<String>,
    /// A second disk, in qcow2.
    copy: Option<PathBuf>,
    qemu: Option<Child>,
    monitor: Option<Monitor>,
    /// Console bytes that earlier waits have passed over.
    seen: usize,
    /// Who is told, now and then during long waits, where the machine is.
    narrator: Option<fn(&str)>,
    timeline: Option<Timeline>,
}

impl Machine {
    /// A machine called `name` in `folder`, whose disk begins as a copy (an overlay) of `base`.
    ///
    /// # Panics
    /// If the overlay cannot be made.
    #[must_use]
    pub fn over(base: &Path, folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder for the machine");
        let disk = folder.join(format!("{name}.qcow2"));
        overlay(base, &disk);
        Self::with(disk, "qcow2", folder, name)
    }

    /// A machine that works on the raw image `disk` itself.
    ///
    /// # Panics
    /// If its files cannot be made.
    #[must_use]
    pub fn on(disk: &Path, folder: &Path, name: &str) -> Self {
        Self::with(disk.to_owned(), "raw", folder, name)
    }

    fn with(disk: PathBuf, format: &'static str, folder: &Path, name: &str) -> Self {
        let (name, folder) = (name.to_owned(), folder.to_owned());
        let machine = Self {
            name,
            folder,
            disk,
            format,
            hardware: Hardware::default(),
            forward: None,
            uefi: true,
            kernel: None,
            stick: None,
            logs: None,
            faults: Vec::new(),
            copy: None,
            qemu: None,
            monitor: None,
            seen: 0,
            narrator: None,
            timeline: None,
        };
        fs::copy(VARIABLES, machine.path("vars")).expect("package ovmf; run `./setup.sh`");
        let _ = fs::remove_file(machine.path("console"));
        machine
    }

    /// Makes port 80 of the machine reachable at a port of the host's loopback.
    pub fn forward(&mut self, port: u16) {
        self.forward_to(port, "");
    }

    /// The same, of a machine that gives itself `address` and asks nobody for one.
    pub fn forward_to(&mut self, port: u16, address: &'static str) {
        self.forward = Some((port, address));
    }

    /// From its next start on it is made of this.
    pub fn made_of(&mut self, hardware: Hardware) {
        self.hardware = hardware;
    }

    /// From its next start on, notes when it comes to the moments of `timeline`.
    pub fn note_times(&mut self, timeline: Timeline) {
        self.timeline = Some(timeline);
    }

    /// When it came to what, if that is noted.
    pub fn timeline(&mut self) -> Option<&mut Timeline> {
        self.timeline.as_mut()
    }

    /// SeaBIOS starts it, not UEFI.
    pub fn without_uefi(&mut self) {
        self.uefi = false;
    }

    /// Its next start boots this kernel and initrd, as a boot firmware that fetched them would; those after it
    /// boot the disk.
    pub fn boot_once(&mut self, kernel: &Path, initrd: &Path, arguments: &str) {
        let [kernel, initrd] = [kernel, initrd].map(|path| path.display().to_string());
        self.kernel = Some([kernel, initrd, arguments.to_owned()]);
    }

    /// Its next start boots this stick; before those after it, it is taken out.
    pub fn boot_stick_once(&mut self, image: &Path) {
        self.stick = Some(image.to_owned());
    }

    /// From its next start on, logs all that it writes to its disk.
    pub fn log_writes(&mut self) {
        self.logs = Some(Vec::new());
    }

    /// From its next start on, reads of this sector of its disk (of 512 bytes) fail.
    pub fn fail_reads_of(&mut self, sector: u64) {
        self.faults.push(format!("iotype=read,sector={sector}"));
    }

    /// At each start from its next one on, the first write of this sector of its disk (of 512 bytes) fails.
    pub fn fail_a_write_of(&mut self, sector: u64) {
        self.faults.push(format!("iotype=write,sector={sector},once=on"));
    }

    /// From its next start on it has a second disk too, which begins as a copy (an overlay) of `base`; that, in qcow2.
    ///
    /// # Panics
    /// If the overlay cannot be made.
    pub fn with_a_copy_of(&mut self, base: &Path) -> PathBuf {
        let copy = self.path("copy.qcow2");
        overlay(base, &copy);
        self.copy.insert(copy).clone()
    }

    /// The logs so far, one for each start, in the format of dm-log-writes.
    #[must_use]
    pub fn logs(&self) -> &[PathBuf] {
        self.logs.as_deref().unwrap_or_default()
    }

    /// During long waits, hands the newest line of the console to `narrator` every few seconds.
    pub fn narrate(&mut self, narrator: fn(&str)) {
        self.narrator = Some(narrator);
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }

    /// The firmware's variables.
    #[must_use]
    pub fn variables(&self) -> PathBuf {
        self.path("vars")
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// Switches it on.
    ///
    /// # Panics
    /// If QEMU cannot be started.
    pub fn start(&mut self) {
        let (console, shell) = (self.path("console"), self.path("shell"));
        let _ = fs::remove_file(&shell);
        let forward = self.forward.map(|(port, to)| format!(",hostfwd=tcp:127.0.0.1:{port}-{to}:80"));
        // It must not outlive a test that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(self.hardware.place()).arg("qemu-system-x86_64");
        // Without a screen SeaBIOS writes to the first serial port.
        command.args(["-machine", "q35,graphics=off", "-accel", "tcg,thread=multi"]);
        command.args(["-cpu", "qemu64,-svm", "-smp", "1"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]);
        // A reset ends QEMU, and `wait_until` starts it again: with the translated code of the last boot
        // still around, the firmware of QEMU 7.2 has been seen to need three minutes.
        command.arg("-no-reboot");
        let parts = if self.uefi { 2 } else { 0 };
        for (unit, options, file) in
            [(0, "readonly=on,", PathBuf::from(FIRMWARE)), (1, "", self.path("vars"))].into_iter().take(parts)
        {
            command.arg("-drive");
            command.arg(format!("if=pflash,format=raw,unit={unit},{options}file={}", file.display()));
        }
        let log = self.next_log();
        command.args(drive::arguments(self.format, &self.disk, &self.faults, log.as_deref()));
        command.args(self.hardware.arguments(&forward.unwrap_or_default(), &self.path("trunk")));
        command.args(self.copy.as_deref().map(drive::copy).into_iter().flatten());
        command.args(self.stick.take().as_deref().map(drive::stick).into_iter().flatten());
        command.args(["-device", "virtio-rng-pci"]);
        command.arg("-chardev").arg(format!("file,id=console,append=on,path={}", console.display()));
        command.arg("-chardev").arg(format!("socket,id=shell,server=on,wait=off,path={}", shell.display()));
        command.args(["-serial", "chardev:console", "-serial", "chardev:shell"]);
        if let Some([kernel, initrd, arguments]) = self.kernel.take() {
            command.args(["-kernel", &kernel, "-initrd", &initrd, "-append", &arguments]);
        }
        let log = fs::File::create(self.path("qemu")).expect("a log for QEMU");
        command.args(["-monitor", "stdio"]);
        let qemu = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn();
        let mut qemu = qemu.expect("package qemu-system-x86; run `./setup.sh`");
        self.monitor = qemu.stdin.take().map(Monitor::new);
        self.qemu = Some(qemu);
    }

    fn monitor(&mut self) -> &mut Monitor {
        self.monitor.as_mut().expect("it runs")
    }

    /// Pulls a plug at its switch, or puts it back; until it is reset.
    ///
    /// # Panics
    /// If it does not run.
    pub fn plug(&mut self, plug: Plug, is_in: bool) {
        self.monitor().plug(plug.device(), is_in);
    }

    /// Takes its first card out of its slot, or puts it, or one like it, in.
    ///
    /// # Panics
    /// If it does not run.
    pub fn card(&mut self, is_in: bool) {
        let card = self.hardware.card(0);
        if is_in { self.monitor().put_in(&card) } else { self.monitor().take_out("card0") }
    }

    /// Where this start logs its writes.
    fn next_log(&mut self) -> Option<PathBuf> {
        let logs = self.logs.as_mut()?;
        let log = self.folder.join(format!("{}.writes-{}", self.name, logs.len()));
        fs::File::create(&log).expect("a log of writes");
        logs.push(log.clone());
        Some(log)
    }

    /// All that the console showed so far.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("console")).unwrap_or_default()).into_owned()
    }

    /// Whether the console shows `text`, after all that was waited for before.
    #[must_use]
    pub fn shows(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// Where `text` ends.
    fn find(&self, text: &str) -> Option<usize> {
        let console = fs::read(self.path("console")).unwrap_or_default();
        let new = console.get(self.seen..)?;
        let at = new.windows(text.len()).position(|bytes| bytes == text.as_bytes())?;
        Some(self.seen + at + text.len())
    }

    /// Waits until the console shows `text`, after all that was waited for before.
    ///
    /// # Panics
    /// If it does not, with the end of the console.
    pub fn wait_for(&mut self, text: &str) {
        self.seen = self.wait_until(&format!("`{text}` on the console"), |machine| machine.find(text));
    }

    /// A root shell of another boot than `before` (empty: of any), as soon as it is there.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn shell(&mut self, before: &str) -> Shell {
        let path = self.path("shell");
        let mut open: Option<Shell> = None;
        self.wait_until("a shell of the next boot", |_| {
            if open.as_ref().is_none_or(Shell::is_closed) {
                open = Shell::connect(&path).ok();
            }
            if open.as_mut()?.boot()? == before { None } else { open.take() }
        })
    }

    /// Looks again and again until there is an answer.
    ///
    /// # Panics
    /// If there is none in time, or QEMU ends.
    pub fn wait_until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut told = (Instant::now(), String::new());
        loop {
            self.note_moments();
            if let Some(found) = look(self) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{}: no {what}", self.name);
            if told.0.elapsed() > NARRATION {
                told = (Instant::now(), self.tell_of_the_console(told.1));
            }
            self.start_after_reset(what);
            std::thread::sleep(LOOK);
        }
    }

    fn note_moments(&mut self) {
        let console = self.path("console");
        if let Some(timeline) = &mut self.timeline {
            timeline.look(&fs::read(console).unwrap_or_default());
        }
    }

    /// Tells the newest line of the console, unless it is `old`; the line.
    fn tell_of_the_console(&self, old: String) -> String {
        let Some(narrator) = self.narrator else { return old };
        let newest = newest_line(&self.console());
        if newest != old {
            narrator(&newest);
        }
        newest
    }

    /// Starts it again if it has reset itself.
    fn start_after_reset(&mut self, what: &str) {
        let Some(ended) = self.qemu.as_mut().and_then(|qemu| qemu.try_wait().ok().flatten()) else { return };
        let off = self.tail().contains("reboot: Power down");
        let said = fs::read_to_string(self.path("qemu")).unwrap_or_default();
        assert!(ended.success() && !off, "{}: no {what}: it switched itself off ({ended}) {said}", self.name);
        self.start();
    }

    fn tail(&self) -> String {
        let console = self.console();
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Cuts the power, at once. What the console shows so far counts as passed over.
    pub fn cut_power(&mut self) {
        self.seen = fs::metadata(self.path("console")).map_or(0, |console| console.len() as usize);
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
        while self.qemu.as_mut().is_some_and(|qemu| qemu.try_wait().expect("QEMU's state").is_none()) {
            assert!(begun.elapsed() < PATIENCE, "{} does not switch off", self.name);
            std::thread::sleep(LOOK);
        }
        self.qemu = None;
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: the console ends with\n{}", self.name, self.tail());
        }
        self.cut_power();
    }
}
