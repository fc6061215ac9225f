//! The systemd generator: arms what may bless or reboot, on counted boots only.
//!
//! systemd calls the binary by the name of `format::units::GENERATOR` before it loads any unit, with
//! three folders; we write to the first. The root is mounted read-only, /var is not there yet.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use edeploy_format::limits::{self, Limits};
use edeploy_format::units;

use super::trial::Trial;
use crate::efi::Efi;

/// systemd gives edeploy-trial-limit.service so many seconds to say whether the machine reboots.
const BACKSTOP: u32 = 15;

/// Writes units for this boot of the machine whose root is `root` into the folder `to`.
///
/// # Errors
/// When `to` cannot be written: systemd then says that the generator failed.
pub fn run(root: &Path, to: &Path, say: &mut dyn FnMut(&str)) -> io::Result<()> {
    match Trial::of(Efi::of(root).as_ref()) {
        Trial::No => Ok(()),
        Trial::LastResort(_) => want(to, "multi-user.target", "edeploy-bless.service"),
        Trial::Counted(_) => {
            want(to, "multi-user.target", "edeploy-bless.service")?;
            want(to, "sysinit.target", "edeploy-trial-limit.service")?;
            want(to, "emergency.target", "edeploy-trial-reboot.service")?;
            want(to, "rescue.target", "edeploy-trial-reboot.service")?;
            let seconds = limits(root, say).trial + BACKSTOP;
            drop_in(to, "edeploy-trial-limit.service", &format!("[Service]\nRuntimeMaxSec={seconds}\n"))?;
            drop_in(to, "edeploy-health.service", units::TRIAL_HEALTH)
        }
    }
}

/// The limits of the tree; the default ones, with a complaint, where it has wrong ones.
pub(super) fn limits(root: &Path, say: &mut dyn FnMut(&str)) -> Limits {
    let text = match fs::read_to_string(root.join(limits::PATH)) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Limits::default(),
        Err(e) => {
            say(&format!("/{}: {e}; taking the default limits", limits::PATH));
            return Limits::default();
        }
    };
    text.parse().unwrap_or_else(|e| {
        say(&format!("/{}: {e}; taking the default limits", limits::PATH));
        Limits::default()
    })
}

fn want(to: &Path, target: &str, unit: &str) -> io::Result<()> {
    let folder = to.join(format!("{target}.wants"));
    fs::create_dir_all(&folder)?;
    symlink(Path::new("/usr/lib/systemd/system").join(unit), folder.join(unit))
}

fn drop_in(to: &Path, unit: &str, text: &str) -> io::Result<()> {
    let folder = to.join(format!("{unit}.d"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("edeploy-trial.conf"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the generator writes on a boot with this variable, as sorted paths.
    fn written(boot_count_path: Option<&str>, limits_text: Option<&str>) -> (tempfile::TempDir, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        let efi = root.path().join("sys/firmware/efi/efivars");
        fs::create_dir_all(&efi).unwrap();
        if let Some(path) = boot_count_path {
            let text = path.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
            let bytes: Vec<u8> = [6, 0, 0, 0].into_iter().chain(text).collect();
            fs::write(efi.join("LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"), bytes).unwrap();
        }
        if let Some(text) = limits_text {
            fs::create_dir_all(root.path().join("usr/lib/edeploy")).unwrap();
            fs::write(root.path().join(limits::PATH), text).unwrap();
        }
        let to = root.path().join("run/systemd/generator");
        fs::create_dir_all(&to).unwrap();
        run(root.path(), &to, &mut |line| panic!("{line}")).unwrap();
        let mut paths = Vec::new();
        for folder in fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().path()) {
            for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                paths.push(file.strip_prefix(&to).unwrap().to_str().unwrap().to_owned());
            }
        }
        paths.sort();
        (root, paths)
    }

    #[test]
    fn an_ordinary_boot_gets_nothing() {
        assert!(written(None, None).1.is_empty());
        assert!(written(Some("\\loader\\entries\\debian+2-1.conf"), None).1.is_empty());
    }

    #[test]
    fn a_counted_boot_is_armed_with_the_limits_of_the_tree() {
        let (root, paths) =
            written(Some("\\loader\\entries\\edeploy-b-g2+0-3.conf"), Some("trial-seconds 90\n"));
        assert_eq!(
            paths,
            [
                "edeploy-health.service.d/edeploy-trial.conf",
                "edeploy-trial-limit.service.d/edeploy-trial.conf",
                "emergency.target.wants/edeploy-trial-reboot.service",
                "multi-user.target.wants/edeploy-bless.service",
                "rescue.target.wants/edeploy-trial-reboot.service",
                "sysinit.target.wants/edeploy-trial-limit.service",
            ]
        );
        let to = root.path().join("run/systemd/generator");
        let limit = fs::read_to_string(to.join(&paths[1])).unwrap();
        assert_eq!(limit, "[Service]\nRuntimeMaxSec=105\n");
        let link = fs::read_link(to.join(&paths[2])).unwrap();
        assert!(units::LAID.iter().any(|laid| Path::new("/").join(laid.path) == link), "{link:?}");
    }

    #[test]
    fn the_last_resort_can_be_blessed_and_not_rebooted() {
        let paths = written(Some("\\loader\\entries\\edeploy-b-g2+0-4.conf"), None).1;
        assert_eq!(paths, ["multi-user.target.wants/edeploy-bless.service"]);
    }

    #[test]
    fn wrong_limits_are_reported_and_the_default_is_taken() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/edeploy")).unwrap();
        fs::write(root.path().join(limits::PATH), "trial-seconds soon\n").unwrap();
        let mut said = Vec::new();
        assert_eq!(limits(root.path(), &mut |line| said.push(line.to_owned())), Limits::default());
        assert!(
            said[0].starts_with("/usr/lib/edeploy/limits: limits line 1: \"trial-seconds soon\""),
            "{said:?}"
        );
    }
}
