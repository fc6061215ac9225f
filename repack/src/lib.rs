//! Files that hold compressed members, taken apart so that their contents can be compared, and put
//! together again to the same bytes.
//!
//! A [`Form`] says what a file consists of: runs of plain bytes, and members that one of our codecs
//! packs. The *unpacked form* of the file is its plain bytes and its members' contents, in order.
//! [`open()`] is the build side: it finds the members and keeps those it can pack again bit by bit.
//! [`unpack`] and [`repack`] are the host's: streams with bounded memory (under 0.5 MiB for gzip,
//! 34 MiB for LZ4, whose blocks are packed whole, two at a time), that trust no length and panic on no input.
//! They do not say that the right file came out: the caller hashes it.

mod form;
mod gzip;
mod history;
mod input;
mod lz4;
mod open;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

pub use form::{BadForm, Codec, Form, Level, PARTS_LIMIT, Part, UNPACKED_LIMIT};
use history::History;
use input::Input;
pub use open::{open, open_to_unpack};

/// Why a file was not unpacked or packed again.
#[derive(Debug, thiserror::Error)]
pub enum RepackError {
    /// The source failed.
    #[error("reading a packed file")]
    Read(#[source] io::Error),
    /// The destination failed.
    #[error("writing a packed file")]
    Write(#[source] io::Error),
    /// The bytes end before the form, the form before the bytes, or a member is longer or shorter.
    #[error("the file is not as long as its form says")]
    Length,
    /// A member is not what its codec writes.
    #[error("a packed member is damaged")]
    Member,
}

/// Writes the unpacked form of the file that `packed` reads.
///
/// # Errors
/// Any [`RepackError`]; what was written by then is to be thrown away.
pub fn unpack(form: &Form, packed: &mut dyn Read, unpacked: &mut dyn Write) -> Result<(), RepackError> {
    let mut from = Input::new(packed);
    for part in form.parts() {
        match *part {
            Part::Raw { length } => from.copy(length, unpacked)?,
            Part::Packed { codec, length } => {
                let mut to = History::new(unpacked, length);
                match codec {
                    Codec::Gzip(_) => gzip::unpack(&mut from, &mut to)?,
                    Codec::Lz4 => lz4::unpack(&mut from, &mut to, length)?,
                }
                to.finish()?;
            }
        }
    }
    from.end()
}

/// Writes the file whose unpacked form `unpacked` reads.
///
/// # Errors
/// Any [`RepackError`] but `Member`; what was written by then is to be thrown away.
pub fn repack(form: &Form, unpacked: &mut dyn Read, packed: &mut dyn Write) -> Result<(), RepackError> {
    let mut from = Input::new(unpacked);
    for part in form.parts() {
        match *part {
            Part::Raw { length } => from.copy(length, packed)?,
            Part::Packed { codec: Codec::Gzip(level), length } => {
                gzip::pack(&mut from, length, level, packed)?;
            }
            Part::Packed { codec: Codec::Lz4, length } => lz4::pack(&mut from, length, packed)?,
        }
    }
    from.end()
}

/// Appends `length` bytes, all zero, and gives them. (Here, as this crate is compiled for speed: so is [`add`].)
pub fn zeros(to: &mut Vec<u8>, length: usize) -> &mut [u8] {
    let from = to.len();
    to.resize(from + length, 0);
    &mut to[from..]
}

/// Adds to each byte that of `difference`, modulo 256.
pub fn add(bytes: &mut [u8], difference: &[u8]) {
    bytes.iter_mut().zip(difference).for_each(|(byte, plus)| *byte = byte.wrapping_add(*plus));
}

/// How many bytes two runs begin with in common; the search for matches spends most of its time here.
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut length = 0;
    for (a, b) in one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return length + (differ.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + one[length..].iter().zip(&other[length..]).take_while(|(a, b)| a == b).count()
}
