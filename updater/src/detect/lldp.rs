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
        for (attribute, value) in frames.get(card).map(|frame| tlv::lines(frame)).unwrap_or_default() {
            list.push("lldp", card, &attribute, value);
        }
    }
}
