//! What a program left behind outside of its process group: it comes to us when its parent has ended, and is ended.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, child_subreaper, getpid, kill_process, set_child_subreaper, wait,
};

/// A process that waits for a disk or a server may not end at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// From now on what our children leave behind becomes ours, not the first process's.
///
/// # Errors
/// What the kernel says.
pub fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Kills all children, and what becomes ours by that. Only after [`adopt`], and while there is no child that is
/// waited for elsewhere.
///
/// # Errors
/// If one of them is still there after a while: it names that.
pub(super) fn end() -> io::Result<()> {
    if !matches!(child_subreaper(), Ok(Some(_))) {
        return Ok(());
    }
    let patience = Instant::now() + PATIENCE;
    loop {
        // Those that ended need no more than this.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let children = children();
        let Some(first) = children.first() else { return Ok(()) };
        if Instant::now() > patience {
            return Err(stays(*first));
        }
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn stays(child: Pid) -> io::Error {
    let text =
        format!("process {}, which it left behind, was killed and does not end", child.as_raw_nonzero());
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// Those of the first thread: it is given what is left behind.
fn children() -> Vec<Pid> {
    let list = format!("/proc/self/task/{}/children", getpid().as_raw_nonzero());
    let list = std::fs::read_to_string(list).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
