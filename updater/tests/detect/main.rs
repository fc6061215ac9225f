//! `detect` on machines made of files, and on the one that runs the tests.
//!
//! `answers/` holds what tools said on real machines: from eDeploy's `hardware` project (Apache License 2.0,
//! copyright eNovance SAS and Red Hat), unchanged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod hint;
mod hostile;
mod machine;
mod program;
mod server;
mod tools;
mod virtual_machine;
