//! The kernel command line of an entry: ours first, in a fixed order, then the role's.
//!
//! Ours come first because the kernel cuts a command line that is too long at its end.

use std::fmt;
use std::str::FromStr;

use super::id::{BadId, MachineId, PartUuid};
use crate::digest::{Digest, NotADigest};
use crate::slot::{NotASlot, Slot};

/// So many bytes of a command line reach Linux on x86 and arm64: the rest is cut, without a word.
const COMMAND_LINE: usize = 2047;
/// What systemd-boot puts before ours: `initrd=\edeploy\<digest> `.
const LOADERS: usize = 81;
/// Ours, which always have the same length, and a space after them.
const OURS: usize = 282;

/// A role's own arguments may have so many bytes, or the kernel would not see the last of them.
pub const ROLE_OPTIONS_LIMIT: usize = COMMAND_LINE - LOADERS - OURS;

/// What the command line says about the machine and the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The partition that is mounted as root.
    pub root: PartUuid,
    /// Which slot that is.
    pub slot: Slot,
    /// The state partition.
    pub state: PartUuid,
    /// The manifest of the tree in the slot.
    pub manifest: Digest,
    /// The machine's identity.
    pub machine: MachineId,
    /// The role's own arguments, separated by single spaces; may be empty.
    pub role: String,
}

/// Why a command line is not one of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// An argument of ours is not in its place.
    #[error("kernel arguments: expected `{expected}` at {found:?}")]
    Missing {
        /// The argument that belongs here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// An identifier does not parse.
    #[error("kernel arguments: {0}")]
    Id(#[from] BadId),
    /// The slot is none.
    #[error("kernel arguments: {0}")]
    Slot(#[from] NotASlot),
    /// The manifest digest is none.
    #[error("kernel arguments: {0}")]
    Manifest(#[from] NotADigest),
}

impl Options {
    /// Reads them out of a running kernel's command line, where the loader may have put its own
    /// arguments before them.
    ///
    /// # Errors
    /// If ours are not there.
    pub fn of_command_line(text: &str) -> Result<Self, OptionsError> {
        let text = text.trim_end();
        text[text.find(ROOT).unwrap_or(0)..].parse()
    }
}

const ROOT: &str = "root=PARTUUID=";

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, slot, state, manifest, machine, role } = self;
        write!(f, "{ROOT}{root} ro edeploy.slot={slot} edeploy.state=PARTUUID={state} ")?;
        write!(f, "edeploy.manifest={manifest} systemd.machine_id={machine} systemd.gpt_auto=0")?;
        if role.is_empty() { Ok(()) } else { write!(f, " {role}") }
    }
}

/// Arguments that have not been taken yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Takes the next argument, which must begin with `expected`; the rest of it is its value.
    fn take(&mut self, expected: &'static str) -> Result<&'a str, OptionsError> {
        let (argument, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        let value = argument.strip_prefix(expected);
        let found = || argument.chars().take(80).collect();
        let value = value.ok_or_else(|| OptionsError::Missing { expected, found: found() })?;
        self.0 = rest;
        Ok(value)
    }

    /// Takes the next argument, which must be `expected`.
    fn take_whole(&mut self, expected: &'static str) -> Result<(), OptionsError> {
        let found = || self.0.split(' ').next().unwrap_or_default().chars().take(80).collect();
        let missing = OptionsError::Missing { expected, found: found() };
        if self.take(expected)?.is_empty() { Ok(()) } else { Err(missing) }
    }
}

impl FromStr for Options {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let mut rest = Rest(text);
        let root = rest.take(ROOT)?.parse()?;
        rest.take_whole("ro")?;
        Ok(Self {
            root,
            slot: rest.take("edeploy.slot=")?.parse()?,
            state: rest.take("edeploy.state=PARTUUID=")?.parse()?,
            manifest: rest.take("edeploy.manifest=")?.parse()?,
            machine: rest.take("systemd.machine_id=")?.parse()?,
            role: {
                rest.take_whole("systemd.gpt_auto=0")?;
                rest.0.to_owned()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(role: &str) -> Options {
        Options {
            root: PartUuid([1; 16]),
            slot: Slot::B,
            state: PartUuid([2; 16]),
            manifest: Digest([3; 32]),
            machine: MachineId([4; 16]),
            role: role.to_owned(),
        }
    }

    #[test]
    fn options_survive_their_text() {
        for role in ["", "console=ttyS0", "quiet panic=5 ro a=\"b c\""] {
            assert_eq!(options(role).to_string().parse(), Ok(options(role)));
        }
        assert_eq!(
            options("quiet").to_string(),
            format!(
                "root=PARTUUID=01010101-0101-0101-0101-010101010101 ro edeploy.slot=b \
                 edeploy.state=PARTUUID=02020202-0202-0202-0202-020202020202 edeploy.manifest={} \
                 systemd.machine_id={} systemd.gpt_auto=0 quiet",
                "03".repeat(32),
                "04".repeat(16)
            )
        );
    }

    #[test]
    fn the_longest_options_of_a_role_fill_the_kernels_command_line() {
        let line = options(&"x".repeat(ROLE_OPTIONS_LIMIT)).to_string();
        let loaders = format!("initrd=\\{}\\{} ", crate::boot::OBJECTS, Digest([3; 32]));
        assert_eq!((loaders.len() + line.len(), ROLE_OPTIONS_LIMIT), (2047, 1684));
    }

    #[test]
    fn a_running_kernels_line_may_begin_with_the_loaders_arguments() {
        let line = format!("initrd=\\edeploy\\0303 {}\n", options("quiet"));
        assert_eq!(Options::of_command_line(&line), Ok(options("quiet")));
        let error = Options::of_command_line("BOOT_IMAGE=/vmlinuz root=/dev/sda1\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "kernel arguments: expected `root=PARTUUID=` at \"BOOT_IMAGE=/vmlinuz\""
        );
    }

    #[test]
    fn an_argument_that_only_begins_like_one_of_ours_is_not_it() {
        let whole = options("quiet").to_string();
        for (ours, other) in [(" ro ", " root "), ("gpt_auto=0", "gpt_auto=01")] {
            let error = whole.replace(ours, other).parse::<Options>().unwrap_err();
            assert!(matches!(error, OptionsError::Missing { .. }), "{other}: {error}");
        }
    }

    #[test]
    fn a_line_cut_anywhere_within_ours_is_refused() {
        let whole = options("").to_string();
        let kept = (0..whole.len()).filter(|&n| whole[..n].parse::<Options>().is_ok()).count();
        assert_eq!(kept, 0);
    }
}
