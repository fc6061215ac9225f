//! The build side: recipes become signed, published role trees.
//!
//! The library behind the program `rolebuild`. `cli` says what may be typed, `commands` what each command does with
//! the other modules; a command answers with a value that is printed as text or as JSON.

pub mod answer;
pub mod build;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod delta;
pub mod diff;
pub mod durable;
pub mod failure;
pub mod finish;
pub mod fsck;
pub mod ids;
pub mod import;
pub mod initrd;
pub mod installer;
pub mod keys;
pub mod mmdebstrap;
pub mod ostree;
pub mod overlay;
pub mod pack;
pub mod parallel;
pub mod progress;
pub mod publish;
pub mod recipe;
pub mod sandbox;
pub mod sbom;
pub mod scan;
pub mod serve;
pub mod site;
pub mod tool;
pub mod transition;
pub mod tree;
