//! Writing a file with its holes: a block of 4 KiB that is all zero is left out.
//!
//! Offsets are those of the file, so a run of zeros that begins inside a block is written up to the
//! block's end. The length is set first; what is never written reads as zeros.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The block of ext4, and the least hole.
const BLOCK: usize = 4096;

/// Writes `bytes` at `offset` of `file`, whose length is set, and which holds nothing there yet.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let into_block = usize::try_from(offset % BLOCK as u64).expect("less than a block");
    let head = bytes.len().min((BLOCK - into_block) % BLOCK);
    // A run of bytes that must be written.
    let (mut start, mut end) = (0, head);
    for block in bytes[head..].chunks(BLOCK) {
        if block.len() < BLOCK || !is_zero(block) {
            end += block.len();
            continue;
        }
        file.write_all_at(&bytes[start..end], offset + start as u64)?;
        end += BLOCK;
        start = end;
    }
    file.write_all_at(&bytes[start..end], offset + start as u64)
}

fn is_zero(block: &[u8]) -> bool {
    let (words, rest) = block.as_chunks::<8>();
    words.iter().all(|word| u64::from_ne_bytes(*word) == 0) && rest.iter().all(|b| *b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    /// Writes `content` in pieces of `piece` bytes, and gives back what a reader gets and the blocks used.
    fn through(content: &[u8], piece: usize) -> (Vec<u8>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(content.len() as u64).unwrap();
        for (i, bytes) in content.chunks(piece).enumerate() {
            write_at(&file, bytes, (i * piece) as u64).unwrap();
        }
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        file.sync_all().unwrap();
        (read, file.metadata().unwrap().blocks() / 8)
    }

    #[test]
    fn whole_blocks_of_zeros_become_holes() {
        let content = [&[1; BLOCK][..], &[0; 3 * BLOCK], &[2; 100]].concat();
        for piece in [BLOCK, 2 * BLOCK, 1 << 20] {
            assert_eq!(through(&content, piece), (content.clone(), 2), "pieces of {piece}");
        }
        assert_eq!(through(&[0; 2 * BLOCK], 1 << 20), (vec![0; 2 * BLOCK], 0));
    }

    #[test]
    fn zeros_that_fill_no_block_are_written() {
        let content = [&[1; 10][..], &[0; BLOCK], &[2; 10]].concat();
        assert_eq!(through(&content, 1 << 20), (content.clone(), 2));
        assert_eq!(through(&[0; 100], 1 << 20), (vec![0; 100], 1));
        assert_eq!(through(b"", 1), (Vec::new(), 0));
    }

    #[test]
    fn pieces_of_any_length_make_the_same_file() {
        let content: Vec<u8> = (0..9 * BLOCK).map(|n| u8::from(n % 5000 < 3)).collect();
        for piece in [1000, 4095, 4097, 10_000] {
            assert_eq!(through(&content, piece).0, content, "pieces of {piece}");
        }
    }
}
