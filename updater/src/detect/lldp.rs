//! What switches say of themselves: LLDP (IEEE 802.1AB), received and taken apart here.
//!
//! Nothing is sent. A switch speaks every 30 seconds, so that who wants to know must wait; the lines have the names
//! that eDeploy made of what `lldptool` printed, `/` in values as `_`.

mod socket;
mod tlv;

use std::collections::BTreeMap;
use std::time::Duration;

use super::list::List;

/// Adds the lines of the class `lldp`, of one neighbour for each card.
pub(super) fn detect(cards: &[String], wait: Duration, list: &mut List) {
    let frames: BTreeMap<String, Vec<u8>> = socket::listen(cards, wait);
    for card in cards {
        if let Some(message) = frames.get(card) {
            heard(card, message, list);
        }
    }
}

/// Adds the lines of one message, which is without its Ethernet header.
pub(super) fn heard(card: &str, message: &[u8], list: &mut List) {
    for (attribute, value) in tlv::lines(message) {
        list.push("lldp", card, &attribute, value);
    }
}
