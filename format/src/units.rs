//! What the host needs of systemd: units, links and masks that `rolebuild` lays into every tree.
//!
//! The texts lie in `format/units/`, as systemd reads them. On every boot `edeploy-boot.service`
//! brings /var and the persistent paths and `edeploy-health.service` runs the role's checks; what can
//! bless or reboot a trial is wanted by nothing here: the generator adds it on counted boots only.
//! A role sets its limits with a file at [`limits::PATH`](crate::limits::PATH), not with drop-ins.

/// Where `rolebuild` lays the host binary.
pub const BINARY: &str = "usr/bin/edeploy-ab";
/// The persistent paths of the role, one per line, relative to the root, as the manifest's head has them.
pub const PERSISTENT: &str = "usr/lib/edeploy/persistent";
/// Folder of the health checks that must pass; executables, run in the order of their names.
pub const HEALTH_REQUIRED: &str = "usr/lib/edeploy/health.d/required";
/// Folder of the health checks that are only reported.
pub const HEALTH_WANTED: &str = "usr/lib/edeploy/health.d/wanted";

/// One path to lay into a tree, owned by root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laid {
    /// Relative to the root of the tree. Missing folders above it are made with mode 0755.
    pub path: &'static str,
    /// What it is.
    pub what: What,
}

/// What is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A file of mode 0644 with this text.
    File(&'static str),
    /// A symbolic link to this target.
    Symlink(&'static str),
}

macro_rules! unit {
    ($name:literal) => {
        Laid {
            path: concat!("usr/lib/systemd/system/", $name),
            what: What::File(include_str!(concat!("../units/", $name))),
        }
    };
}

const fn link(path: &'static str, target: &'static str) -> Laid {
    Laid { path, what: What::Symlink(target) }
}

macro_rules! masked {
    ($name:literal) => {
        link(concat!("etc/systemd/system/", $name), "/dev/null")
    };
}

/// Everything, sorted by path. It replaces what the tree has there.
pub const LAID: &[Laid] = &[
    // They would change a tree that does not change, or keep what the read-only root does not need.
    masked!("apt-daily-upgrade.timer"),
    masked!("apt-daily.timer"),
    masked!("dpkg-db-backup.timer"),
    masked!("e2scrub_all.timer"),
    masked!("e2scrub_reap.service"),
    link("usr/lib/systemd/system-generators/edeploy-generator", "../../../bin/edeploy-ab"),
    Laid {
        path: "usr/lib/systemd/system.conf.d/edeploy.conf",
        what: What::File(include_str!("../units/watchdog.conf")),
    },
    link(
        "usr/lib/systemd/system/boot-complete.target.requires/edeploy-health.service",
        "../edeploy-health.service",
    ),
    unit!("edeploy-bless.service"),
    unit!("edeploy-boot.service"),
    unit!("edeploy-health.service"),
    unit!("edeploy-trial-limit.service"),
    unit!("edeploy-trial-reboot.service"),
    link("usr/lib/systemd/system/local-fs.target.requires/edeploy-boot.service", "../edeploy-boot.service"),
    link("usr/lib/systemd/system/local-fs.target.wants/tmp.mount", "../tmp.mount"),
    link(
        "usr/lib/systemd/system/multi-user.target.wants/edeploy-health.service",
        "../edeploy-health.service",
    ),
    Laid {
        path: "usr/lib/systemd/system/systemd-journal-flush.service.d/edeploy.conf",
        what: What::File(include_str!("../units/journal-flush.conf")),
    },
    unit!("tmp.mount"),
];

/// The name under which the host binary is systemd's generator.
pub const GENERATOR: &str = "edeploy-generator";
/// Drop-in for `edeploy-health.service` on a counted trial.
pub const TRIAL_HEALTH: &str = include_str!("../units/trial-health.conf");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::TreePath;

    #[test]
    fn what_is_laid_is_sorted_and_each_path_once() {
        let paths: Vec<_> = LAID.iter().map(|laid| TreePath::new(laid.path).unwrap()).collect();
        assert!(paths.is_sorted_by(|a, b| a.as_str() < b.as_str()), "{paths:?}");
    }

    #[test]
    fn every_link_leads_to_what_is_laid() {
        for laid in LAID {
            let What::Symlink(target) = laid.what else { continue };
            if target == "/dev/null" {
                continue;
            }
            let mut at: Vec<&str> = laid.path.split('/').collect();
            at.pop();
            for part in target.split('/') {
                match part {
                    ".." => drop(at.pop()),
                    name => at.push(name),
                }
            }
            let at = at.join("/");
            assert!(at == BINARY || LAID.iter().any(|other| other.path == at), "{} -> {at}", laid.path);
        }
    }

    #[test]
    fn nothing_that_can_reboot_is_wanted_on_every_boot() {
        for laid in LAID {
            let What::File(text) = laid.what else { continue };
            let name = laid.path.rsplit('/').next().unwrap();
            let wanted = LAID.iter().any(|l| l.path.contains(".target.") && l.path.ends_with(name));
            let reboots = text.lines().any(|line| !line.starts_with('#') && line.contains("Action=reboot"));
            assert!(!(wanted && reboots), "{name}");
        }
    }

    #[test]
    fn the_hardware_watchdog_is_armed_on_every_boot() {
        let path = "usr/lib/systemd/system.conf.d/edeploy.conf";
        let laid = LAID.iter().find(|laid| laid.path == path).unwrap();
        let What::File(text) = laid.what else { panic!("{path} is a link") };
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, ["[Manager]", "RuntimeWatchdogSec=2min", "RebootWatchdogSec=10min"]);
    }

    #[test]
    fn units_run_the_binary_where_it_is_laid() {
        for laid in LAID {
            let What::File(text) = laid.what else { continue };
            for line in text.lines().filter(|l| l.starts_with("ExecStart=") && l.contains("edeploy-ab")) {
                assert!(line.contains(&format!("/{BINARY} ")), "{line}");
            }
        }
    }
}
