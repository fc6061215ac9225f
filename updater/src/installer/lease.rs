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
/// How a lease's gateway is kept.
const GATEWAY: &str = "# gateway ";
/// The metric of the route that is preferred, which the kernel takes before those that are greater.
const PREFERRED: u32 = 1;
/// And of the others, to which the number of the card comes.
const FIRST: u32 = 100;
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

    /// The calls that give the card its address.
    fn calls(&self) -> [Vec<String>; 2] {
        let (card, network) = (&self.card, &self.network);
        [words(&format!("addr flush dev {card}")), words(&format!("addr add {network} dev {card}"))]
    }

    /// Sets the card up below `root`; one that has this address already is left alone. Each card has a default route of
    /// its own: which of them leads anywhere is found by trying ([`Route::prefer`]).
    ///
    /// # Errors
    /// What `ip` or a file said.
    pub fn apply(&self, root: &Path) -> io::Result<()> {
        if fs::read_to_string(root.join(LEASES).join(&self.card)).is_ok_and(|kept| kept == self.text()) {
            return Ok(());
        }
        let number = fs::read_to_string(root.join("sys/class/net").join(&self.card).join("ifindex"))?;
        let number: u32 = number.trim().parse().map_err(io::Error::other)?;
        self.calls().iter().try_for_each(|call| ip(call))?;
        self.keep(root)?;
        // A card whose gateway cannot be reached by it has its address all the same.
        self.gateway.map_or(Ok(()), |gateway| ip(&route(gateway, &self.card, FIRST + number)))
    }

    /// What is kept of it: lines of a resolver's file, and what that passes over.
    fn text(&self) -> String {
        let gateway = self.gateway.map(|gateway| format!("{GATEWAY}{gateway}\n")).unwrap_or_default();
        let servers: String = self.dns.iter().map(|server| format!("nameserver {server}\n")).collect();
        format!("# {}\n{gateway}{servers}", self.network)
    }

    /// Leaves word that the card has an address, and tells the resolver.
    fn keep(&self, root: &Path) -> io::Result<()> {
        let folder = root.join(LEASES);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&self.card), self.text())?;
        resolve(root, &folder)
    }

    /// The card has none any more; the resolver asks no server that was reached by it.
    ///
    /// # Errors
    /// What the file system said.
    pub(super) fn forget(root: &Path, card: &str) -> io::Result<()> {
        let folder = root.join(LEASES);
        match fs::remove_file(folder.join(card)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
            Ok(()) => resolve(root, &folder),
        }
    }
}

/// Tells the resolver of the name servers of all cards.
fn resolve(root: &Path, leases: &Path) -> io::Result<()> {
    let mut all = String::new();
    let mut cards: Vec<_> = fs::read_dir(leases)?.collect::<Result<_, _>>()?;
    cards.sort_by_key(fs::DirEntry::file_name);
    for card in cards {
        all.push_str(&fs::read_to_string(card.path())?);
    }
    fs::write(root.join(RESOLVER), all)
}

/// A way out, by the gateway that a card was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    /// The card.
    pub(super) card: String,
    /// Its gateway.
    pub(super) gateway: Ipv4Addr,
}

impl Route {
    /// Those of all cards that have an address, by their names.
    pub(super) fn all(root: &Path) -> Vec<Self> {
        let Ok(leases) = fs::read_dir(root.join(LEASES)) else { return Vec::new() };
        let mut routes: Vec<Self> = leases
            .filter_map(Result::ok)
            .filter_map(|lease| {
                let text = fs::read_to_string(lease.path()).ok()?;
                let gateway = text.lines().find_map(|line| line.strip_prefix(GATEWAY))?.parse().ok()?;
                Some(Self { card: lease.file_name().into_string().ok()?, gateway })
            })
            .collect();
        routes.sort();
        routes
    }

    /// Takes it before all others, in place of the one that was preferred before.
    ///
    /// # Errors
    /// What `ip` said.
    pub(super) fn prefer(&self) -> io::Result<()> {
        ip(&route(self.gateway, &self.card, PREFERRED))
    }
}

