//! What may be typed for `detect`.

use std::num::NonZeroU64;
use std::time::Duration;

use edeploy_format::fleet::Hint;
use lexopt::prelude::ValueExt;

use super::{CliError, SECONDS, number};
use crate::detect::hint;

/// Options of `detect`.
#[derive(Debug, PartialEq, Eq)]
pub struct Detect {
    /// Wait so long for what switches say of themselves.
    pub lldp: Duration,
    /// Choose the disk that this means, instead of listing everything.
    pub hint: Option<Hint>,
}

/// Those that were typed, before it is known which command takes them.
#[derive(Default)]
pub(super) struct Typed {
    lldp: Option<NonZeroU64>,
    hint: Option<Hint>,
}

impl Typed {
    /// Takes the value of `--lldp`.
    pub(super) fn lldp(&mut self, parser: &mut lexopt::Parser) -> Result<(), CliError> {
        self.lldp = number(parser, SECONDS)?;
        Ok(())
    }

    /// Takes the value of `--hint`.
    pub(super) fn hint(&mut self, parser: &mut lexopt::Parser) -> Result<(), CliError> {
        self.hint = Some(hint::parse(&parser.value()?.string()?)?);
        Ok(())
    }

    /// Hands them to the command.
    pub(super) fn take(&mut self) -> Detect {
        let lldp = Duration::from_secs(self.lldp.take().map_or(0, NonZeroU64::get));
        Detect { lldp, hint: self.hint.take() }
    }

    /// One that no command took.
    pub(super) fn left(&self) -> Option<String> {
        let lldp = self.lldp.map(|_| "--lldp".to_owned());
        lldp.or_else(|| self.hint.as_ref().map(|_| "--hint".to_owned()))
    }
}
