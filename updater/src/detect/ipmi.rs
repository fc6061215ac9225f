//! The management controller: its channel, its network settings and its sensors, by `ipmitool`.
//!
//! A machine with FAKEIPMI on its kernel command line counts as one that has a controller, as in eDeploy: for tests.

use super::list::List;
use super::tools::Tools;
use super::tree::Tree;

/// Channels that a controller can have.
const CHANNELS: u8 = 16;

/// Adds the lines of the class `ipmi`, and the channel below `system`.
pub(super) fn detect(tree: &Tree, tools: &Tools<'_>, list: &mut List) {
    if !["dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"].iter().any(|node| tree.holds(node)) {
        if tree.value("proc/cmdline").is_some_and(|line| line.to_uppercase().contains("FAKEIPMI")) {
            list.push("system", "ipmi-fake", "channel", "0");
        }
        return;
    }
    let Some(ipmitool) = tools.find(&["ipmitool"]) else { return };
    for channel in 0..CHANNELS {
        if ipmitool.ask(&["channel", "info", &channel.to_string()]).contains("Volatile") {
            list.push("system", "ipmi", "channel", channel.to_string());
            break;
        }
    }
    lan(&ipmitool.ask(&["lan", "print"]), list);
    sensors(&ipmitool.ask(&["-I", "open", "sdr"]), list);
}

/// The answer of `lan print`. The community string is a password.
pub(super) fn lan(answer: &str, list: &mut List) {
    for line in answer.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let key = key.trim().to_lowercase().split(' ').collect::<Vec<_>>().join("-");
        if !key.contains("community") {
            list.push("ipmi", "lan", &key, value);
        }
    }
}

/// The answer of `sdr`: name, reading, state.
pub(super) fn sensors(answer: &str, list: &mut List) {
    for line in answer.lines() {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, reading, _, ..] = parts[..] else { continue };
        if line.contains("Not Readable") {
            list.push("ipmi", name, "value", "Not Readable");
            continue;
        }
        let (value, unit) = reading.split_once(' ').unwrap_or((reading, ""));
        list.push("ipmi", name, "value", value);
        list.push("ipmi", name, "unit", unit);
    }
}
