//! `edeploy-fleet`: which profile a machine matches, and what it gets.
//!
//! Hardware reports and spec lines are read ([`hardware`], [`spec`]), matched and explained ([`matcher`], [`explain`]).
//! A folder of profiles ([`profile`]) is judged for a machine ([`judge`]): it gets the first that it matches, with an entry
//! of the profile's database ([`cmdb`], expanded by [`generate`]), of which its plan is made ([`plan`], [`template`]).
//! The service ([`serve`]) does so for machines that boot from the network, and remembers what it gave ([`store`]).
//! Files of eDeploy are read as Python literals and never evaluated ([`literal`]).

pub mod answer;
pub mod cli;
pub mod cmdb;
pub mod commands;
pub mod explain;
pub mod failure;
pub mod generate;
pub mod hardware;
pub mod import;
pub mod judge;
pub mod key;
pub mod literal;
pub mod mac;
pub mod machine;
pub mod matcher;
pub mod moment;
pub mod newest;
pub mod plan;
pub mod profile;
pub mod secret;
pub mod serve;
pub mod shelf;
pub mod spec;
pub mod store;
pub mod summary;
pub mod template;
