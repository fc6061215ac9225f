//! What goes wrong in the simulated machine.

use std::io;

use edeploy_ab::esp::EspError;
use edeploy_ab::machine::Refusal;

/// Why the simulated machine could not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Esp(#[from] EspError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Broken(String),
}
