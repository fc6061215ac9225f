//! The external programs of the host: mke2fs and e2fsck, and nothing else.
//!
//! The features of a file system are spelled out, so that it does not depend on the mke2fs.conf of
//! the machine that happens to make it, and the kernel of an older role can still mount it. Tables
//! are written at once, not by a kernel thread later: an unchanged slot stays unchanged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::program::tether::die_with_us;

/// Sound for every kernel since 4.x; without `orphan_file` and `metadata_csum_seed`, which are newer.
const FEATURES: &str = "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,\
    dir_nlink,extra_isize,metadata_csum";
/// What a file system that is written while it counts has beside them.
const JOURNAL: &str = ",has_journal";
/// Where Debian keeps them; the PATH of whoever called us may lack it.
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";
/// The end of a program's messages that an error keeps.
const MESSAGES: usize = 4096;

/// The first copy of the superblock, where blocks have 4096 bytes: it begins the second block group.
const BACKUP: [&str; 4] = ["-b", "32768", "-B", "4096"];
/// e2fsck did not come to look at anything: the superblock, say, is torn.
const OPERATIONAL: i32 = 8;

/// Where the superblock begins, in bytes from the beginning of the device.
const SUPERBLOCK: u64 = 1024;
/// Where its first copy begins, that of [`BACKUP`].
const COPY: u64 = 32768 * 4096;
/// Where a superblock has its magic number, and that.
const MAGIC_AT: usize = 0x38;
const MAGIC: [u8; 2] = 0xef53_u16.to_le_bytes();

/// What a new ext4 file system is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext4 {
    /// Its label, at most 16 bytes.
    pub label: String,
    /// Its UUID in lower case, which also seeds the hash of folders.
    pub uuid: String,
    /// Inodes, which cannot be added later; one for each 16 KiB when `None`.
    pub inodes: Option<u64>,
    /// Whether it has a journal. A slot needs none: it is written while nothing boots it, and read back whole; and the
    /// kernel writes to the super block of a file system with a journal even where it is mounted for reading.
    pub journal: bool,
}

/// A call of an external program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool<'a> {
    /// Makes an empty file system; what the device held is lost.
    MakeExt4(&'a Ext4),
    /// Looks for errors and changes nothing.
    Check,
    /// Makes it sound, whatever is lost: for a slot, of which every byte is compared with a manifest afterwards.
    Repair,
    /// Replays the journal and mends what can be mended without a question; looks further than the journal only where
    /// the file system asks for it: for every boot.
    Recover,
}

/// Why an external program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It cannot be started.
    #[error("running `{command}` (package e2fsprogs)")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("`{command}`: {status}: {messages}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        messages: String,
    },
}

impl Tool<'_> {
    /// Runs it on `device`, which must not be mounted. What mends takes a superblock that a power cut tore within its
    /// 1024 bytes from its copy; e2fsck replays the journal then too.
    ///
    /// # Errors
    /// [`ToolError`]; for all but [`Tool::MakeExt4`] also when errors were found and remain.
    pub fn run(&self, device: &Path) -> Result<(), ToolError> {
        let first = self.call(device, &[]);
        match (self, &first) {
            (Self::Repair | Self::Recover, Err(ToolError::Failed { status, .. }))
                if status.code().is_some_and(|code| code & OPERATIONAL != 0) =>
            {
                // Of two failures the first says what is wrong.
                self.call(device, &BACKUP).or(first)
            }
            (Self::MakeExt4(_) | Self::Check | Self::Repair | Self::Recover, _) => first,
        }
    }

    fn call(&self, device: &Path, more: &[&str]) -> Result<(), ToolError> {
        let mut command = self.command();
        command
            .args(more)
            .arg(device)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("MKE2FS_CONFIG", "/dev/null");
        let line = line(&command);
        die_with_us(&mut command);
        let output = command.output().map_err(|source| ToolError::Start { command: line.clone(), source })?;
        if output.status.code().is_some_and(|code| self.is_success(code)) {
            return Ok(());
        }
        let messages = [output.stdout, output.stderr].concat();
        let messages = String::from_utf8_lossy(&messages[messages.len().saturating_sub(MESSAGES)..]);
        let messages = messages.trim().replace('\n', "; ");
        Err(ToolError::Failed { command: line, status: output.status, messages })
    }

    fn command(&self) -> Command {
        match self {
            Self::MakeExt4(ext4) => {
                let mut command = Command::new("mke2fs");
                command.args(["-F", "-q", "-b", "4096", "-I", "256", "-m", "0", "-e", "remount-ro"]);
                match ext4.inodes {
                    Some(inodes) => command.arg("-N").arg(inodes.to_string()),
                    None => command.args(["-i", "16384"]),
                };
                let extended = "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0";
                let features = [FEATURES, if ext4.journal { JOURNAL } else { "" }].concat();
                command.args(["-O", &features, "-L", &ext4.label, "-U", &ext4.uuid]);
                command.arg("-E").arg(format!("{extended},hash_seed={}", ext4.uuid));
                command
            }
            Self::Check => e2fsck(&["-f", "-n"]),
            Self::Repair => e2fsck(&["-f", "-y"]),
            Self::Recover => e2fsck(&["-p"]),
        }
    }

    fn is_success(&self, code: i32) -> bool {
        match self {
            Self::MakeExt4(_) | Self::Check => code == 0,
            // 1: errors were mended.
            Self::Repair | Self::Recover => matches!(code, 0 | 1),
        }
    }
}

