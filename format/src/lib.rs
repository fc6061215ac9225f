//! The contract between the build side and the host, as types.
//!
//! Pure: no file, socket, clock or process is touched here; readers and writers are handed in.
//! Everything that crosses the wire or is laid on a disk has its one definition in this crate;
//! `docs/formats.md` describes the same in prose.

pub mod address;
pub mod boot;
mod decimal;
pub mod delta;
pub mod digest;
pub mod exclude;
pub mod exit;
pub mod fleet;
pub mod frames;
pub mod limits;
pub mod manifest;
pub mod name;
pub mod pack;
pub mod path;
pub mod slot;
pub mod transition;
pub mod tuf;
pub mod units;

pub use edeploy_repack as repack;
