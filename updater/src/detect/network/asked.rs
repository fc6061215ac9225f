//! What a card's driver and the kernel's network answer, no file having it.

use std::net::Ipv4Addr;

use super::features::Feature;

/// The answers; nothing where nobody was asked, or did not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its first IPv4 address, with the mask.
    pub(super) ipv4: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The version of its firmware.
    pub(super) firmware: Option<String>,
    /// Whether it agrees with the other side on the speed.
    pub(super) autonegotiation: Option<bool>,
    /// Flow control: agreed on, when receiving, when sending.
    pub(super) pause: Option<[bool; 3]>,
    /// What it does for the kernel.
    pub(super) features: Vec<Feature>,
}

impl Asked {
    /// The lines of the address.
    pub(super) fn address(&self) -> Vec<(&'static str, String)> {
        let Some((address, mask)) = self.ipv4 else { return Vec::new() };
        let network = Ipv4Addr::from(u32::from(address) & u32::from(mask));
        vec![
            ("ipv4", address.to_string()),
            ("ipv4-netmask", mask.to_string()),
            ("ipv4-cidr", u32::from(mask).leading_ones().to_string()),
            ("ipv4-network", network.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_follows_from_address_and_mask() {
        let ipv4 = Some((Ipv4Addr::new(10, 66, 6, 247), Ipv4Addr::new(255, 255, 254, 0)));
        let lines = Asked { ipv4, ..Asked::default() }.address();
        let values: Vec<&str> = lines.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["10.66.6.247", "255.255.254.0", "23", "10.66.6.0"]);
        assert_eq!(Asked::default().address(), []);
    }
}
