//! Network cards: what /sys shows of each, and what only its driver says.
//!
//! A card is an interface with a device behind it: no bridge, bond, VLAN or loopback.

mod asked;
mod features;
mod kernel;

pub(super) use kernel::Kernel;

use asked::Asked;

use super::list::List;
use super::pci::Names;
use super::tree::Tree;

const FOLDER: &str = "sys/class/net";

/// The interfaces that are hardware, in the order of their names.
pub(super) fn cards(tree: &Tree) -> Vec<String> {
    let is_card = |name: &String| tree.holds(&format!("{FOLDER}/{name}/device"));
    tree.names(FOLDER).into_iter().filter(is_card).collect()
}

/// The addresses of all cards, in the order of their names.
pub(super) fn addresses(tree: &Tree) -> Vec<String> {
    cards(tree).iter().filter_map(|card| tree.value(&format!("{FOLDER}/{card}/address"))).collect()
}

/// Adds the lines of the class `network`.
pub(super) fn detect(tree: &Tree, kernel: &Kernel, list: &mut List) {
    let names = Names::read(tree);
    for card in cards(tree) {
        lines(tree, &names, &card, &kernel.ask(&card), list);
    }
}

fn lines(tree: &Tree, names: &Names, card: &str, asked: &Asked, list: &mut List) {
    let of = |file: &str| tree.value(&format!("{FOLDER}/{card}/{file}"));
    let link = of("carrier").as_deref() == Some("1");
    // While there is no link the speed is −1, or that of the last one.
    let megabits = of("speed").and_then(|speed| speed.parse::<u64>().ok());
    let megabits = megabits.filter(|speed| link && (1..u64::from(u32::MAX)).contains(speed));
    let mut say = |attribute: &str, value: Option<String>| list.maybe("network", card, attribute, value);
    say("serial", of("address").map(|address| address.to_lowercase()));
    for (attribute, value) in bus(tree, names, card) {
        say(attribute, value);
    }
    say("firmware", asked.firmware.clone());
    say("size", megabits.map(|speed| (speed * 1_000_000).to_string()));
    for (attribute, value) in asked.address() {
        say(attribute, Some(value));
    }
    say("link", Some(if link { "yes" } else { "no" }.to_owned()));
    say("driver", tree.link(&format!("{FOLDER}/{card}/device/driver")));
    say("duplex", of("duplex").filter(|duplex| link && duplex != "unknown"));
    say("speed", megabits.map(speed));
    // The latency timer of PCI, in its configuration space.
    let latency = tree.bytes(&format!("{FOLDER}/{card}/device/config"));
    say("latency", latency.and_then(|config| Some(config.get(0x0d)?.to_string())));
    say("autonegotiation", asked.autonegotiation.map(|on| switch(on).to_owned()));
    if let Some(pause) = asked.pause {
        for (attribute, on) in ["Autonegotiate", "RX", "TX"].into_iter().zip(pause) {
            say(attribute, Some(switch(on).to_owned()));
        }
    }
    for (attribute, value) in features::lines(&asked.features) {
        say(&attribute, Some(value));
    }
}

/// What is on the bus: vendor, product and place.
fn bus(tree: &Tree, names: &Names, card: &str) -> [(&'static str, Option<String>); 3] {
    let device = format!("{FOLDER}/{card}/device");
    let bus = tree.link(&format!("{device}/subsystem")).filter(|bus| bus == "pci");
    let number = |file: &str| {
        let value = tree.value(&format!("{device}/{file}"))?;
        Some(value.strip_prefix("0x").unwrap_or(&value).to_lowercase())
    };
    let place = tree.link(&device).map(|place| match (&bus, place.strip_prefix("virtio")) {
        (Some(_), _) => format!("pci@{place}"),
        (None, Some(number)) => format!("virtio@{number}"),
        (None, None) => place,
    });
    let numbers = bus.as_ref().and_then(|_| number("vendor").zip(number("device")));
    let Some((vendor, product)) = numbers else {
        return [("vendor", None), ("product", None), ("businfo", place)];
    };
    let (maker, model) = names.of(&vendor, &product);
    let named = |name: Option<&str>, number: &str| name.map_or_else(|| format!("0x{number}"), str::to_owned);
    [("vendor", Some(named(maker, &vendor))), ("product", Some(named(model, &product))), ("businfo", place)]
}

/// As lshw says it.
fn speed(megabits: u64) -> String {
    if megabits >= 1000 && megabits.is_multiple_of(1000) {
        format!("{}Gbit/s", megabits / 1000)
    } else {
        format!("{megabits}Mbit/s")
    }
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_said_as_lshw_says_them() {
        assert_eq!(
            [10, 100, 1000, 2500, 40_000].map(speed),
            ["10Mbit/s", "100Mbit/s", "1Gbit/s", "2500Mbit/s", "40Gbit/s"]
        );
    }
}
