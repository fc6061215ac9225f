//! The disks of a machine, as /sys/block shows them.
//!
//! Hardware is what has a device behind it: no loop, RAM disk, device mapper or software RAID, and no drive for
//! discs or floppies. What is removable counts as a disk for nobody but who asks why it was not taken.

mod disk;
mod names;

pub(super) use disk::Disk;

use super::list::List;
use super::smart;
use super::tools::Tools;
use super::tree::Tree;

/// All disks with something in them.
pub(super) fn found(tree: &Tree) -> Vec<Disk> {
    tree.names("sys/block").iter().filter_map(|name| Disk::read(tree, name)).collect()
}

/// Adds the lines of the disks that stay.
pub(super) fn detect(tree: &Tree, tools: &Tools<'_>, list: &mut List) {
    let disks: Vec<Disk> = found(tree).into_iter().filter(|disk| !disk.removable).collect();
    list.push("disk", "logical", "count", disks.len().to_string());
    let smartctl = tools.find(&["smartctl"]);
    for disk in &disks {
        lines(tree, disk, list);
        if let Some(smartctl) = &smartctl {
            let path = tree.path(&format!("dev/{}", disk.node()));
            smart::lines(&disk.name, &smartctl.ask(&["-a", &path.to_string_lossy()]), list);
        }
    }
}

fn lines(tree: &Tree, disk: &Disk, list: &mut List) {
    let name = disk.name.as_str();
    let mut say = |attribute: &str, value: Option<String>| list.maybe("disk", name, attribute, value);
    say("size", Some((disk.bytes / 1_000_000_000).to_string()));
    say("vendor", disk.vendor.clone());
    say("model", disk.model.clone());
    say("rev", disk.revision.clone());
    for attribute in ["optimal_io_size", "physical_block_size", "rotational", "nr_requests"] {
        say(attribute, tree.value(&format!("sys/block/{name}/queue/{attribute}")));
    }
    say("scheduler", scheduler(tree, name));
    if let Some((write, read)) = cache(tree, name) {
        say("Write Cache Enable", Some(write.to_owned()));
        say("Read Cache Disable", read.map(str::to_owned));
    }
    say("serial", disk.serial.clone());
    for id in &disk.ids {
        let attribute = match id {
            id if id.starts_with("wwn") => "wwn-id",
            id if id.starts_with("scsi") => "scsi-id",
            _ => "id",
        };
        say(attribute, Some(id.clone()));
    }
}

/// The one in brackets: `none [mq-deadline]`.
fn scheduler(tree: &Tree, name: &str) -> Option<String> {
    let text = tree.value(&format!("sys/block/{name}/queue/scheduler"))?;
    let (_, behind) = text.split_once('[')?;
    Some(behind.split_once(']')?.0.to_owned())
}

/// WCE and RCD, as eDeploy asked SCSI disks for them; of others only the first is known.
fn cache(tree: &Tree, name: &str) -> Option<(&'static str, Option<&'static str>)> {
    let scsi = format!("sys/block/{name}/device/scsi_disk");
    if let Some(address) = tree.names(&scsi).first() {
        let kind = tree.value(&format!("{scsi}/{address}/cache_type"))?;
        return Some(match kind.as_str() {
            "write through" => ("0", Some("0")),
            "none" => ("0", Some("1")),
            kind if kind.contains("daft") => ("1", Some("1")),
            _ => ("1", Some("0")),
        });
    }
    let kind = tree.value(&format!("sys/block/{name}/queue/write_cache"))?;
    Some((if kind == "write back" { "1" } else { "0" }, None))
}