fn route(gateway: Ipv4Addr, card: &str, metric: u32) -> Vec<String> {
    words(&format!("route replace default via {gateway} dev {card} metric {metric}"))
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
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

/// A card has no address, or not any more: another machine may have it.
fn lost(root: &Path) -> io::Result<()> {
    let card = std::env::var("interface").ok().filter(|name| is_card(name));
    let card = card.ok_or_else(|| io::Error::other("no card is named"))?;
    let forgotten = Lease::forget(root, &card);
    // Whatever became of that, the address goes.
    ip(&words(&format!("addr flush dev {card}"))).and(forgotten)
}

/// Says on the console what is wrong with an answer: what the DHCP client says is not shown.
pub(super) fn complain(error: &io::Error) {
    let card = std::env::var("interface").ok().filter(|name| is_card(name)).unwrap_or_default();
    // Without a console there is nobody to hear.
    let _ = fs::write("/dev/console", format!("DHCP on {card}: {error}\n"));
}

/// The hook: `event` is udhcpc's word for what happened.
pub(super) fn hook(event: &str) -> io::Result<()> {
    match event {
        "bound" | "renew" => {}
        "deconfig" => return lost(Path::new("/")),
        _ => return Ok(()),
    }
    match Lease::of(|name| std::env::var(name).ok()) {
        Some(lease) => lease.apply(Path::new("/")),
        None => Err(io::Error::other("the answer has no address with the length of its network")),
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
        let calls = lease.calls().map(|call| call.join(" "));
        assert_eq!(calls, ["addr flush dev eth0", "addr add 10.0.2.15/24 dev eth0"]);
        let call = route(lease.gateway.unwrap(), &lease.card, 103).join(" ");
        assert_eq!(call, "route replace default via 10.0.2.2 dev eth0 metric 103");
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
        assert_eq!(text, "# 10.0.0.9/8\nnameserver 10.0.0.3\n# 10.0.0.9/8\nnameserver 10.0.1.4\n");
    }

    #[test]
    fn a_card_that_lost_its_address_takes_its_name_servers_with_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        Lease::forget(root.path(), "eth0").unwrap();
        for (card, dns) in [("eth0", "10.0.0.3"), ("eth1", "10.0.1.3")] {
            let variables = [("interface", card), ("ip", "10.0.0.9"), ("mask", "8"), ("dns", dns)];
            lease(&variables).unwrap().keep(root.path()).unwrap();
        }
        Lease::forget(root.path(), "eth0").unwrap();
        let text = || fs::read_to_string(root.path().join(RESOLVER)).unwrap();
        assert_eq!(text(), "# 10.0.0.9/8\nnameserver 10.0.1.3\n");
        Lease::forget(root.path(), "eth1").unwrap();
        assert_eq!(text(), "");
    }

    #[test]
    fn the_gateways_of_all_cards_are_ways_out() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        assert_eq!(Route::all(root.path()), []);
        for (card, router) in [("eth1", "10.0.1.1"), ("eth0", "10.0.0.1"), ("eth2", "none")] {
            let variables = [("interface", card), ("ip", "10.0.0.9"), ("mask", "8"), ("router", router)];
            lease(&variables).unwrap().keep(root.path()).unwrap();
        }
        let routes = Route::all(root.path());
        let routes: Vec<_> = routes.iter().map(|route| (&*route.card, route.gateway.octets())).collect();
        assert_eq!(routes, [("eth0", [10, 0, 0, 1]), ("eth1", [10, 0, 1, 1])]);
    }

    #[test]
    fn a_lease_that_is_renewed_as_it_was_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let of = |ip: &str| {
            lease(&[("interface", "none0"), ("ip", ip), ("mask", "8"), ("router", "10.0.0.1")]).unwrap()
        };
        of("10.0.0.9").keep(root.path()).unwrap();
        of("10.0.0.9").apply(root.path()).unwrap();
        assert!(of("10.0.0.10").apply(root.path()).is_err(), "there is no such card");
    }
}
