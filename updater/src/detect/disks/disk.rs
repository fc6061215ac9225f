//! One disk.

use super::super::tree::Tree;
use super::names;

/// What is known of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Disk {
    /// The kernel's name.
    pub(in super::super) name: String,
    /// Its size.
    pub(in super::super) bytes: u64,
    /// Whether its medium can be taken out.
    pub(in super::super) removable: bool,
    /// Whether the kernel refuses writes.
    pub(in super::super) read_only: bool,
    /// Whether it turns.
    pub(in super::super) rotational: Option<bool>,
    /// Who made it.
    pub(in super::super) vendor: Option<String>,
    /// What it is.
    pub(in super::super) model: Option<String>,
    /// Its firmware.
    pub(in super::super) revision: Option<String>,
    /// Which one it is.
    pub(in super::super) serial: Option<String>,
    /// Its names below /dev/disk/by-id.
    pub(in super::super) ids: Vec<String>,
}

impl Disk {
    /// Reads the disk of that name, if it is one and holds something.
    pub(super) fn read(tree: &Tree, name: &str) -> Option<Self> {
        let at = |path: &str| format!("sys/block/{name}/{path}");
        if !is_hardware(tree, name) {
            return None;
        }
        // The kernel counts in units of 512 bytes, whatever the disk's sectors are.
        let bytes = tree.number(&at("size"))?.checked_mul(512)?;
        if bytes == 0 {
            return None;
        }
        let flag = |path: &str| tree.number(&at(path)).map(|number| number != 0);
        let serial = names::serial(tree, name);
        let model = tree.value(&at("device/model"));
        Some(Self {
            name: name.to_owned(),
            bytes,
            removable: flag("removable") == Some(true),
            read_only: flag("ro") == Some(true),
            rotational: flag("queue/rotational"),
            vendor: tree.value(&at("device/vendor")),
            ids: names::ids(tree, name, model.as_deref(), serial.as_deref()),
            model,
            revision: ["rev", "firmware_rev", "fwrev"]
                .iter()
                .find_map(|file| tree.value(&at(&format!("device/{file}")))),
            serial,
        })
    }

    /// Its node below /dev: the kernel writes `!` for a slash.
    pub(in super::super) fn node(&self) -> String {
        self.name.replace('!', "/")
    }
}

fn is_hardware(tree: &Tree, name: &str) -> bool {
    let drive = ["sr", "scd", "fd", "loop", "ram", "zram", "dm-", "md", "mtdblock"];
    let boot = name.starts_with("mmcblk") && name.contains("boot");
    let hidden = tree.number(&format!("sys/block/{name}/hidden")).is_some_and(|hidden| hidden != 0);
    !drive.iter().any(|drive| name.starts_with(drive))
        && !boot
        && !hidden
        && tree.holds(&format!("sys/block/{name}/device"))
}
