//! A patch: how bytes are made from bases, a control stream and two data streams.
//!
//! The idea is bsdiff's (Colin Percival, 2003): bytes that resemble a run of the base are written as the
//! difference to it, which is mostly zeros and compresses well; the rest is inserted. The control
//! stream is a list of [`Step`]s, three LEB128 numbers each: bytes to add to the base, bytes to insert,
//! and how far to move in the base afterwards (zigzag). The bases of a piece are one address space, one
//! after the other in the order they are named in. A patch without control bytes is one insertion.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::repack;

/// One step of a patch: first bytes that are the base's plus a difference, then inserted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// So many bytes of the base, from where it stands, each plus one of the difference (modulo 256).
    pub add: u64,
    /// So many inserted bytes after them.
    pub insert: u64,
    /// How far to move in the base afterwards, from the end of what was read.
    pub seek: i64,
}

impl Step {
    /// Appends the three numbers.
    pub fn write(&self, to: &mut Vec<u8>) {
        let zigzag = (self.seek << 1) ^ (self.seek >> 63);
        for number in [self.add, self.insert, zigzag.cast_unsigned()] {
            leb128(number, to);
        }
    }

    fn read(from: &mut &[u8]) -> Result<Self, PatchError> {
        let [add, insert, zigzag] = [number(from)?, number(from)?, number(from)?];
        let seek = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        Ok(Self { add, insert, seek })
    }
}

fn leb128(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

fn number(from: &mut &[u8]) -> Result<u64, PatchError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first().ok_or(PatchError::Control)?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(PatchError::Control)
}

/// The three streams of a patch.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    /// Its steps; none means that all of `extra` is inserted.
    pub control: &'a [u8],
    /// What is added to the base.
    pub difference: &'a [u8],
    /// What is inserted.
    pub extra: &'a [u8],
}

/// Where the bytes of bases come from.
pub trait Base {
    /// Fills `into` with the bytes from `at` on.
    ///
    /// # Errors
    /// If there are not so many, or they cannot be read.
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Base for &[u8] {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Base for Vec<u8> {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.as_slice().read(at, into)
    }
}

impl Base for File {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, at)
    }
}

/// Several bases with their lengths, one address space in this order.
impl<B: Base> Base for Vec<(u64, B)> {
    fn read(&self, mut at: u64, mut into: &mut [u8]) -> io::Result<()> {
        for (length, base) in self {
            if at >= *length {
                at -= length;
                continue;
            }
            let here = usize::try_from(length - at).unwrap_or(usize::MAX).min(into.len());
            let (now, later) = into.split_at_mut(here);
            base.read(at, now)?;
            (at, into) = (0, later);
        }
        if into.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Why a patch cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The control stream is cut short, or a number of it does not fit.
    #[error("the steps of a patch are no steps")]
    Control,
    /// The steps take more or fewer bytes than the streams hold.
    #[error("the steps of a patch do not fit its data")]
    Data,
    /// A step reads outside the bases, or they cannot be read.
    #[error("reading the base of a patch at byte {at}")]
    Base {
        /// Where in the bases.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Patch<'_> {
    /// Appends what the patch makes: as many bytes as difference and extra hold together.
    ///
    /// # Errors
    /// [`PatchError`]; `to` is then of no use.
    pub fn apply(mut self, base: &impl Base, to: &mut Vec<u8>) -> Result<(), PatchError> {
        if self.control.is_empty() && self.difference.is_empty() {
            to.extend_from_slice(self.extra);
            return Ok(());
        }
        let mut at = 0_u64;
        while !self.control.is_empty() {
            let step = Step::read(&mut self.control)?;
            let difference = take(&mut self.difference, step.add)?;
            let made = repack::zeros(to, difference.len());
            base.read(at, made).map_err(|source| PatchError::Base { at, source })?;
            repack::add(made, difference);
            to.extend_from_slice(take(&mut self.extra, step.insert)?);
            let moved = at.checked_add(step.add).and_then(|at| at.checked_add_signed(step.seek));
            at = moved.ok_or(PatchError::Control)?;
        }
        if self.difference.is_empty() && self.extra.is_empty() { Ok(()) } else { Err(PatchError::Data) }
    }
}

fn take<'a>(from: &mut &'a [u8], length: u64) -> Result<&'a [u8], PatchError> {
    let length = usize::try_from(length).map_err(|_| PatchError::Data)?;
    let (taken, rest) = from.split_at_checked(length).ok_or(PatchError::Data)?;
    *from = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &[u8] = b"the quick brown fox jumps over the lazy dog";

