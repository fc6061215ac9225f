//! Memory nodes, and the processors of each.

use super::cpu::ranges;
use super::list::List;
use super::tree::{Tree, numbered};

/// Adds the lines of the class `numa`.
pub(super) fn detect(tree: &Tree, list: &mut List) {
    let folder = "sys/devices/system/node";
    let nodes: Vec<u64> = tree.names(folder).iter().filter_map(|name| numbered(name, "node")).collect();
    if nodes.is_empty() {
        return;
    }
    list.push("numa", "nodes", "count", nodes.len().to_string());
    for node in nodes {
        let item = format!("node_{node}");
        let cpus = tree.value(&format!("{folder}/node{node}/cpulist"));
        list.push("numa", &item, "cpu_count", cpus.as_deref().map_or(0, ranges).to_string());
        let mask = tree.value(&format!("{folder}/node{node}/cpumap"));
        list.maybe("numa", &item, "cpu_mask", mask.map(|mask| hexadecimal(&mask)));
    }
}

/// The kernel's words of 32 bits, `00000000,0000000f`, as one number: `0xf`.
fn hexadecimal(mask: &str) -> String {
    let digits = mask.replace(',', "");
    let short = digits.trim_start_matches('0');
    format!("0x{}", if short.is_empty() { "0" } else { short })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_one_number() {
        assert_eq!(hexadecimal("003f0000,0000003f"), "0x3f00000000003f");
        assert_eq!(hexadecimal("00000000,00000000"), "0x0");
    }
}
