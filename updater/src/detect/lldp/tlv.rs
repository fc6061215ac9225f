//! One message of a switch: types, lengths and values, none of which need be what they should.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Values in a message, at most.
const MOST: usize = 100;
/// What a system can be, by bit.
const CAPABILITIES: [&str; 8] = [
    "Other",
    "Repeater",
    "Bridge",
    "WLAN Access Point",
    "Router",
    "Telephone",
    "DOCSIS Cable Device",
    "Station Only",
];

/// Attributes and values of a message, without its Ethernet header, as far as it is sound.
pub(super) fn lines(message: &[u8]) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut rest = message;
    for _ in 0..MOST {
        let Some((kind, value, behind)) = split(rest) else { break };
        if kind == 0 {
            break;
        }
        read(kind, value, &mut lines);
        rest = behind;
    }
    lines
}

/// The first value: seven bits of type, nine of length.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let head = u16::from_be_bytes(*head);
    let (value, behind) = rest.split_at_checked(usize::from(head & 0x1ff))?;
    Some(((head >> 9) as u8, value, behind))
}

fn read(kind: u8, value: &[u8], lines: &mut Vec<(String, String)>) {
    let mut say =
        |attribute: &str, value: String| lines.push((attribute.to_owned(), value.replace('/', "_")));
    match (kind, value) {
        (1, [kind, id @ ..]) => {
            let (name, id) = chassis(*kind, id);
            say(&format!("Chassis ID/{name}"), id);
        }
        (2, [kind, id @ ..]) => {
            let (name, id) = port(*kind, id);
            say(&format!("Port ID/{name}"), id);
        }
        (3, [high, low, ..]) => say("Time to Live", u16::from_be_bytes([*high, *low]).to_string()),
        (4, text) => say("Port Description", line(text)),
        (5, text) => say("System Name", line(text)),
        (6, text) => say("System Description", line(text)),
        (7, [a, b, c, d, ..]) => {
            let able = "System Capabilities/System capabilities";
            say(able, capabilities([*a, *b]));
            say(&format!("{able}/Enabled capabilities"), capabilities([*c, *d]));
        }
        (8, [length, address @ ..]) => {
            let Some((address, number)) = address.split_at_checked(usize::from(*length)) else { return };
            let Some((family, address)) = address.split_first() else { return };
            let (name, address) = network(*family, address);
            say(&format!("Management Address/{name}"), address);
            if let [_, a, b, c, d, ..] = number {
                let number = u32::from_be_bytes([*a, *b, *c, *d]);
                say(&format!("Management Address/{name}/Ifindex"), number.to_string());
            }
        }
        // IEEE 802.1: the VLAN of frames without a tag.
        (127, [0x00, 0x80, 0xc2, 1, high, low, ..]) => {
            say("Port VLAN ID/PVID", u16::from_be_bytes([*high, *low]).to_string());
        }
        // IEEE 802.3: the largest frame.
        (127, [0x00, 0x12, 0x0f, 4, high, low, ..]) => {
            say("Maximum Frame Size", u16::from_be_bytes([*high, *low]).to_string());
        }
        _ => {}
    }
}

fn chassis(kind: u8, id: &[u8]) -> (&'static str, String) {
    match kind {
        4 => ("MAC", hardware(id)),
        5 => network_of(id),
        6 => ("Ifname", line(id)),
        7 => ("Local", line(id)),
        _ => ("Component", line(id)),
    }
}

fn port(kind: u8, id: &[u8]) -> (&'static str, String) {
    match kind {
        3 => ("MAC", hardware(id)),
        4 => network_of(id),
        5 => ("Ifname", line(id)),
        7 => ("Local", line(id)),
        _ => ("Component", line(id)),
    }
}

fn network_of(id: &[u8]) -> (&'static str, String) {
    id.split_first().map_or(("Component", String::new()), |(family, address)| network(*family, address))
}

/// An address of one of IANA's families.
fn network(family: u8, address: &[u8]) -> (&'static str, String) {
    let four: Option<[u8; 4]> = address.try_into().ok().filter(|_| family == 1);
    let sixteen: Option<[u8; 16]> = address.try_into().ok().filter(|_| family == 2);
    match (four, sixteen) {
        (Some(four), _) => ("IPv4", Ipv4Addr::from(four).to_string()),
        (None, Some(sixteen)) => ("IPv6", Ipv6Addr::from(sixteen).to_string()),
        (None, None) => ("MAC", hardware(address)),
    }
}

