//! Brings up the network: all links, then an address for each card as [`Links`] says.
//!
//! Waits for as long as it takes, and says what for: a cable may be plugged in later, a DHCP server come back. A card that
//! has an address may still lead nowhere, so while anything is waited for the other cards are looked after, and of
//! several ways out one after the other is tried.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::early;
use super::flow::For;
use super::lease::{HOOK, LEASES, Lease, Route, ip};
use super::link::{Address, Link, Links, is_card};
use crate::program::tether::die_with_us;
use crate::progress::Progress;

/// How often it looks again.
const LOOK: Duration = Duration::from_millis(200);
/// How often it says what it waits for.
const SAY: Duration = Duration::from_secs(15);

/// The network, and the DHCP clients that keep their leases for as long as it lives.
pub(super) struct Network<'a> {
    links: &'a Links,
    progress: &'a dyn Progress,
    raised: BTreeSet<String>,
    begun: BTreeSet<String>,
    clients: Vec<Child>,
    /// The way out that is tried, and since when.
    tried: Option<(Route, Instant)>,
}

/// What keeps it from being up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Card,
    Carrier,
    Lease,
    Rule,
}

impl Missing {
    fn text(self) -> &'static str {
        match self {
            Self::Card => "a network card: none shows itself, or its driver is not in this initrd",
            Self::Carrier => "a link: no network card has a carrier; is a cable plugged in?",
            Self::Lease => "an address: no DHCP server has answered yet",
            Self::Rule => "an address: IP= leaves every card that has a link alone",
        }
    }
}

impl<'a> Network<'a> {
    pub(super) fn new(links: &'a Links, progress: &'a dyn Progress) -> Self {
        let (raised, begun) = (BTreeSet::new(), BTreeSet::new());
        Self { links, progress, raised, begun, clients: Vec::new(), tried: None }
    }

