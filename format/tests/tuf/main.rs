//! The client workflow held against honest and hostile repositories, all made here.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod chain;
mod fleet;
mod forged;
mod hostile;
mod nonsense;
mod recovery;
mod replay;
mod site;
mod tamper;
