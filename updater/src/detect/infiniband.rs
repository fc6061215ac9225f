//! InfiniBand adapters and their ports, under the names of eDeploy's `ibstat`.

use super::list::List;
use super::tree::Tree;

const FOLDER: &str = "sys/class/infiniband";

/// Adds the lines of the class `infiniband`.
pub(super) fn detect(tree: &Tree, list: &mut List) {
    for (number, card) in tree.names(FOLDER).iter().enumerate() {
        let item = format!("card{number}");
        let of = |file: &str| tree.value(&format!("{FOLDER}/{card}/{file}"));
        let ports = tree.names(&format!("{FOLDER}/{card}/ports"));
        list.push("infiniband", &item, "card_type", card);
        list.maybe("infiniband", &item, "device_type", of("hca_type"));
        list.maybe("infiniband", &item, "fw_version", of("fw_ver"));
        list.maybe("infiniband", &item, "hw_version", of("hw_rev"));
        list.push("infiniband", &item, "nb_ports", ports.len().to_string());
        list.maybe("infiniband", &item, "sys_guid", of("sys_image_guid").map(|id| identity(&id)));
        list.maybe("infiniband", &item, "node_guid", of("node_guid").map(|id| identity(&id)));
        for port in ports {
            lines(tree, &format!("{FOLDER}/{card}/ports/{port}"), &format!("{item}_port{port}"), list);
        }
    }
}

fn lines(tree: &Tree, folder: &str, item: &str, list: &mut List) {
    let of = |file: &str| tree.value(&format!("{folder}/{file}"));
    let mut say = |attribute, value| list.maybe("infiniband", item, attribute, value);
    let number = |file: &str| tree.number(&format!("{folder}/{file}")).map(|number| number.to_string());
    say("state", of("state").map(|state| capital(&named(&state))));
    say("physical_state", of("phys_state").map(|state| named(&state)));
    say("rate", of("rate").and_then(|rate| Some(rate.split_whitespace().next()?.to_owned())));
    say("base_lid", number("lid"));
    say("lmc", number("lid_mask_count"));
    say("sm_lid", number("sm_lid"));
    // The last eight bytes of the port's first address.
    let address = of("gids/0").filter(|address| address.len() == 39);
    say("port_guid", address.and_then(|address| Some(identity(address.get(20..)?))));
}

/// The word behind the kernel's number: `4: ACTIVE`.
fn named(state: &str) -> String {
    state.split_once(": ").map_or(state, |(_, name)| name).to_owned()
}

/// `ACTIVE` as `Active`.
fn capital(word: &str) -> String {
    let lower = word.to_lowercase();
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `0002:c903:00ea:6840` as one number.
fn identity(groups: &str) -> String {
    format!("0x{}", groups.replace(':', ""))
}
