//! Which disks are in use: mounted, swapped on, or part of another device.

use super::super::tree::Tree;

/// What is in use, as the kernel tells it.
#[derive(Debug)]
pub(super) struct Used {
    /// Device numbers and nodes of what is mounted, and where.
    mounts: Vec<(String, String, String)>,
    swaps: Vec<String>,
}

impl Used {
    /// Of this machine.
    pub(super) fn read(tree: &Tree) -> Self {
        let mounts = tree.text("proc/self/mountinfo").unwrap_or_default();
        let swaps = tree.text("proc/swaps").unwrap_or_default();
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        Self {
            mounts: mounts.lines().filter_map(mount).collect(),
            swaps: swaps.lines().skip(1).filter_map(first).collect(),
        }
    }

    /// Who uses this disk, or a partition of it.
    pub(super) fn by(&self, tree: &Tree, disk: &str) -> Option<String> {
        let folder = format!("sys/block/{disk}");
        let is_part = |name: &String| tree.holds(&format!("{folder}/{name}/partition"));
        let parts = tree.names(&folder).into_iter().filter(is_part);
        let whole = (folder.clone(), disk.to_owned());
        let all = std::iter::once(whole).chain(parts.map(|name| (format!("{folder}/{name}"), name)));
        for (folder, name) in all {
            let number = tree.value(&format!("{folder}/dev"));
            let node = format!("/dev/{}", name.replace('!', "/"));
            let mounted =
                self.mounts.iter().find(|(at, source, _)| Some(at) == number.as_ref() || *source == node);
            if let Some((_, _, place)) = mounted {
                return Some(format!("{name} is mounted at {place}"));
            }
            if self.swaps.contains(&node) {
                return Some(format!("{name} is swap"));
            }
            if let Some(holder) = tree.names(&format!("{folder}/holders")).first() {
                return Some(format!("{name} is part of {holder}"));
            }
        }
        None
    }
}

/// Number, source and place of a line of mountinfo(5): `36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw`.
fn mount(line: &str) -> Option<(String, String, String)> {
    let (before, behind) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let (number, _, place) = (fields.next()?, fields.next()?, fields.next()?);
    let source = behind.split(' ').nth(1)?;
    Some((number.to_owned(), source.to_owned(), place.to_owned()))
}
