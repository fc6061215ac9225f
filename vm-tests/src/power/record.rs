//! One whole upgrade of a machine, from its boot in the old version to its shutdown in the blessed new one,
//! with all writes to its disk logged.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::medium::copy;
use crate::machine::Machine;

/// What was recorded.
#[derive(Debug)]
pub struct Recording {
    /// The disk as it was before, a raw image.
    pub before: PathBuf,
    /// The disk as QEMU left it.
    pub after: PathBuf,
    /// The writes in between, one log for each start of QEMU.
    pub logs: Vec<PathBuf>,
}

impl Recording {
    /// The recording that an earlier run left in `folder`, of the disk `before`.
    #[must_use]
    pub fn kept(before: &Path, folder: &Path) -> Self {
        let logs = (0..).map(|n| folder.join(format!("recorded.writes-{n}"))).take_while(|log| log.exists());
        Self { before: before.to_owned(), after: folder.join("recorded.img"), logs: logs.collect() }
    }
}

/// Bytes that the first run of the upgrade writes into its slot before it is killed: some of the tree, not all.
const WRITTEN: u64 = 60_000_000;

/// Where the second run's answer outlives the reboot.
const AGAIN: &str = "/var/tmp/second-run";

/// The lines of a shell that begin an upgrade, and kill it when the disk got so many bytes of its slot.
fn kill_after(bytes: u64, version: &str) -> String {
    format!(
        "edeploy-ab upgrade {version} >/dev/null 2>&1 & \
         until set -- $(grep -F ' vda3 ' /proc/diskstats); [ \"${{10}}\" -gt {sectors} ]; do \
         kill -0 $! || exit 1; sleep 0.05; done; \
         kill -KILL $! && ! wait $! && echo \"killed when it had written $((${{10}} / 2048)) MiB of its slot\"",
        sectors = bytes / 512
    )
}

/// Upgrades a machine of the disk `before`, which stays as it is, to `version`, the second one it ever had: a first
/// run of the upgrade is killed while it writes the slot, the next goes on; also how long that one took, from the command
/// to the blessing.
///
/// # Panics
/// If the machine does not come to the end of the upgrade, would not take a delta that patches something, cannot be
/// killed while it writes its slot, keeps nothing of what the killed run wrote, or its disk has no write cache that it flushes.
pub fn record(before: &Path, folder: &Path, version: &str, tell: impl Fn(&str)) -> (Recording, Duration) {
    fs::create_dir_all(folder).expect("a folder for the recording");
    let after = folder.join("recorded.img");
    copy(before, &after);
    let mut machine = Machine::on(&after, folder, "recorded");
    machine.log_writes();
    machine.start();
    tell("recording: switched on");
    let mut shell = machine.shell("");
    let cache = shell.must("cat /sys/block/vda/queue/write_cache");
    assert!(cache.trim() == "write back", "the disk tells of a cache that is {cache}: nobody flushes it");
    shell.must("systemctl is-system-running --wait");
    let boot = shell.boot().expect("it is ready");
    let plan = shell.must(&format!("edeploy-ab test-upgrade {version} --json"));
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("a plan");
    let [delta, patched] = ["by_delta", "patch"].map(|key| plan[key].as_u64().expect("bytes"));
    assert!(delta > 0 && patched > 0, "no delta that patches: {plan}");
    tell(&format!("recording: edeploy-ab upgrade {version}, {delta} bytes by its delta"));
    let killed = shell.must(&kill_after(WRITTEN, version));
    tell(&format!("recording: {}", killed.trim()));
    let begun = Instant::now();
    // The reboot may be faster than the answer on the console: what it said is read afterwards.
    let answer = shell.try_run(&format!("edeploy-ab upgrade {version} --json >{AGAIN}"));
    assert!(answer.as_ref().is_none_or(|(code, _)| *code == 100), "no reboot is asked for: {answer:?}");
    let mut shell = machine.shell(&boot);
    tell("recording: the trial");
    machine.wait_for(&format!("{version} in slot b is good"));
    let took = begun.elapsed();
    let running = shell.must("edeploy-ab version");
    assert!(running.trim() == version, "{running} runs, not {version}");
    let again: serde_json::Value =
        serde_json::from_str(&shell.must(&format!("cat {AGAIN}"))).expect("an answer");
    let kept = again["kept"].as_u64().expect("bytes");
    assert!(kept > 0, "the second run began anew: {again}");
    tell(&format!("recording: the second run kept {} MiB of the first", kept >> 20));
    shell.type_in("systemctl --no-block poweroff").expect("the machine runs");
    machine.wait_for_power_off();
    tell("recording: blessed, and switched off");
    (Recording { before: before.to_owned(), after, logs: machine.logs().to_vec() }, took)
}
