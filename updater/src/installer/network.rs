//! Brings up the network: all links, then an address for each card as [`Links`] says.
//!
//! Waits for as long as it takes, and says what for: a cable may be plugged in later, a DHCP server come back. A card that
//! has an address may still lead nowhere, so while anything is waited for the other cards are looked after, and of
//! several ways out one after the other is tried.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cards::{Missing, Seen, Turns, are_settled, cards, has_carrier, number, tagged};
use super::early;
use super::flow::For;
use super::lease::{HOOK, LEASES, Lease, Route, ip};
use super::link::{Address, Link, Links};
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
    met: BTreeMap<String, Met>,
    turns: Turns,
    /// The way out that is tried, and since when.
    tried: Option<(Route, Instant)>,
}

/// A card that was raised.
struct Met {
    /// The kernel's number of it.
    number: Option<String>,
    /// When it was raised.
    since: Instant,
    /// What has its address: itself, or its VLAN.
    named: String,
    /// Its DHCP client.
    client: Option<Child>,
}

impl<'a> Network<'a> {
    pub(super) fn new(links: &'a Links, progress: &'a dyn Progress) -> Self {
        Self { links, progress, met: BTreeMap::new(), turns: Turns::default(), tried: None }
    }

    /// Waits until one card has an address, and then a little for the others.
    ///
    /// # Errors
    /// If a program that must be in the initrd cannot be started.
    pub(super) fn bring(&mut self) -> io::Result<()> {
        let (mut said, mut up) = (None::<Instant>, None::<Instant>);
        loop {
            let seen = self.look()?;
            if seen.iter().any(|card| card.has_address) {
                let up = up.get_or_insert_with(Instant::now);
                if are_settled(&seen, up.elapsed()) {
                    return Ok(());
                }
            } else {
                let since = said.get_or_insert_with(Instant::now);
                if since.elapsed() > SAY {
                    said = Some(Instant::now());
                    self.progress.note(&format!("waiting for {}", Missing::of(&seen).text()));
                    early::drivers(Path::new("/sys"))?;
                }
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

    /// Does what can be done now; what is seen of each card then.
    fn look(&mut self) -> io::Result<Vec<Seen>> {
        self.forget();
        let cards = cards(Path::new("/sys"));
        for card in &cards {
            if !self.met.contains_key(card) {
                self.meet(card);
            }
            if has_carrier(Path::new("/sys"), card) && self.turns.is_due(card, Instant::now()) {
                let is_up = self.begin(card)?;
                self.turns.had(card, is_up, Instant::now());
            }
        }
        Ok(cards.iter().map(|card| self.seen(card)).collect())
    }

    fn meet(&mut self, card: &str) {
        let number = number(Path::new("/sys"), card);
        let known = number.as_deref().unwrap_or_default();
        let named =
            self.links.of(card).vlan.map_or_else(|| card.to_owned(), |vlan| tagged(card, known, vlan));
        self.met.insert(card.to_owned(), Met { number, since: Instant::now(), named, client: None });
        self.try_to(&format!("raising {card}"), ip(&words(&["link", "set", "dev", card, "up"])));
    }

    /// Cards that went away are set up anew when they come back; where a client ended, another asks.
    fn forget(&mut self) {
        let is_gone = |(card, met): &(&String, &Met)| number(Path::new("/sys"), card) != met.number;
        let gone: Vec<String> = self.met.iter().filter(is_gone).map(|(card, _)| card.clone()).collect();
        for card in gone {
            self.progress.note(&format!("{card} is gone"));
            self.turns.forget(&card);
            let Some(mut met) = self.met.remove(&card) else { continue };
            met.client.iter_mut().for_each(end);
            self.try_to("forgetting its address", Lease::forget(Path::new("/"), &met.named));
        }
        for (card, met) in &mut self.met {
            if met.client.as_mut().is_some_and(|client| !matches!(client.try_wait(), Ok(None))) {
                met.client = None;
                self.turns.had(card, false, Instant::now());
            }
        }
    }

    fn seen(&self, card: &str) -> Seen {
        let (address, met) = (self.links.of(card).address, self.met.get(card));
        Seen {
            has_carrier: has_carrier(Path::new("/sys"), card),
            asks: address != Address::None,
            has_address: met.is_some_and(|met| Path::new("/").join(LEASES).join(&met.named).exists()),
            raised: met.map_or(Duration::ZERO, |met| met.since.elapsed()),
        }
    }

    /// Sets a card up; whether that was possible. What was not is told.
    fn begin(&mut self, name: &str) -> io::Result<bool> {
        let Link { address, vlan } = self.links.of(name);
        let card = self.met.get(name).map_or_else(|| name.to_owned(), |met| met.named.clone());
        if address != Address::None
            && let Some(vlan) = vlan
            && !self.try_to(&format!("VLAN {vlan} on {name}"), add_vlan(name, vlan, &card))
        {
            return Ok(false);
        }
        match address {
            Address::None => Ok(true),
            Address::Static(network) => {
                // One card's gateway is no other's.
                let gateway = self.links.gateway.filter(|gateway| network.contains(*gateway));
                let lease = Lease { card, network, gateway, dns: self.links.dns.clone() };
                self.progress.note(&format!("{}: {network}", lease.card));
                Ok(self.try_to("setting the address", lease.apply(Path::new("/"))))
            }
            Address::Dhcp => {
                self.progress.note(&format!("{card}: asking for an address"));
                let mut client = Command::new("/usr/bin/busybox");
                client.args(["udhcpc", "-f", "-t", "4", "-T", "2", "-A", "5", "-i", &card, "-s", HOOK]);
                client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                // An installer that starts over starts its own.
                die_with_us(&mut client);
                let client = client.spawn()?;
                if let Some(met) = self.met.get_mut(name) {
                    met.client = Some(client);
                }
                Ok(true)
            }
        }
    }

    /// One card that fails does not stop the others. Whether it did not.
    fn try_to(&self, what: &str, result: io::Result<()>) -> bool {
        result.map_err(|e| self.progress.note(&format!("{what}: {e}"))).is_ok()
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        self.met.values_mut().filter_map(|met| met.client.as_mut()).for_each(end);
    }
}

fn end(client: &mut Child) {
    // It may have ended by itself.
    let _ = client.kill();
    let _ = client.wait();
}

/// Of several ways out the one after that which was tried.
fn next_of<'r>(routes: &'r [Route], tried: Option<&Route>) -> Option<&'r Route> {
    routes.iter().find(|route| tried.is_none_or(|tried| *route > tried)).or(routes.first())
}

fn add_vlan(card: &str, vlan: u16, tagged: &str) -> io::Result<()> {
    // An installer that starts over finds it.
    let is_there = Path::new("/sys/class/net").join(tagged).exists();
    vlan_calls(card, vlan, tagged, is_there).iter().try_for_each(|call| ip(call))
}

/// The calls of `ip` that bring a VLAN up, which may be there already.
fn vlan_calls(card: &str, vlan: u16, tagged: &str, is_there: bool) -> Vec<Vec<String>> {
    let number = vlan.to_string();
    let add = ["link", "add", "link", card, "name", tagged, "type", "vlan", "id", &number];
    let up = words(&["link", "set", "dev", tagged, "up"]);
    if is_there { vec![up] } else { vec![words(&add), up] }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_is_made_once_and_raised_each_time() {
        let calls = |is_there| {
            let calls = vlan_calls("eth0", 42, "eth0.42", is_there);
            calls.iter().map(|call| call.join(" ")).collect::<Vec<_>>()
        };
        let up = "link set dev eth0.42 up";
        assert_eq!(calls(false), ["link add link eth0 name eth0.42 type vlan id 42", up]);
        assert_eq!(calls(true), [up], "it failed behind that, or the installer starts over");
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
}
