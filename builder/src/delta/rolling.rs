//! The runs of contents too large for a suffix array: blocks of the base that stand elsewhere, found by
//! fast_rsync's rolling checksum.
//!
//! Its delta is librsync's: a stream of literals and copies, which become runs without differences.

use fast_rsync::{Signature, SignatureOptions, diff};

use super::runs::Run;

/// Blocks of this many bytes are found again.
const BLOCK: u32 = 4096;
/// So many bytes of a block's MD4 are compared; what comes out is held to a digest anyway.
const HASH: u32 = 8;
/// The first four bytes of a delta.
const MAGIC: [u8; 4] = [0x72, 0x73, 0x02, 0x36];

/// So much of the new content is compared at once: what is inserted is held in memory meanwhile.
const WINDOW: usize = 64 << 20;

/// The runs of `base` that make `new`; what cannot be compared is inserted.
#[must_use]
pub fn runs(base: &[u8], new: &[u8]) -> Vec<Run> {
    windows(base, new, WINDOW)
}

fn windows(base: &[u8], new: &[u8], window: usize) -> Vec<Run> {
    let options = SignatureOptions { block_size: BLOCK, crypto_hash_size: HASH };
    let signature = Signature::calculate(base, options);
    let index = signature.index();
    let (mut runs, mut at) = (Vec::new(), 0);
    for new in new.chunks(window) {
        let mut delta = Vec::new();
        let found = diff(&index, new, &mut delta).ok().and_then(|()| read(&delta, at));
        let inserted = || vec![Run { source: 0, base: 0, at, add: 0, insert: new.len() }];
        runs.extend(found.unwrap_or_else(inserted));
        at += new.len();
    }
    runs
}

/// Reads librsync's delta of what is made from `at` on: a command byte, its numbers (big-endian, of 1, 2, 4 or 8 bytes), the literal.
fn read(delta: &[u8], mut at: usize) -> Option<Vec<Run>> {
    let mut rest = delta.strip_prefix(&MAGIC)?;
    let mut runs = Vec::<Run>::new();
    loop {
        let (&command, after) = rest.split_first()?;
        rest = after;
        match command {
            0 => return Some(runs),
            1..=0x44 => {
                let length =
                    if command <= 0x40 { command.into() } else { number(&mut rest, command - 0x41)? };
                rest = rest.get(length..)?;
                if let Some(run) = runs.last_mut() {
                    run.insert += length;
                } else {
                    runs.push(Run { source: 0, base: 0, at, add: 0, insert: length });
                }
                at += length;
            }
            0x45..=0x54 => {
                let base = number(&mut rest, (command - 0x45) / 4)?;
                let add = number(&mut rest, (command - 0x45) % 4)?;
                runs.push(Run { source: 0, base, at, add, insert: 0 });
                at += add;
            }
            _ => return None,
        }
    }
}

/// A number of 1, 2, 4 or 8 bytes.
fn number(rest: &mut &[u8], size: u8) -> Option<usize> {
    let (bytes, after) = rest.split_at_checked(1 << size)?;
    *rest = after;
    let number = bytes.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::cut::cut;
    use edeploy_format::delta::patch::Patch;

    #[test]
    fn what_moved_is_found_and_the_rest_inserted() {
        let base: Vec<u8> = (0..300_000_u64).map(|n| (n * n * n / 911).to_le_bytes()[0]).collect();
        let new = [&base[123..150_000], b"in between", &base[7_777..], b"at the end"].concat();
        for window in [WINDOW, 100_000] {
            let runs = windows(&base, &new, window);
            assert!(runs.iter().map(|run| run.insert).sum::<usize>() < 40_000, "{runs:?}");
            let mut made = Vec::new();
            for cut in cut(&runs, &[&base], &new, 50_000) {
                let patch = Patch { control: &cut.control, difference: &cut.difference, extra: &cut.extra };
                patch.apply(&base, &mut made).unwrap();
            }
            assert_eq!(made, new);
        }
        assert_eq!(super::runs(b"", b"something").len(), 1);
    }
}
