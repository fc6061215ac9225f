//! What a machine that is installed and the fleet service read of each other, and what it is started with.

use edeploy_ab::installer::arguments::Arguments;
use edeploy_ab::installer::lease::Lease;
use edeploy_format::fleet::{Plan, Report};
use edeploy_format::tuf::Envelope;
use serde_json::{Value, json};

use crate::input::Input;
use crate::tuf::document;

/// The longest that switches are listened to, in seconds.
const LISTENING: u64 = 600;

/// A report that is read is read again as it was written; of a plan holds what holds of all that is signed.
///
/// The bytes are a report, a plan, or what stands below `signed` in one.
pub(crate) fn plan(data: &[u8]) {
    if let Ok(report) = serde_json::from_slice::<Report>(data) {
        let written = serde_json::to_vec(&report).expect("texts are always JSON");
        let again: Report = serde_json::from_slice(&written).expect("what was written is read");
        assert_eq!(again, report);
    }
    file(data);
    let Ok(signed) = serde_json::from_slice::<Value>(data) else { return };
    if signed.get("signatures").is_none() {
        file(&serde_json::to_vec(&json!({"signatures": [], "signed": signed})).expect("a value"));
    }
}

fn file(bytes: &[u8]) {
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    let Some(bytes) = document::<Plan>(&envelope) else { return };
    let plan: Plan = envelope.read().expect("it was read just now");
    let again: Plan =
        Envelope::parse(&bytes).and_then(|again| again.read()).expect("what was signed is read");
    assert_eq!(again, plan);
}

/// Arguments of two command lines, and the lease of a DHCP server: values are within their bounds, or there is an error.
///
/// The bytes are the initrd's line, the boot script's, and what udhcpc's hook is told: card, address, length of
/// the network, gateways and name servers; a zero byte after each.
pub(crate) fn arguments(data: &[u8]) {
    let mut input = Input(data);
    let texts: Vec<String> = (0..7).map(|_| String::from_utf8_lossy(input.until(0)).into_owned()).collect();
    if let Ok(arguments) = Arguments::parse(&[&texts[0], &texts[1]]) {
        assert!(arguments.lldp.as_secs() <= LISTENING);
        if let Ok(server) = arguments.server() {
            assert!(!server.is_empty() && !server.ends_with('/'), "{server:?}");
            assert!(!arguments.repos().expect("there is a server").is_empty());
        }
        assert!(arguments.links.of("eth0").vlan.is_none_or(|vlan| (1..=4094).contains(&vlan)));
        // A line that says nothing changes nothing.
        assert_eq!(Arguments::parse(&[&texts[0], &texts[1], "quiet"]).ok().as_ref(), Some(&arguments));
    }
    let names = ["interface", "ip", "mask", "router", "dns"];
    let told = |name: &str| names.iter().position(|known| *known == name).map(|at| texts[at + 2].clone());
    if let Some(lease) = Lease::of(told) {
        assert!((1..=32).contains(&lease.network.length), "{lease:?}");
        assert!(!lease.card.is_empty() && !lease.card.contains(['/', ' ', '\n', '\0']), "{lease:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::seeds;

    #[test]
    fn the_examples_are_read() {
        let [plan, report] = &seeds("plan")[..] else { panic!("two examples") };
        assert!(serde_json::from_slice::<Plan>(plan).is_ok());
        assert!(serde_json::from_slice::<Report>(report).is_ok());
    }

    #[test]
    fn the_example_of_arguments_is_read() {
        let example = &seeds("arguments")[0];
        let mut input = Input(example);
        let mut text = || str::from_utf8(input.until(0)).unwrap();
        let arguments = Arguments::parse(&[text(), text()]).unwrap();
        assert_eq!(arguments.server().unwrap(), "http://10.0.0.1:8080");
        assert_eq!(arguments.links.of("eth0").vlan, Some(12));
    }
}
