//! The host side: slots, boot entries, upgrades.
