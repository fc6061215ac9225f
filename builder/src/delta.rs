//! From two published versions to the delta between them.

pub mod archive;
pub mod check;
pub mod choose;
pub mod contents;
pub mod cut;
pub mod frames;
pub mod make;
pub mod pair;
pub mod publish;
pub mod published;
pub mod rolling;
pub mod runs;
pub mod search;
