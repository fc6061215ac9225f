//! The exit codes of both programs: documented, stable, one per kind of fault.

/// How a command ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; for `verify`: clean.
    Done = 0,
    /// A fault that has no code of its own (an I/O error, a bug).
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Refused in this state: locked, trial not blessed, version fallen back from.
    Refused = 3,
    /// No such role, version or transition.
    NotFound = 4,
    /// Something is unsigned, tampered with, expired, too old, or for another role or architecture.
    Untrusted = 5,
    /// The server cannot be reached or does not answer as it must.
    Network = 6,
    /// Not enough room on slot, ESP or state.
    Space = 7,
    /// A hook failed, hung, cannot be run, or asked for what it may not.
    Hook = 8,
    /// `verify` found drift, `diff` found differences, `fsck` found damage.
    Differs = 9,
    /// This machine or disk cannot be used: not root, no UEFI, not our disk, not empty.
    Unsuitable = 10,
    /// A recipe, tree or other input of the build side is wrong.
    Input = 11,
    /// Done, and a reboot is requested.
    Reboot = 100,
}
