//! The network cards as the kernel shows them, when it is the turn of each, and what of them is waited for. Nothing here
//! changes any.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::link::is_card;

/// A card that could not be set up has another turn after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// One that has no carrier so long after it was raised has no cable.
const NEGOTIATION: Duration = Duration::from_secs(5);
/// Once one has an address the others have so long to get theirs.
const SETTLING: Duration = Duration::from_secs(10);

/// Which cards were set up, and when one where that failed is tried again.
#[derive(Debug, Default)]
pub(super) struct Turns(BTreeMap<String, Option<Instant>>);

impl Turns {
    /// Whether it is the turn of `card`.
    pub(super) fn is_due(&self, card: &str, now: Instant) -> bool {
        match self.0.get(card) {
            None => true,
            Some(again) => again.is_some_and(|again| now >= again),
        }
    }

    /// It had its turn, and is set up now or not.
    pub(super) fn had(&mut self, card: &str, is_up: bool, now: Instant) {
        self.0.insert(card.to_owned(), (!is_up).then(|| now + AGAIN));
    }

    /// It is gone: one of its name has a turn again.
    pub(super) fn forget(&mut self, card: &str) {
        self.0.remove(card);
    }
}

/// What keeps the network from being up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No card shows itself.
    Card,
    /// None has a link.
    Carrier,
    /// Nobody has given an address yet.
    Lease,
    /// None that has a link is to have one.
    Rule,
}

impl Missing {
    /// What is missing where no card has an address.
    pub(super) fn of(cards: &[Seen]) -> Self {
        let linked: Vec<&Seen> = cards.iter().filter(|card| card.has_carrier).collect();
        match (cards, linked.is_empty()) {
            ([], _) => Self::Card,
            (_, true) => Self::Carrier,
            (_, false) if linked.iter().all(|card| !card.asks) => Self::Rule,
            (_, false) => Self::Lease,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Card => "a network card: none shows itself, or its driver is not in this initrd",
            Self::Carrier => "a link: no network card has a carrier; is a cable plugged in?",
            Self::Lease => "an address: no DHCP server has answered yet",
            Self::Rule => "an address: IP= leaves every card that has a link alone",
        }
    }
}

/// What is seen of a card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Whether it has a link.
    pub(super) has_carrier: bool,
    /// Whether it is to have an address.
    pub(super) asks: bool,
    /// Whether it has one.
    pub(super) has_address: bool,
    /// How long ago it was raised.
    pub(super) raised: Duration,
}

impl Seen {
    /// Whether more is to be expected of it: a link that is negotiated, or an address.
    fn is_coming(&self) -> bool {
        if self.has_carrier { self.asks && !self.has_address } else { self.raised < NEGOTIATION }
    }
}

/// Whether all cards are what they will be, so that a report says of none what it is by chance. What has not come when
/// `waited` is over is not waited for.
pub(super) fn are_settled(cards: &[Seen], waited: Duration) -> bool {
    waited >= SETTLING || !cards.iter().any(Seen::is_coming)
}

/// What a card's VLAN is called: by the card, or by its number where that is too long for the kernel.
pub(super) fn tagged(card: &str, number: &str, vlan: u16) -> String {
    let name = format!("{card}.{vlan}");
    if is_card(&name) { name } else { format!("v{number}.{vlan}") }
}

/// The number that the kernel gave a card, another one each time that a card comes; none where there is no such card.
pub(super) fn number(sys: &Path, card: &str) -> Option<String> {
    let number = fs::read_to_string(sys.join("class/net").join(card).join("ifindex")).ok()?;
    Some(number.trim().to_owned())
}

/// The Ethernet cards: what has a device and speaks Ethernet.
pub(super) fn cards(sys: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(sys.join("class/net")) else { return Vec::new() };
    let mut cards: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let kind = fs::read_to_string(entry.path().join("type")).unwrap_or_default();
            kind.trim() == "1" && entry.path().join("device").exists()
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    cards.sort();
    cards
}

