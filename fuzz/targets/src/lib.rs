//! What is asserted of every parser of bytes that come from elsewhere: the network, a disk, a recipe's author.
//!
//! Each target takes any bytes and panics where a promise is broken. That a parser does not panic is the least: what it
//! takes must print as it was read where a text has one form, decoding must undo encoding, and nothing may grow beyond
//! its bound. The bodies are here, so that cargo-fuzz (`fuzz/fuzz_targets`) and an ordinary test (`tests/replay.rs`) run
//! the same. Archives of `--from-tar` are not here: GNU tar reads them.

mod boot;
mod build;
mod delegations;
mod disk;
mod esp;
mod fleet;
mod gpt;
mod hardware;
mod host;
mod input;
mod install;
mod objects;
mod repack;
mod rules;
pub mod seeds;
mod tuf;

/// A target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them, sorted by name.
pub const TARGETS: &[Target] = &[
    ("arguments", install::arguments),
    ("boot_choice", boot::choice),
    ("boot_entry", boot::entry),
    ("boot_options", boot::options),
    ("cmdb", fleet::cmdb),
    ("delegations", delegations::delegations),
    ("delta_index", objects::delta_index),
    ("dmi", hardware::dmi),
    ("esp", esp::esp),
    ("exclude", rules::exclude),
    ("gpt", gpt::gpt),
    ("hint", hardware::hint),
    ("host_json", host::settings),
    ("initrd", build::initrd),
    ("journal", host::journal),
    ("limits", boot::limits),
    ("literal", fleet::literal),
    ("lldp", hardware::lldp),
    ("manifest", objects::manifest),
    ("names", rules::names),
    ("pack_index", objects::pack_index),
    ("patch", objects::patch),
    ("plan", install::plan),
    ("recipe", build::recipe),
    ("repack", repack::repack),
    ("repack_open", repack::open),
    ("repack_unpack", repack::unpack),
    ("spec", fleet::spec),
    ("transition", rules::transition),
    ("tuf", tuf::metadata),
];

/// The body of the target `name`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn target(name: &str) -> fn(&[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no target {name}")).1
}
