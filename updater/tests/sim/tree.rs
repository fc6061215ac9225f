//! Role trees as the simulator knows them: a version number, and how a boot of it goes.

use edeploy_format::digest::Digest;

use crate::esp::content;

/// How a boot of a version goes once its kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Temper {
    /// Its health checks pass.
    Healthy,
    /// A health check fails.
    Sick,
    /// A health check hangs until the time limit reboots without a sync.
    Hanging,
    /// The kernel panics before userspace.
    Panicking,
}

/// A version of the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tree {
    pub(crate) version: u8,
    pub(crate) temper: Temper,
}

/// Sectors of a tree in its slot, after the superblock.
pub(crate) const TREE: std::ops::Range<u64> = 1..5;
/// The sector of the path that belongs to the machine.
pub(crate) const OWN: u64 = 5;
/// What the machine keeps in that path.
pub(crate) const KEPT: u8 = 0xca;
/// The sector that the hook `post` writes, and what it writes there.
pub(crate) const HOOKED: u64 = 6;
pub(crate) const LEFT: u8 = 0xb0;

impl Tree {
    pub(crate) fn manifest(self) -> Digest {
        Digest([self.version; 32])
    }

    /// Two versions share a kernel; initrds are all different.
    pub(crate) fn objects(self) -> [(Digest, Vec<u8>); 2] {
        [content(self.version / 2, 700), content(0x80 | self.version, 600)]
    }

    /// A sector of the tree.
    pub(crate) fn sector(self, number: u64) -> [u8; 512] {
        [self.version.wrapping_mul(16) + u8::try_from(number).unwrap(); 512]
    }
}
