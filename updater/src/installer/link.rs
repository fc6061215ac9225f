//! What each network card gets: eDeploy's `IP=`, a list of `card:configuration` with commas.
//!
//! A card is a name, `all`, or `other` for those that no rule names; a configuration is `dhcp`, `none`, or an address
//! with the length of its network, and may end in `@vlan`. The first rule that fits counts; without one it is `dhcp`.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// The rules for all cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    rules: Vec<(Card, Link)>,
    /// The gateway of static addresses.
    pub gateway: Option<Ipv4Addr>,
    /// The name servers of static addresses.
    pub dns: Vec<Ipv4Addr>,
}

/// Which cards a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Card {
    Named(String),
    All,
    Other,
}

/// How one card is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its address.
    pub address: Address,
    /// The VLAN it is in, if it is.
    pub vlan: Option<u16>,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// From DHCP.
    Dhcp,
    /// The card is left alone.
    None,
    /// This one.
    Static(Network),
}

/// An address with the length of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of its network, 1 to 32.
    pub length: u8,
}

/// Why a rule is none.
#[derive(Debug, thiserror::Error)]
pub enum BadLink {
    /// No card before it.
    #[error("{0:?} is no card:configuration")]
    Form(String),
    /// The kernel gives no card such a name.
    #[error("{0:?} is no name of a network card")]
    Card(String),
    /// The configuration.
    #[error("{0:?} is neither dhcp, none nor an address with /length")]
    Address(String),
    /// Gateway or name server.
    #[error("{0:?} is no IPv4 address")]
    Plain(String),
    /// The VLAN.
    #[error("{0:?} is no VLAN: a number from 1 to 4094")]
    Vlan(String),
}

/// The kernel's limit for the name of a card.
const NAME_LIMIT: usize = 15;

/// Whether the kernel could call a card that.
pub(super) fn is_card(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=NAME_LIMIT).contains(&name.len()) && !name.starts_with(['-', '.']) && name.chars().all(plain)
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let bits = |address: Ipv4Addr| u64::from(address.to_bits()) >> (32 - u32::from(self.length));
        bits(self.address) == bits(address)
    }
}

impl FromStr for Network {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let parsed = text.split_once('/').and_then(|(address, length)| {
            let network = Self { address: address.parse().ok()?, length: length.parse().ok()? };
            (1..=32).contains(&network.length).then_some(network)
        });
        parsed.ok_or_else(|| BadLink::Address(text.to_owned()))
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let (address, vlan) = match text.split_once('@') {
            None => (text, None),
            Some((address, vlan)) => {
                let number = vlan.parse().ok().filter(|number| (1..=4094).contains(number));
                (address, Some(number.ok_or_else(|| BadLink::Vlan(vlan.to_owned()))?))
            }
        };
        let address = match address {
            "dhcp" => Address::Dhcp,
            "none" => Address::None,
            other => Address::Static(other.parse()?),
        };
        Ok(Self { address, vlan })
    }
}

impl Links {
    /// Takes the rules of one `IP=`, in place of those before.
    ///
    /// # Errors
    /// [`BadLink`].
    pub fn rules(&mut self, text: &str) -> Result<(), BadLink> {
        self.rules.clear();
        for rule in text.split(',').filter(|rule| !rule.is_empty()) {
            let (card, link) = rule.split_once(':').ok_or_else(|| BadLink::Form(rule.to_owned()))?;
            let card = match card {
                "all" => Card::All,
                "other" => Card::Other,
                name if is_card(name) => Card::Named(name.to_owned()),
                name => return Err(BadLink::Card(name.to_owned())),
            };
            self.rules.push((card, link.parse()?));
        }
        Ok(())
    }

    /// Takes the gateway of static addresses.
    ///
    /// # Errors
    /// [`BadLink::Plain`].
    pub fn gateway(&mut self, text: &str) -> Result<(), BadLink> {
        self.gateway = Some(plain(text)?);
        Ok(())
    }

    /// Takes one more name server of static addresses.
    ///
    /// # Errors
    /// [`BadLink::Plain`].
    pub fn name_server(&mut self, text: &str) -> Result<(), BadLink> {
        self.dns.push(plain(text)?);
        Ok(())
    }

    /// How the card `name` is set up.
    #[must_use]
    pub fn of(&self, name: &str) -> Link {
        let named = |card: &Card| matches!(card, Card::Named(named) if named == name);
        let is_named = self.rules.iter().any(|(card, _)| named(card));
        let fits = |card: &Card| match card {
            Card::All => true,
            Card::Other => !is_named,
            Card::Named(_) => named(card),
        };
        let rule = self.rules.iter().find(|(card, _)| fits(card));
        rule.map_or(Link { address: Address::Dhcp, vlan: None }, |(_, link)| *link)
    }
}

fn plain(text: &str) -> Result<Ipv4Addr, BadLink> {
    text.parse().map_err(|_| BadLink::Plain(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Links {
        let mut links = Links::default();
        links.rules(text).unwrap();
        links
    }

    fn of(text: &str, card: &str) -> (Address, Option<u16>) {
        let link = links(text).of(card);
        (link.address, link.vlan)
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_without_one_it_is_dhcp() {
        let fixed = Address::Static(Network { address: Ipv4Addr::new(10, 0, 0, 7), length: 24 });
        let text = "eth0:10.0.0.7/24@12,eth1:dhcp@5,other:none";
        assert_eq!(of(text, "eth0"), (fixed, Some(12)));
        assert_eq!(of(text, "eth1"), (Address::Dhcp, Some(5)));
        assert_eq!(of(text, "eth2"), (Address::None, None));
        assert_eq!(of("all:none,eth0:dhcp", "eth0"), (Address::None, None));
        assert_eq!(of("other:none,eth0:dhcp", "eth0"), (Address::Dhcp, None));
        assert_eq!(of("eth0:none", "eth1"), (Address::Dhcp, None));
        assert_eq!(of("", "eth1"), (Address::Dhcp, None));
    }

    #[test]
    fn a_network_contains_what_has_its_beginning() {
        let network: Network = "10.0.0.7/24".parse().unwrap();
        let contains = |text: &str| network.contains(text.parse().unwrap());
        assert_eq!(["10.0.0.1", "10.0.1.1", "10.0.0.255"].map(contains), [true, false, true]);
        let all: Network = "10.0.0.7/1".parse().unwrap();
        assert!(all.contains([127, 0, 0, 1].into()) && !all.contains([192, 0, 2, 1].into()));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_part() {
        let wrong = |text: &str| Links::default().rules(text).unwrap_err().to_string();
        assert_eq!(wrong("dhcp"), "\"dhcp\" is no card:configuration");
        assert_eq!(wrong("eth0:dhcp@4095"), "\"4095\" is no VLAN: a number from 1 to 4094");
        assert_eq!(
            wrong("eth0:10.0.0.1/33"),
            "\"10.0.0.1/33\" is neither dhcp, none nor an address with /length"
        );
        assert_eq!(wrong("../x:dhcp"), "\"../x\" is no name of a network card");
        assert_eq!(wrong("$(id):dhcp"), "\"$(id)\" is no name of a network card");
        assert_eq!(Links::default().gateway("gate").unwrap_err().to_string(), "\"gate\" is no IPv4 address");
    }
}
