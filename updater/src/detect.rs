//! The hardware of a machine, as eDeploy's list of class, item, attribute and value.
//!
//! Everything is read below a root that is passed in, from /sys, /proc and the firmware's tables; tools of RAID
//! controllers, of the management controller and of disks are asked where they are there, each for a limited time.
//! What cannot be read is left out: there is no hardware for which a machine has no list. `docs/hardware.md` says
//! which lines there are. [`hint`] chooses the disk of an install.

mod cpu;
mod disks;
mod dmi;
pub mod hint;
mod infiniband;
mod ipmi;
mod list;
mod lldp;
mod memory;
mod network;
mod numa;
mod pci;
mod raid;
mod smart;
pub(crate) mod system;
mod tools;
mod tree;

pub use list::Line;

use std::path::Path;
use std::time::Duration;

use edeploy_format::fleet::Arrival;

use dmi::Table;
use list::List;
use network::Kernel;
use tools::Tools;
use tree::Tree;

/// All tools together may take so long; what was not asked by then is left out.
const TOOLS: Duration = Duration::from_secs(120);

/// All lines of the machine whose file systems lie below `root`, but for those of LLDP.
#[must_use]
pub fn hardware(root: &Path) -> Vec<Line> {
    let tree = Tree::new(root);
    let tools = Tools::new(&tree, TOOLS);
    let table = Table::read(&tree);
    let mut list = List::default();
    raid::detect(&tools, &mut list);
    disks::detect(&tree, &tools, &mut list);
    system::detect(&tree, &table, &mut list);
    memory::detect(&tree, &table, &mut list);
    network::detect(&tree, &Kernel::new(&tree), &mut list);
    cpu::detect(&tree, &table, &mut list);
    numa::detect(&tree, &mut list);
    infiniband::detect(&tree, &mut list);
    ipmi::detect(&tree, &tools, &mut list);
    system::fix_serial(&mut list);
    list.into_lines()
}

/// What the machine whose file systems lie below `root` is known by before anything else is known of it.
#[must_use]
pub fn arrival(root: &Path, uefi: bool) -> Arrival {
    let tree = Tree::new(root);
    let firmware = |name: &str| tree.value(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let (uuid, serial) = (firmware("product_uuid"), firmware("product_serial"));
    Arrival { macs: network::addresses(&tree), uuid, serial, uefi }
}

/// What the switches of this machine say of themselves within `wait`, as lines of the class `lldp`.
#[must_use]
pub fn neighbours(wait: Duration) -> Vec<Line> {
    let mut list = List::default();
    lldp::detect(&network::cards(&Tree::new(Path::new("/"))), wait, &mut list);
    list.into_lines()
}

/// What one message of a switch, without its Ethernet header, says of the neighbour of `card`.
#[must_use]
pub fn heard(card: &str, message: &[u8]) -> Vec<Line> {
    let mut list = List::default();
    lldp::heard(card, message, &mut list);
    list.into_lines()
}
