//! `edeploy-fleet`: which profile a machine matches, and what it gets.
//!
//! So far the part that needs no server: hardware reports and spec lines are read ([`hardware`], [`spec`]), matched
//! and explained ([`matcher`], [`explain`]), and the entries of a configuration database are expanded ([`generate`]).
//! Files of eDeploy are read as Python literals and never evaluated ([`literal`]).

pub mod cli;
pub mod cmdb;
pub mod commands;
pub mod explain;
pub mod failure;
pub mod generate;
pub mod hardware;
pub mod judge;
pub mod key;
pub mod literal;
pub mod mac;
pub mod machine;
pub mod matcher;
pub mod moment;
pub mod plan;
pub mod profile;
pub mod secret;
pub mod serve;
pub mod shelf;
pub mod spec;
pub mod store;
pub mod summary;
pub mod template;