    /// Waits until one card has an address.
    ///
    /// # Errors
    /// If a program that must be in the initrd cannot be started.
    pub(super) fn bring(&mut self) -> io::Result<()> {
        let mut said = None::<Instant>;
        loop {
            let Some(missing) = self.look()? else { return Ok(()) };
            let since = said.get_or_insert_with(Instant::now);
            if since.elapsed() > SAY {
                said = Some(Instant::now());
                self.progress.note(&format!("waiting for {}", missing.text()));
                early::drivers(Path::new("/sys"))?;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits that long for what is not of the network itself.
    pub(super) fn wait(&mut self, pause: Duration, why: For) {
        let begun = Instant::now();
        if why == For::Away {
            self.try_another();
        }
        while let Some(left) = pause.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            let looked = self.look().map(drop);
            self.try_to("looking for network cards", looked);
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Takes the next of several ways out, once the one that is taken had its time.
    fn try_another(&mut self) {
        let routes = Route::all(Path::new("/"));
        if routes.len() < 2 || self.tried.as_ref().is_some_and(|(_, since)| since.elapsed() < SAY) {
            return;
        }
        let Some(next) = next_of(&routes, self.tried.as_ref().map(|(route, _)| route)) else { return };
        self.progress.note(&format!("the way out is {} on {} now", next.gateway, next.card));
        self.try_to("changing the default route", next.prefer());
        self.tried = Some((next.clone(), Instant::now()));
    }

    /// Does what can be done now; what is still missing until a card has an address.
    fn look(&mut self) -> io::Result<Option<Missing>> {
        let cards = cards(Path::new("/sys"));
        for card in &cards {
            if self.raised.insert(card.clone()) {
                self.try_to(&format!("raising {card}"), ip(&words(&["link", "set", "dev", card, "up"])));
            }
        }
        let (mut linked, mut ruled) = (false, false);
        for card in cards.iter().filter(|card| has_carrier(Path::new("/sys"), card)) {
            linked = true;
            ruled |= self.links.of(card).address != Address::None;
            if self.begun.insert(card.clone()) {
                self.begin(card)?;
            }
        }
        if fs::read_dir(Path::new("/").join(LEASES)).is_ok_and(|mut leases| leases.next().is_some()) {
            return Ok(None);
        }
        Ok(Some(match (cards.is_empty(), linked) {
            (true, _) => Missing::Card,
            (_, false) => Missing::Carrier,
            (_, true) if !ruled => Missing::Rule,
            (_, true) => Missing::Lease,
        }))
    }

    fn begin(&mut self, card: &str) -> io::Result<()> {
        let Link { address, vlan } = self.links.of(card);
        let card = match vlan.filter(|_| address != Address::None) {
            None => card.to_owned(),
            Some(vlan) => {
                let tagged = tagged(Path::new("/sys"), card, vlan);
                if let Err(e) = add_vlan(card, vlan, &tagged) {
                    self.progress.note(&format!("VLAN {vlan} on {card}: {e}"));
                    return Ok(());
                }
                tagged
            }
        };
        match address {
            Address::None => Ok(()),
            Address::Static(network) => {
                // One card's gateway is no other's.
                let gateway = self.links.gateway.filter(|gateway| network.contains(*gateway));
                let lease = Lease { card, network, gateway, dns: self.links.dns.clone() };
                self.progress.note(&format!("{}: {network}", lease.card));
                self.try_to("setting the address", lease.apply(Path::new("/")));
                Ok(())
            }
            Address::Dhcp => {
                self.progress.note(&format!("{card}: asking for an address"));
                let mut client = Command::new("/usr/bin/busybox");
                client.args(["udhcpc", "-f", "-t", "4", "-T", "2", "-A", "5", "-i", &card, "-s", HOOK]);
                client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                // An installer that starts over starts its own.
                die_with_us(&mut client);
                self.clients.push(client.spawn()?);
                Ok(())
            }
        }
    }

    /// One card that fails does not stop the others.
    fn try_to(&self, what: &str, result: io::Result<()>) {
        if let Err(e) = result {
            self.progress.note(&format!("{what}: {e}"));
        }
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        for client in &mut self.clients {
            // It may have ended by itself.
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}

/// Of several ways out the one after that which was tried.
fn next_of<'r>(routes: &'r [Route], tried: Option<&Route>) -> Option<&'r Route> {
    routes.iter().find(|route| tried.is_none_or(|tried| *route > tried)).or(routes.first())
}

/// What a card's VLAN is called: by the card, or by its number where that is too long for the kernel.
fn tagged(sys: &Path, card: &str, vlan: u16) -> String {
    let name = format!("{card}.{vlan}");
    if is_card(&name) {
        return name;
    }
    let number = fs::read_to_string(sys.join("class/net").join(card).join("ifindex")).unwrap_or_default();
    format!("v{}.{vlan}", number.trim())
}

fn add_vlan(card: &str, vlan: u16, tagged: &str) -> io::Result<()> {
    // An installer that starts over finds it.
    if !Path::new("/sys/class/net").join(tagged).exists() {
        let number = vlan.to_string();
        ip(&words(&["link", "add", "link", card, "name", tagged, "type", "vlan", "id", &number]))?;
    }
    ip(&words(&["link", "set", "dev", tagged, "up"]))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The Ethernet cards: what has a device and speaks Ethernet.
fn cards(sys: &Path) -> Vec<String> {
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

fn has_carrier(sys: &Path, card: &str) -> bool {
    let carrier = fs::read_to_string(sys.join("class/net").join(card).join("carrier"));
    carrier.is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_card_has_a_vlan_of_its_own_whose_name_the_kernel_takes() {
        let sys = tempfile::tempdir().unwrap();
        let long = "enp65s0f0np0";
        let folder = sys.path().join("class/net").join(long);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ifindex"), "12\n").unwrap();
        let names = ["eth0", "eth1", long].map(|card| tagged(sys.path(), card, 4094));
        assert_eq!(names, ["eth0.4094", "eth1.4094", "v12.4094"]);
    }

    #[test]
    fn of_several_ways_out_each_has_its_turn() {
        let route = |card: &str| Route { card: card.to_owned(), gateway: [10, 0, 0, 1].into() };
        let routes = ["eth0", "eth1", "eth3"].map(route);
        let (mut tried, mut turns) = (None, Vec::new());
        for _ in 0..4 {
            tried = next_of(&routes, tried);
            turns.push(&*tried.unwrap().card);
        }
        assert_eq!(turns, ["eth0", "eth1", "eth3", "eth0"]);
        assert_eq!(next_of(&routes, Some(&route("eth2"))), Some(&routes[2]), "one that is gone");
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
