//! What a machine is called: the same name at each of its reports, and no other machine's.
//!
//! eDeploy's name is product (or vendor), serial number and the first card's address, in that order. Here the machine's
//! UUID takes the place of the address where there is one, as a card that is changed made another machine of it; where
//! there is none, the lowest address does, as the order of cards changes. Numbers that makers leave in many machines
//! count as none. A name holds letters, digits, `_` and `-`.

use crate::hardware::Hardware;

/// Parts of a name are no longer, in bytes.
const LONGEST: usize = 64;
/// What makers write in place of a serial number or UUID, without anything but letters and digits, small.
const NONE: [&str; 15] = [
    "none",
    "notspecified",
    "notprovided",
    "notapplicable",
    "notavailable",
    "notpresent",
    "na",
    "unknown",
    "defaultstring",
    "systemserialnumber",
    "tobefilledbyoem",
    "oem",
    "0123456789",
    // The same UUID, with its first parts in either order of bytes.
    "03000200040005000006000700080009",
    "00020003000400050006000700080009",
];

/// A machine says nothing by which it could be known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine has no serial number, no UUID and no network card: it could not be known again")]
pub struct Nameless;

/// The name of a machine.
///
/// # Errors
/// [`Nameless`].
pub fn name(hardware: &Hardware) -> Result<String, Nameless> {
    let product = |attribute| value(hardware, "product", attribute);
    let serial = product("serial").filter(|text| is_unique(text));
    let uuid = product("uuid").filter(|text| is_unique(text)).map(digits);
    let own = uuid.or_else(|| macs(hardware).into_iter().next().map(|mac| mac.replace(':', "-")));
    if serial.is_none() && own.is_none() {
        return Err(Nameless);
    }
    let kind = product("name").or_else(|| product("vendor")).unwrap_or_default();
    let parts = [word(kind), word(serial.unwrap_or_default()), own.unwrap_or_default()];
    let parts: Vec<&str> = parts.iter().map(|part| &**part).filter(|part| !part.is_empty()).collect();
    Ok(parts.join("-"))
}

/// The addresses of the machine's network cards, small, the lowest first.
#[must_use]
pub fn macs(hardware: &Hardware) -> Vec<String> {
    let mut macs: Vec<String> = hardware
        .lines
        .iter()
        .filter(|line| line.0[0] == "network" && line.0[2] == "serial" && is_mac(&line.0[3]))
        .map(|line| line.0[3].to_ascii_lowercase())
        .collect();
    macs.sort();
    macs.dedup();
    macs
}

fn value<'a>(hardware: &'a Hardware, item: &str, attribute: &str) -> Option<&'a str> {
    let wanted = |line: &&crate::hardware::Line| line.0[..3] == ["system", item, attribute];
    hardware.lines.iter().find(wanted).map(|line| line.0[3].trim()).filter(|value| !value.is_empty())
}

/// Letters, digits and `_` of a text.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(LONGEST).collect()
}

/// Letters, digits and dashes of a UUID, small.
fn digits(uuid: &str) -> String {
    uuid.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>().to_ascii_lowercase()
}

/// Whether a number can be one machine's alone.
#[must_use]
pub fn is_unique(text: &str) -> bool {
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let varies = plain.bytes().any(|byte| Some(&byte) != plain.as_bytes().first());
    varies && text.len() <= LONGEST && !NONE.contains(&&*plain)
}

/// Six pairs of digits that are not one card's in every machine.
fn is_mac(text: &str) -> bool {
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    let zero = ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"];
    text.split(':').count() == 6
        && text.split(':').all(pair)
        && !zero.iter().any(|bad| text.eq_ignore_ascii_case(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lines: &str) -> String {
        let hardware = Hardware::read(format!("[{lines}]").as_bytes()).unwrap();
        name(&hardware).unwrap_or_else(|error| error.to_string())
    }

    const PRODUCT: &str = "('system','product','name','ProLiant DL360p Gen8 (654081-B21)'),\
                           ('system','product','vendor','HP'),('system','product','serial','CZ3323FDVK'),";
    const CARDS: &str =
        "('network','eth1','serial','D8:9D:67:1A:D0:FD'),('network','eth0','serial','d8:9d:67:1a:d0:fc'),";
    const UUID: &str = "('system','product','uuid','4C4C4544-004B-3910-8050-B9C04F505732'),";

    #[test]
    fn a_name_is_product_serial_and_the_lowest_address_whatever_the_order_of_cards() {
        let name = "ProLiantDL360pGen8654081B21-CZ3323FDVK-d8-9d-67-1a-d0-fc";
        assert_eq!(named(&format!("{PRODUCT}{CARDS}")), name);
        let vendor = "('system','product','vendor','kvm'),('network','e','serial','52:54:12:34:00:01')";
        assert_eq!(named(vendor), "kvm-52-54-12-34-00-01");
    }

    #[test]
    fn with_a_uuid_a_changed_card_makes_no_other_machine() {
        let name = "ProLiantDL360pGen8654081B21-CZ3323FDVK-4c4c4544-004b-3910-8050-b9c04f505732";
        assert_eq!(named(&format!("{PRODUCT}{CARDS}{UUID}")), name);
        assert_eq!(named(&format!("{UUID}{PRODUCT}")), name);
    }

    #[test]
    fn what_makers_leave_in_many_machines_is_no_number() {
        for serial in
            ["0123456789", "0000000000", "To Be Filled By O.E.M.", " ", "xxx", "N/A", "Default string"]
        {
            let lines = format!("('system','product','serial','{serial}'),{CARDS}");
            assert_eq!(named(&lines), "d8-9d-67-1a-d0-fc", "{serial}");
        }
        for uuid in [
            "00000000-0000-0000-0000-000000000000",
            "03000200-0400-0500-0006-000700080009",
            "00020003-0004-0005-0006-000700080009",
        ] {
            let lines = format!("('system','product','uuid','{uuid}'),{CARDS}");
            assert_eq!(named(&lines), "d8-9d-67-1a-d0-fc", "{uuid}");
        }
    }

    #[test]
    fn a_machine_that_says_nothing_of_itself_has_no_name() {
        let says =
            "the machine has no serial number, no UUID and no network card: it could not be known again";
        assert_eq!(
            named("('network','lo','serial','00:00:00:00:00:00'),('network','x','serial','../..')"),
            says
        );
        assert_eq!(named(""), says);
        assert_eq!(named("('system','product','serial','../../../etc/S-1')"), "etcS1");
    }
}
