//! Boot entries: their names, their text, and what the boot loader makes of them.
//!
//! The switch between slots is the set of files in `loader/entries/` on the ESP, in the form of the
//! Boot Loader Specification, type 1. [`EntryName`] and [`Entry`] are what we write; [`choose`] is
//! systemd-boot's own reading of any such folder, so that a machine (and a test) can say which entry
//! the next boot takes. `docs/formats.md` describes the same in prose.

mod entry;
mod id;
mod model;
mod name;
mod options;
mod order;

pub use entry::{Entry, EntryError};
pub use id::{BadId, MachineId, PartUuid};
pub use model::{BootFile, Choice, Efi, Ends, Found, choose};
pub use name::{EntryName, NotAnEntryName, Tries};
pub use options::{Options, OptionsError, ROLE_OPTIONS_LIMIT};
pub use order::compare_versions;

/// How often a new entry may be tried before the loader goes back to the old one.
pub const TRIES: u32 = 3;

/// The folder of the entries on the ESP.
pub const ENTRIES: &str = "loader/entries";

/// The folder of kernels and initrds on the ESP; each is named by its digest.
pub const OBJECTS: &str = "edeploy";

#[cfg(test)]
mod tests;