/// What the superblock of an ext2, 3 or 4 file system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ext {
    /// Bytes of the file system.
    pub size: u64,
    /// Its journal holds what is not in its place yet: it was not unmounted.
    pub unclean: bool,
    /// The kernel met errors in it that e2fsck has not looked at.
    pub errors: bool,
}

/// The file system that `device` begins with; `None` without one.
#[must_use]
pub fn ext(device: &Path) -> Option<Ext> {
    let mut block = [0; 1024];
    File::open(device).and_then(|file| file.read_exact_at(&mut block, SUPERBLOCK)).ok()?;
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    // s_blocks_count_lo, s_log_block_size, s_feature_incompat; s_blocks_count_hi counts with the feature 64bit.
    let [count, log, features, high] = [0x04, 0x18, 0x60, 0x150].map(word);
    let high = if features & 0x80 == 0 { 0 } else { high };
    let count = u64::from(high) << 32 | u64::from(count);
    let is_ext = block[MAGIC_AT..MAGIC_AT + 2] == MAGIC && log <= 6;
    is_ext.then(|| Ext {
        size: count.saturating_mul(1024 << log),
        unclean: features & 0x4 != 0,
        // s_state.
        errors: block[0x3a] & 0x2 != 0,
    })
}

/// Whether anything tells of an ext4 file system: its superblock or the first copy of that, be they torn.
///
/// # Errors
/// If `device` cannot be read; one that ends before the copy has none.
pub fn has_superblock(device: &Path) -> io::Result<bool> {
    let file = File::open(device)?;
    let is_one = |at: u64| {
        let mut magic = [0; MAGIC.len()];
        match file.read_exact_at(&mut magic, at + MAGIC_AT as u64) {
            Ok(()) => Ok(magic == MAGIC),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
        }
    };
    Ok(is_one(SUPERBLOCK)? || is_one(COPY)?)
}

fn e2fsck(how: &[&str]) -> Command {
    let mut command = Command::new("e2fsck");
    command.args(how);
    command
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_lost_only_without_its_superblock_and_the_copy_of_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device");
        let file = File::create(&path).unwrap();
        assert!(!has_superblock(&path).unwrap(), "an empty one");
        file.set_len(COPY + 4096).unwrap();
        assert!(!has_superblock(&path).unwrap(), "all zero");
        for at in [SUPERBLOCK, COPY] {
            file.write_all_at(&MAGIC, at + MAGIC_AT as u64).unwrap();
            assert!(has_superblock(&path).unwrap(), "{at}");
            file.write_all_at(&[0; 2], at + MAGIC_AT as u64).unwrap();
        }
        assert!(!has_superblock(&path).unwrap());
        // Its bytes cannot be read.
        assert!(has_superblock(folder.path()).is_err());
    }
}
