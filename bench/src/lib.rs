//! `just bench`: figures of the product beside its peers, on the same work in the same run.
//!
//! It makes the trees, runs the two binaries and the peers as black boxes, keeps what it measured in one file, and
//! draws tables and plots from that file alone. It knows nothing of the insides of what it measures.

pub mod bench;
pub mod cli;
pub mod disk;
pub mod error;
pub mod figures;
pub mod finished;
pub mod fleet;
pub mod folder;
pub mod ours;
pub mod parts;
pub mod peers;
pub mod plot;
pub mod report;
pub mod results;
pub mod run;
pub mod server;
pub mod stats;
pub mod tables;
pub mod trees;
