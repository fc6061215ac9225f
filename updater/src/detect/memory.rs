//! Memory: all of it, and each bank.

use super::dmi::{Bank, Table, banks};
use super::list::List;
use super::tree::{Tree, numbered};

/// Adds the lines of the class `memory`.
pub(super) fn detect(tree: &Tree, table: &Table, list: &mut List) {
    let banks = banks(table);
    let sum = banks.iter().filter_map(|bank| bank.bytes).try_fold(0_u64, u64::checked_add);
    let total = sum.filter(|sum| *sum > 0).or_else(|| blocks(tree)).or_else(|| usable(tree));
    list.maybe("memory", "total", "size", total.map(|bytes| bytes.to_string()));
    let many = banks.iter().any(|bank| bank.array > 0);
    let mut counted = Vec::new();
    for bank in &banks {
        counted.resize(counted.len().max(bank.array + 1), 0);
        let number = counted[bank.array];
        counted[bank.array] += 1;
        let item = if many { format!("bank:{}:{number}", bank.array) } else { format!("bank:{number}") };
        lines(&item, bank, list);
    }
    if !banks.is_empty() {
        list.push("memory", "banks", "count", banks.len().to_string());
    }
}

fn lines(item: &str, bank: &Bank, list: &mut List) {
    let mut say = |attribute, value| list.maybe("memory", item, attribute, value);
    say("size", bank.bytes.map(|bytes| bytes.to_string()));
    say("clock", bank.clock.map(|mhz| (u64::from(mhz) * 1_000_000).to_string()));
    say("description", Some(bank.description.clone()));
    say("vendor", bank.vendor.clone());
    say("product", bank.product.clone());
    say("serial", bank.serial.clone());
    say("slot", bank.slot.clone());
}

/// What the kernel was given, in blocks: exact, where it shows them.
fn blocks(tree: &Tree) -> Option<u64> {
    let folder = "sys/devices/system/memory";
    let size = u64::from_str_radix(&tree.value(&format!("{folder}/block_size_bytes"))?, 16).ok()?;
    let names = tree.names(folder);
    let count = names.iter().filter(|name| numbered(name, "memory").is_some()).count();
    size.checked_mul(count as u64).filter(|bytes| *bytes > 0)
}

/// What the kernel can give to programs: some less than there is.
fn usable(tree: &Tree) -> Option<u64> {
    let text = tree.text("proc/meminfo")?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}
