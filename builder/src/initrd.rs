//! The initrd of a role: one form for all, whatever made it.
//!
//! [`plain`] turns what a tree has into an uncompressed cpio archive that depends on its contents alone: by path,
//! without times, files byte for byte as they were. So an initrd that did not change is the same file in every
//! version, and what it shares with the tree is there to be found. What the kernel looks for before it unpacks
//! anything (microcode, ACPI tables) stays in an archive of its own before it. Reasons: `docs/decisions/0009-initrd.md`.

mod compression;
mod contents;
mod cpio;
mod folder;

use std::io;

use compression::Compression;
use contents::Contents;
use cpio::Archive;
pub use folder::of_folder;

/// The most bytes an initrd may unpack to: far above any that boots, and what a build machine can hold.
pub const UNPACKED_LIMIT: usize = 2 << 30;

/// What is wrong with an initrd.
#[derive(Debug, thiserror::Error)]
pub enum Defect {
    /// An archive is not what the kernel reads.
    #[error("its cpio archive, at byte {at} of what it unpacks to: {what}")]
    Archive {
        /// Where the record begins.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A compressed part does not unpack.
    #[error("unpacking its {compression} stream at byte {at}")]
    Stream {
        /// Where the stream begins in the file.
        at: usize,
        /// Its compression.
        compression: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// After a good part comes something else.
    #[error("what stands at byte {at} is neither a cpio archive nor compressed by a known program")]
    Unknown {
        /// Where it begins in the file.
        at: usize,
    },
    /// It unpacks to too much.
    #[error("it unpacks to more than {limit} bytes")]
    TooLong {
        /// The most that is allowed.
        limit: usize,
    },
}

/// The initrd in the form of this program; `None` when it does not begin as cpio archives do, compressed or not.
///
/// # Errors
/// [`Defect`].
pub fn plain(image: &[u8]) -> Result<Option<Vec<u8>>, Defect> {
    plain_within(image, UNPACKED_LIMIT)
}

/// As [`plain`], with another limit for what it unpacks to, in bytes.
///
/// # Errors
/// [`Defect`].
pub fn plain_within(image: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Defect> {
    let Some(Unpacked { bytes, early }) = unpack(image, limit)? else { return Ok(None) };
    let split = |at: usize| -> Result<[Contents<'_>; 2], Defect> {
        Ok([Contents::read(&bytes[..at], 0, limit)?, Contents::read(&bytes[at..], at, limit)?])
    };
    let [mut first, mut main] = split(early)?;
    // Uncompressed, the kernel would look into both: one archive, which is the same when it is read again.
    if main.is_early() {
        [first, main] = split(bytes.len())?;
    }
    let mut out = Vec::new();
    if !first.is_empty() {
        first.write(&mut out);
    }
    if !main.is_empty() || first.is_empty() {
        main.write(&mut out);
    }
    Ok(Some(out))
}

/// Archives one after another, none compressed any more, each from a multiple of four bytes on.
struct Unpacked {
    bytes: Vec<u8>,
    /// How many bytes at the start the kernel looks into before it unpacks anything.
    early: usize,
}

fn unpack(image: &[u8], limit: usize) -> Result<Option<Unpacked>, Defect> {
    let (mut bytes, mut early, mut at) = (Vec::new(), 0, 0);
    let mut leading = true;
    loop {
        at += zeros(&image[at..]);
        let rest = &image[at..];
        if rest.is_empty() {
            break;
        } else if rest.starts_with(cpio::MAGIC) && at.is_multiple_of(4) {
            let mut archive = Archive::new(rest, bytes.len());
            while let Some(record) = archive.next()? {
                leading &= is_early(record.name, record.kind());
            }
            bytes.extend_from_slice(&rest[..archive.read()]);
            at += archive.read();
        } else if let Some(compression) = Compression::of(rest) {
            at += compression.unpack(rest, at, limit, &mut bytes)?;
            leading = false;
        } else if bytes.is_empty() {
            break;
        } else {
            return Err(Defect::Unknown { at });
        }
        if bytes.len() > limit {
            return Err(Defect::TooLong { limit });
        }
        cpio::pad(&mut bytes);
        early = if leading { bytes.len() } else { early };
    }
    Ok((!bytes.is_empty()).then_some(Unpacked { bytes, early }))
}

/// Whether a record is what the kernel looks for in archives that are not compressed, or stands beside it in those
/// that bring it. The kernel looks for names as they stand there.
fn is_early(name: &[u8], kind: u32) -> bool {
    if kind != cpio::FOLDER && kind != cpio::FILE || name.split(|b| *b == b'/').any(|part| part == b"..") {
        return false;
    }
    let name = name.strip_prefix(b"./").or(name.strip_prefix(b"/")).unwrap_or(name);
    matches!(name, b"" | b"." | b"kernel" | b"early_cpio") || name.starts_with(b"kernel/")
}

/// How many zeros come first.
fn zeros(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == 0).count()
}

#[cfg(test)]
mod tests;