fn hardware(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The first line of a text: descriptions have more of them.
fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

fn capabilities(bits: [u8; 2]) -> String {
    let bits = u16::from_be_bytes(bits);
    let names = CAPABILITIES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        [&(u16::from(kind) << 9 | length).to_be_bytes()[..], value].concat()
    }

    fn said(message: &[u8]) -> Vec<String> {
        lines(message).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// What the switch of eDeploy's second sample sent.
    fn switch() -> Vec<u8> {
        [
            tlv(1, &[4, 0x58, 0xf3, 0x9c, 0x81, 0xad, 0x95]),
            tlv(2, b"\x05Ethernet1/14"),
            tlv(3, &[0, 120]),
            tlv(4, b"SRV-51D4-14"),
            tlv(5, b"AC3K-51D4-05.local"),
            tlv(6, b"Cisco Nexus Operating System\nTAC support: none"),
            tlv(7, &[0, 0x14, 0, 0x14]),
            tlv(8, &[5, 1, 10, 100, 5, 24, 2, 5, 0, 0, 0, 0]),
            tlv(127, &[0, 0x80, 0xc2, 1, 0, 100]),
            tlv(0, &[]),
            tlv(5, b"behind the end"),
        ]
        .concat()
    }

    #[test]
    fn a_message_has_the_names_that_edeploy_gave() {
        assert_eq!(
            said(&switch()),
            [
                "Chassis ID/MAC=58:f3:9c:81:ad:95",
                "Port ID/Ifname=Ethernet1_14",
                "Time to Live=120",
                "Port Description=SRV-51D4-14",
                "System Name=AC3K-51D4-05.local",
                "System Description=Cisco Nexus Operating System",
                "System Capabilities/System capabilities=Bridge, Router",
                "System Capabilities/System capabilities/Enabled capabilities=Bridge, Router",
                "Management Address/IPv4=10.100.5.24",
                "Management Address/IPv4/Ifindex=83886080",
                "Port VLAN ID/PVID=100",
            ]
        );
    }

    #[test]
    fn a_message_may_be_cut_anywhere() {
        let whole = said(&switch());
        for cut in 0..switch().len() {
            let part = said(&switch()[..cut]);
            assert_eq!(part, whole[..part.len()], "cut at {cut}");
        }
    }

    #[test]
    fn any_byte_may_be_any_other() {
        let message = switch();
        for at in 0..message.len() {
            for byte in 0..=255 {
                let mut message = message.clone();
                message[at] = byte;
                assert!(lines(&message).len() <= 13, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn hostile_values_are_left_out_or_shown_as_they_are() {
        for (kind, value, says) in [
            (1, &b""[..], &[][..]),
            (1, b"\x04", &["Chassis ID/MAC="]),
            (1, b"\x05", &["Chassis ID/Component="]),
            (1, b"\x05\x01\x7f\0\0\x01", &["Chassis ID/IPv4=127.0.0.1"]),
            (2, b"\x05\xff\xfe", &["Port ID/Ifname=\u{fffd}\u{fffd}"]),
            (2, b"\x63what", &["Port ID/Component=what"]),
            (3, b"\x01", &[]),
            (7, b"\xff\xff\xff", &[]),
            (8, b"\xff\x01\x7f", &[]),
            (8, b"\0", &[]),
            (8, b"\x05\x01\x0a\0\0\x01\x02\x05", &["Management Address/IPv4=10.0.0.1"]),
            (8, b"\x03\x06ab", &["Management Address/MAC=61:62"]),
            (127, b"\0\x80\xc2\x01\x01", &[]),
            (127, b"", &[]),
            (99, b"anything", &[]),
        ] {
            assert_eq!(said(&tlv(kind, value)), says, "type {kind}, {value:?}");
        }
    }

    #[test]
    fn a_message_without_end_ends() {
        let endless = tlv(5, b"a").repeat(10_000);
        assert_eq!(lines(&endless).len(), MOST);
    }
}
