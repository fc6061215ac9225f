//! The last 32 KiB and what follows, and the chains that find in it what stands at a place.
//!
//! Where the bytes lie in the window matters for the result: no match is looked for near its end,
//! and at the end of the data a match is judged by what happens to lie behind it. So this is gzip's
//! window: 64 KiB, filled as far as it goes, moved by half when all but the last 262 bytes are used.

use super::super::RepackError;
use super::super::input::Input;
use super::crc::Crc;
use super::effort::Effort;
use super::symbol::{LEAST, MOST};

const HALF: usize = 32 << 10;
const SIZE: usize = 2 * HALF;
/// More bytes than this are at hand wherever a match is looked for, but at the end of the data.
const AHEAD: usize = MOST + LEAST + 1;
/// No match is farther away.
const FARTHEST: usize = HALF - AHEAD;

/// Where a match was found.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

pub(super) struct Window {
    bytes: Box<[u8; SIZE]>,
    /// By hash, the last place with it; 0 is none.
    last: Box<[u16; HALF]>,
    /// By place, modulo [`HALF`], the place before it with the same hash.
    before: Box<[u16; HALF]>,
    /// Of the bytes at the next place to be entered.
    hash: usize,
    /// The place that is looked at.
    pub(super) at: usize,
    /// How many bytes are at hand from there on.
    pub(super) ahead: usize,
    /// How many bytes before it the block began.
    pub(super) block: usize,
    /// How many bytes the source has still to give.
    left: u64,
    ended: bool,
    pub(super) sum: Crc,
}

impl Window {
    /// A window onto the next `length` bytes.
    pub(super) fn new(from: &mut Input, length: u64) -> Result<Self, RepackError> {
        fn zeros<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
            let zeros = vec![T::default(); N].into_boxed_slice();
            zeros.try_into().unwrap_or_else(|_| unreachable!("it was made N long"))
        }
        let mut window = Self {
            bytes: zeros(),
            last: zeros(),
            before: zeros(),
            hash: 0,
            at: 0,
            ahead: 0,
            block: 0,
            left: length,
            ended: false,
            sum: Crc::new(),
        };
        window.read(from)?;
        window.fill(from)?;
        window.restart();
        Ok(window)
    }

    /// Fills the window to its end.
    fn read(&mut self, from: &mut Input) -> Result<(), RepackError> {
        let room = &mut self.bytes[self.at + self.ahead..];
        let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(room.len());
        if n == 0 {
            self.ended = true;
            // gzip sees to it that what it enters last does not depend on what lay here.
            let behind = room.len().min(LEAST - 1);
            room[..behind].fill(0);
            return Ok(());
        }
        from.exact(&mut room[..n])?;
        self.sum.update(&room[..n]);
        self.left -= n as u64;
        self.ahead += n;
        Ok(())
    }

    /// Makes sure that enough bytes are at hand, but at the end of the data.
    pub(super) fn fill(&mut self, from: &mut Input) -> Result<(), RepackError> {
        while self.ahead < AHEAD && !self.ended {
            if self.at >= HALF + FARTHEST {
                self.bytes.copy_within(HALF.., 0);
                self.at -= HALF;
                for place in self.last.iter_mut().chain(self.before.iter_mut()) {
                    *place = place.saturating_sub(HALF as u16);
                }
            }
            self.read(from)?;
        }
        Ok(())
    }

    fn mix(&mut self, byte: u8) {
        self.hash = (self.hash << 5 ^ usize::from(byte)) % HALF;
    }

    /// Forgets the hash of what came before.
    fn restart(&mut self) {
        self.hash = 0;
        for i in 0..LEAST - 1 {
            self.mix(self.byte(self.at + i));
        }
    }

    fn byte(&self, place: usize) -> u8 {
        self.bytes[place % SIZE]
    }

    /// Enters this place into its chain, and says which place was the last in it.
    pub(super) fn enter(&mut self) -> usize {
        self.mix(self.byte(self.at + LEAST - 1));
        let place = std::mem::replace(&mut self.last[self.hash], self.at as u16);
        self.before[self.at % HALF] = place;
        usize::from(place)
    }

    /// The bytes since the block began, where they are all still at hand.
    pub(super) fn block_bytes(&self) -> Option<&[u8]> {
        self.at.checked_sub(self.block).map(|begin| &self.bytes[begin..self.at])
    }

    pub(super) fn here(&self) -> u8 {
        self.byte(self.at)
    }

    pub(super) fn previous(&self) -> u8 {
        self.byte(self.at.wrapping_sub(1))
    }

    /// Goes on without entering the places between.
    pub(super) fn skip(&mut self, length: usize) {
        self.at += length;
        self.ahead -= length;
        self.block += length;
        self.restart();
    }

    /// Goes on by one byte.
    pub(super) fn step(&mut self) {
        self.at += 1;
        self.ahead = self.ahead.saturating_sub(1);
        self.block += 1;
    }

    /// The longest match with what stands in the chain from `place` on, if it is longer than `than`.
    pub(super) fn longest(&self, mut place: usize, than: usize, effort: &Effort) -> Option<Match> {
        let at = self.at;
        if place == 0 || at - place > FARTHEST || at > SIZE - AHEAD {
            return None;
        }
        let nearest_gone = at.saturating_sub(FARTHEST);
        let mut tries = if than >= effort.good { effort.chain / 4 } else { effort.chain };
        let (mut length, mut found) = (than, None);
        // What would make a match longer, and the byte before it.
        let mut last = self.pair(at + length - 1);
        loop {
            if self.pair(place + length - 1) == last {
                let common = self.common(place);
                if common > length {
                    length = common;
                    found = Some(at - place);
                    last = self.pair(at + length - 1);
                    if length >= effort.nice {
                        break;
                    }
                }
            }
            place = usize::from(self.before[place % HALF]);
            tries -= 1;
            if place <= nearest_gone || tries == 0 {
                break;
            }
        }
        found.map(|distance| Match { length: length.min(self.ahead), distance })
    }

    fn pair(&self, place: usize) -> Option<[u8; 2]> {
        self.bytes.get(place..).and_then(|rest| rest.first_chunk()).copied()
    }

    /// How many bytes at `place` are those that stand here: at most [`MOST`].
    fn common(&self, place: usize) -> usize {
        super::super::common(&self.bytes[place..place + MOST], &self.bytes[self.at..self.at + MOST])
    }
}
