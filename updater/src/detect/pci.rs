//! What PCI devices are called: by the list `pci.ids` where the machine has it, else by their numbers.

use super::tree::Tree;

const LISTS: [&str; 3] = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "usr/share/pci.ids"];

/// The names of vendors and devices.
#[derive(Debug)]
pub(super) struct Names(String);

impl Names {
    /// The list of this machine.
    pub(super) fn read(tree: &Tree) -> Self {
        Self(LISTS.iter().find_map(|list| tree.text(list)).unwrap_or_default())
    }

    /// Vendor and device of these numbers: `14e4`, `1657`.
    pub(super) fn of(&self, vendor: &str, device: &str) -> (Option<&str>, Option<&str>) {
        let mut lines = self.0.lines();
        let Some(maker) = lines.find_map(|line| line.strip_prefix(vendor)?.strip_prefix("  ")) else {
            return (None, None);
        };
        let mut own = lines.take_while(|line| line.starts_with(['\t', '#']) || line.is_empty());
        let product = own.find_map(|line| line.strip_prefix('\t')?.strip_prefix(device)?.strip_prefix("  "));
        (Some(maker), product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_looked_for_below_their_vendor_only() {
        let list = "# list\n14e4  Broadcom\n\t1656  A\n\t\t1657 103c  of another\n\t1657  NetXtreme\n15b3  Mellanox\n\t1658  B\n";
        let names = Names(list.to_owned());
        assert_eq!(names.of("14e4", "1657"), (Some("Broadcom"), Some("NetXtreme")));
        assert_eq!(names.of("14e4", "1658"), (Some("Broadcom"), None));
        assert_eq!(names.of("ffff", "1657"), (None, None));
        assert_eq!(Names(String::new()).of("", ""), (None, None));
    }
}