    fn control(steps: &[(u64, u64, i64)]) -> Vec<u8> {
        let mut control = Vec::new();
        steps.iter().for_each(|&(add, insert, seek)| Step { add, insert, seek }.write(&mut control));
        control
    }

    fn apply(steps: &[(u64, u64, i64)], difference: &[u8], extra: &[u8]) -> Result<Vec<u8>, PatchError> {
        let (control, mut made) = (control(steps), Vec::new());
        Patch { control: &control, difference, extra }.apply(&BASE, &mut made)?;
        Ok(made)
    }

    #[test]
    fn steps_add_insert_and_move_both_ways() {
        // From "brown" with its last letter one further, then from "the" in capitals.
        let steps = [(0, 0, 10), (5, 1, -15), (3, 4, 0)];
        let made = apply(&steps, &[0, 0, 0, 0, 1, 0xe0, 0xe0, 0xe0], b"- FOX").unwrap();
        assert_eq!(made, b"browo-THE FOX");
    }

    #[test]
    fn several_bases_are_one_address_space() {
        let bases = vec![(3, b"the".to_vec()), (0, Vec::new()), (6, b" quick".to_vec())];
        for (at, length, expected) in
            [(0, 9, Some(&b"the quick"[..])), (2, 3, Some(b"e q")), (9, 0, Some(b"")), (4, 6, None)]
        {
            let mut into = vec![0; length];
            let read = bases.read(at, &mut into).ok().map(|()| &into[..]);
            assert_eq!(read, expected, "{at} {length}");
        }
    }

    #[test]
    fn without_steps_all_is_inserted() {
        assert_eq!(apply(&[], b"", b"new").unwrap(), b"new");
    }

    #[test]
    fn numbers_survive_their_bytes() {
        let edges = [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX - 1, u64::MAX];
        for (add, insert) in edges.into_iter().zip(edges.into_iter().rev()) {
            for seek in [0, 1, -1, 63, -64, i64::MAX, i64::MIN] {
                let (step, mut bytes) = (Step { add, insert, seek }, Vec::new());
                step.write(&mut bytes);
                assert_eq!(Step::read(&mut &bytes[..]).unwrap(), step);
                assert!(Step::read(&mut &bytes[..bytes.len() - 1]).is_err());
            }
        }
    }

    #[test]
    fn a_number_above_64_bits_is_none() {
        for bytes in [&[0xff; 11][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]] {
            assert!(matches!(number(&mut &*bytes), Err(PatchError::Control)));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        type Case<'a> = (&'a [(u64, u64, i64)], &'a [u8], &'a [u8]);
        let cases: &[Case<'_>] = &[
            (&[(2, 0, 0)], &[0], b""),
            (&[(1, 0, 0)], &[0, 0], b""),
            (&[(0, 2, 0)], b"", b"x"),
            (&[(0, 1, 0)], b"", b"xx"),
            (&[(0, 0, -1), (1, 0, 0)], &[0], b""),
            (&[(0, 0, 43), (1, 0, 0)], &[0], b""),
            (&[(0, 0, i64::MAX), (0, 0, i64::MAX), (0, 0, 2), (1, 0, 0)], &[0], b""),
            (&[(u64::MAX, 0, 0)], &[0], b""),
            (&[], &[0], b""),
        ];
        for (steps, difference, extra) in cases {
            assert!(apply(steps, difference, extra).is_err(), "{steps:?}");
        }
    }
}
