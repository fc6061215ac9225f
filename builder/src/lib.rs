//! The build side: recipes become signed, published role trees.
//!
//! The library behind the program `rolebuild`. `cli` says what may be typed, `commands` what each command does with
//! the other modules; a command answers with a value that is printed as text or as JSON.

pub mod answer;
pub mod cli;
pub mod commands;
pub mod diff;
pub mod failure;
pub mod pack;
pub mod parallel;
pub mod scan;
pub mod tree;
