//! Brings up the network: all links, then an address for each card as [`Links`] says.
//!
//! Waits for as long as it takes, and says what for: a cable may be plugged in later, a DHCP server come back.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::early;
use super::lease::{HOOK, LEASES, Lease, ip};
use super::link::{Address, Link, Links};
use crate::progress::Progress;

/// How often it looks again.
const LOOK: Duration = Duration::from_millis(200);
/// How often it says what it waits for.
const SAY: Duration = Duration::from_secs(15);

/// The network, and the DHCP clients that keep their leases for as long as it lives.
pub(super) struct Network<'a> {
    links: &'a Links,
    progress: &'a dyn Progress,
    begun: BTreeSet<String>,
    clients: Vec<Child>,
}

/// What keeps it from being up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Card,
    Carrier,
    Lease,
}

impl Missing {
    fn text(self) -> &'static str {
        match self {
            Self::Card => "a network card: none shows itself, or its driver is not in this initrd",
            Self::Carrier => "a link: no network card has a carrier; is a cable plugged in?",
            Self::Lease => "an address: no DHCP server has answered yet",
        }
    }
}

impl<'a> Network<'a> {
    pub(super) fn new(links: &'a Links, progress: &'a dyn Progress) -> Self {
        Self { links, progress, begun: BTreeSet::new(), clients: Vec::new() }
    }

    /// Waits until one card has an address.
    ///
    /// # Errors
    /// If a program that must be in the initrd cannot be started.
    pub(super) fn bring(&mut self) -> io::Result<()> {
        let (mut raised, mut said) = (BTreeSet::new(), None::<Instant>);
        loop {
            let Some(missing) = self.look(&mut raised)? else { return Ok(()) };
            let since = said.get_or_insert_with(Instant::now);
            if since.elapsed() > SAY {
                said = Some(Instant::now());
                self.progress.note(&format!("waiting for {}", missing.text()));
                early::drivers(Path::new("/sys"))?;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Does what can be done now; what is still missing.
    fn look(&mut self, raised: &mut BTreeSet<String>) -> io::Result<Option<Missing>> {
        if fs::read_dir(Path::new("/").join(LEASES)).is_ok_and(|mut leases| leases.next().is_some()) {
            return Ok(None);
        }
        let cards = cards(Path::new("/sys"));
        for card in &cards {
            if raised.insert(card.clone()) {
                self.try_to(&format!("raising {card}"), ip(&words(&["link", "set", "dev", card, "up"])));
            }
        }
        let mut linked = false;
        for card in cards.iter().filter(|card| has_carrier(Path::new("/sys"), card)) {
            linked = true;
            if self.begun.insert(card.clone()) {
                self.begin(card)?;
            }
        }
        Ok(Some(match (cards.is_empty(), linked) {
            (true, _) => Missing::Card,
            (_, false) => Missing::Carrier,
            (_, true) => Missing::Lease,
        }))
    }

    fn begin(&mut self, card: &str) -> io::Result<()> {
        let Link { address, vlan } = self.links.of(card);
        let card = match vlan.filter(|_| address != Address::None) {
            None => card.to_owned(),
            Some(vlan) => {
                let tagged = format!("vlan{vlan}");
                let number = vlan.to_string();
                let add = ["link", "add", "link", card, "name", &tagged, "type", "vlan", "id", &number];
                self.try_to(&format!("VLAN {vlan} on {card}"), ip(&words(&add)));
                let up = ip(&words(&["link", "set", "dev", &tagged, "up"]));
                self.try_to(&format!("raising {tagged}"), up);
                tagged
            }
        };
        match address {
            Address::None => Ok(()),
            Address::Static(network) => {
                let lease = Lease { card, network, gateway: self.links.gateway, dns: self.links.dns.clone() };
                self.progress.note(&format!("{}: {network}", lease.card));
                self.try_to("setting the address", lease.apply(Path::new("/")));
                Ok(())
            }
            Address::Dhcp => {
                self.progress.note(&format!("{card}: asking for an address"));
                let mut client = Command::new("/usr/bin/busybox");
                client.args(["udhcpc", "-f", "-t", "4", "-T", "2", "-A", "5", "-i", &card, "-s", HOOK]);
                client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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
