//! A DHCP lease, as busybox's udhcpc tells its hook: which is this program, called by another name.
//!
//! Values come from whoever answers first on the network. Each is parsed into an address before it is used, and
//! handed on as one word; there is no shell. What does not parse is left out.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::link::{Network, is_card};

/// Under this name the program is the hook.
pub const HOOK: &str = "/usr/lib/edeploy/lease";
/// Where each card that has an address leaves its name servers, in a file of its name.
pub const LEASES: &str = "run/edeploy/leases";
/// Where name servers are looked up.
const RESOLVER: &str = "etc/resolv.conf";

/// What a card is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The card.
    pub card: String,
    /// Its address.
    pub network: Network,
    /// The gateway.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
}

impl Lease {
    /// The lease in the environment of udhcpc's hook; `None` without a card and an address.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let card = variable("interface").filter(|name| is_card(name))?;
        let (address, length) = (variable("ip")?, variable("mask")?);
        let network = format!("{}/{}", address.trim(), length.trim()).parse().ok()?;
        let addresses = |name| {
            let text = variable(name).unwrap_or_default();
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<Ipv4Addr>>()
        };
        Some(Self { card, network, gateway: addresses("router").first().copied(), dns: addresses("dns") })
    }

    /// The calls that set the card up.
    fn calls(&self) -> Vec<Vec<String>> {
        let words = |line: String| line.split(' ').map(str::to_owned).collect();
        let (card, network) = (&self.card, &self.network);
        let mut calls =
            vec![words(format!("addr flush dev {card}")), words(format!("addr add {network} dev {card}"))];
        calls.extend(
            self.gateway.map(|gateway| words(format!("route replace default via {gateway} dev {card}"))),
        );
        calls
    }

    /// Sets the card up below `root`.
    ///
    /// # Errors
    /// What `ip` or a file said.
    pub fn apply(&self, root: &Path) -> io::Result<()> {
        self.calls().iter().try_for_each(|call| ip(call))?;
        self.keep(root)
    }

    /// Leaves word that the card has an address, and tells the resolver of all name servers.
    fn keep(&self, root: &Path) -> io::Result<()> {
        let folder = root.join(LEASES);
        fs::create_dir_all(&folder)?;
        let lines: String = self.dns.iter().map(|server| format!("nameserver {server}\n")).collect();
        fs::write(folder.join(&self.card), lines)?;
        let mut all = String::new();
        let mut cards: Vec<_> = fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
        cards.sort_by_key(fs::DirEntry::file_name);
        for card in cards {
            all.push_str(&fs::read_to_string(card.path())?);
        }
        fs::write(root.join(RESOLVER), all)
    }
}

/// Calls busybox's `ip`.
///
/// # Errors
/// If it cannot be started, or what it said.
pub(super) fn ip(words: &[String]) -> io::Result<()> {
    let output = Command::new("/usr/bin/busybox").arg("ip").args(words).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`ip {}`: {}: {}", words.join(" "), output.status, said.trim())))
}

/// The hook: `event` is udhcpc's word for what happened.
pub(super) fn hook(event: &str) -> io::Result<()> {
    match (event, Lease::of(|name| std::env::var(name).ok())) {
        ("bound" | "renew", Some(lease)) => lease.apply(Path::new("/")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(variables: &[(&str, &str)]) -> Option<Lease> {
        Lease::of(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_lease_becomes_addresses_and_calls_of_ip() {
        let lease = lease(&[
            ("interface", "eth0"),
            ("ip", "10.0.2.15"),
            ("mask", "24"),
            ("router", "10.0.2.2 10.0.2.9"),
            ("dns", "10.0.2.3 $(reboot) 10.0.2.4"),
        ])
        .unwrap();
        let calls: Vec<String> = lease.calls().iter().map(|call| call.join(" ")).collect();
        assert_eq!(
            calls,
            [
                "addr flush dev eth0",
                "addr add 10.0.2.15/24 dev eth0",
                "route replace default via 10.0.2.2 dev eth0"
            ]
        );
        assert_eq!(lease.dns, [Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(10, 0, 2, 4)]);
    }

    #[test]
    fn a_lease_with_words_for_addresses_is_none() {
        let with = |ip, mask, card| lease(&[("interface", card), ("ip", ip), ("mask", mask)]);
        assert_eq!(with("10.0.0.1; reboot", "24", "eth0"), None);
        assert_eq!(with("10.0.0.1", "24 up", "eth0"), None);
        assert_eq!(with("10.0.0.1", "0", "eth0"), None);
        assert_eq!(with("10.0.0.1", "24", "eth0 up"), None);
        assert_eq!(lease(&[("interface", "eth0")]), None);
    }

    #[test]
    fn the_resolver_knows_the_name_servers_of_all_cards() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        for (card, dns) in [("eth1", "10.0.1.3"), ("eth0", "10.0.0.3"), ("eth1", "10.0.1.4")] {
            let variables = [("interface", card), ("ip", "10.0.0.9"), ("mask", "8"), ("dns", dns)];
            lease(&variables).unwrap().keep(root.path()).unwrap();
        }
        let text = fs::read_to_string(root.path().join(RESOLVER)).unwrap();
        assert_eq!(text, "nameserver 10.0.0.3\nnameserver 10.0.1.4\n");
    }
}
