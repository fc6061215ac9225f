//! The build side: recipes become signed, published role trees.
//!
//! The library behind the program `rolebuild`. `cli` says what may be typed, `commands` what each command does with
//! the other modules; a command answers with a value that is printed as text or as JSON.

pub mod answer;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod diff;
pub mod durable;
pub mod failure;
pub mod keys;
pub mod pack;
pub mod parallel;
pub mod publish;
pub mod scan;
pub mod site;
pub mod transition;
pub mod tree;