/// Whether it has a link.
pub(super) fn has_carrier(sys: &Path, card: &str) -> bool {
    let carrier = fs::read_to_string(sys.join("class/net").join(card).join("carrier"));
    carrier.is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_could_not_be_set_up_has_another_turn() {
        let (mut turns, begun) = (Turns::default(), Instant::now());
        assert!(turns.is_due("eth0", begun));
        turns.had("eth0", false, begun);
        turns.had("eth1", true, begun);
        let due = |turns: &Turns, after| ["eth0", "eth1"].map(|card| turns.is_due(card, begun + after));
        assert_eq!(due(&turns, AGAIN - Duration::from_millis(1)), [false, false]);
        assert_eq!(due(&turns, AGAIN), [true, false]);
        turns.had("eth0", true, begun + AGAIN);
        assert_eq!(due(&turns, 9 * AGAIN), [false, false]);
    }

    #[test]
    fn a_card_that_comes_back_has_its_turn_again() {
        let (mut turns, begun) = (Turns::default(), Instant::now());
        ["eth0", "eth1"].into_iter().for_each(|card| turns.had(card, true, begun));
        turns.forget("eth1");
        assert_eq!(["eth0", "eth1"].map(|card| turns.is_due(card, begun)), [false, true]);
    }

    const CARD: Seen = Seen { has_carrier: true, asks: true, has_address: false, raised: Duration::ZERO };

    #[test]
    fn what_is_missing_is_the_first_that_is() {
        let unplugged = Seen { has_carrier: false, ..CARD };
        let unruled = Seen { asks: false, ..CARD };
        assert_eq!(Missing::of(&[]), Missing::Card);
        assert_eq!(Missing::of(&[unplugged, unplugged]), Missing::Carrier);
        assert_eq!(Missing::of(&[unplugged, unruled]), Missing::Rule);
        assert_eq!(Missing::of(&[unruled, CARD]), Missing::Lease);
    }

    #[test]
    fn a_late_answer_of_dhcp_and_a_link_that_comes_are_waited_for_and_not_for_ever() {
        let up = Seen { has_address: true, ..CARD };
        let unplugged = Seen { has_carrier: false, ..CARD };
        let moment = Duration::from_millis(1);
        assert!(are_settled(&[up], Duration::ZERO), "a machine with one card does not wait");
        assert!(are_settled(&[up, Seen { asks: false, ..CARD }], Duration::ZERO), "it is to be left alone");
        assert!(!are_settled(&[up, CARD], SETTLING - moment), "it has a link, and DHCP is late");
        assert!(are_settled(&[up, CARD], SETTLING), "there is no DHCP");
        assert!(!are_settled(&[up, unplugged], Duration::ZERO), "its link may come");
        let later = Seen { raised: NEGOTIATION, ..unplugged };
        assert!(are_settled(&[up, later], NEGOTIATION), "it has no cable");
    }

    #[test]
    fn each_card_has_a_vlan_of_its_own_whose_name_the_kernel_takes() {
        let names = ["eth0", "eth1", "enp65s0f0np0"].map(|card| tagged(card, "12", 4094));
        assert_eq!(names, ["eth0.4094", "eth1.4094", "v12.4094"]);
    }

    #[test]
    fn a_card_is_known_by_the_number_that_the_kernel_gave_it() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(number(sys.path(), "eth0"), None);
        let folder = sys.path().join("class/net/eth0");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ifindex"), "12\n").unwrap();
        assert_eq!(number(sys.path(), "eth0").as_deref(), Some("12"));
    }

    #[test]
    fn cards_are_what_has_a_device_and_speaks_ethernet() {
        let sys = tempfile::tempdir().unwrap();
        for (name, kind, device, carrier) in [
            ("eth1", "1\n", true, "1\n"),
            ("eth0", "1\n", true, "0\n"),
            ("lo", "772\n", false, "1\n"),
            ("bond0", "1\n", false, "1\n"),
            ("ib0", "32\n", true, "1\n"),
        ] {
            let folder = sys.path().join("class/net").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("type"), kind).unwrap();
            fs::write(folder.join("carrier"), carrier).unwrap();
            if device {
                fs::create_dir(folder.join("device")).unwrap();
            }
        }
        assert_eq!(cards(sys.path()), ["eth0", "eth1"]);
        assert_eq!([has_carrier(sys.path(), "eth0"), has_carrier(sys.path(), "eth1")], [false, true]);
    }
}
