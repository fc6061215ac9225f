//! A base, of which a patch reads a few bytes here and a few there: what was read lately is kept by pages.
//!
//! A patch of a large program has some hundred thousand steps, most of ten bytes; a system call for each is most of
//! what they cost.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use edeploy_format::delta::patch::Base;

const PAGE: usize = 4096;
/// Pages that are kept of a base at most, 1 MiB,
const PLACES: usize = 256;
/// and of all bases of a piece, 4 MiB.
const POOL: usize = 1024;

/// A file, and some of its pages.
pub(super) struct Paged {
    file: File,
    /// Each page has its place, which it shares with those whose numbers differ by a multiple of their count.
    pages: RefCell<Vec<Page>>,
}

/// What a place holds.
#[derive(Clone, Default)]
struct Page {
    /// Which page it is, if any.
    number: u64,
    /// Its bytes, fewer at the end of the file.
    bytes: Vec<u8>,
}

impl Paged {
    /// One of so many bases that are open at once, at least one.
    pub(super) fn new(file: File, bases: usize) -> Self {
        let places = (POOL / bases.max(1)).clamp(1, PLACES);
        Self { file, pages: RefCell::new(vec![Page::default(); places]) }
    }
}

impl Base for Paged {
    fn read(&self, mut at: u64, mut into: &mut [u8]) -> io::Result<()> {
        if into.len() >= PAGE {
            return self.file.read_exact_at(into, at);
        }
        let mut pages = self.pages.borrow_mut();
        while !into.is_empty() {
            let (number, offset) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let place = (number % pages.len() as u64) as usize;
            let page = &mut pages[place];
            if page.number != number || page.bytes.is_empty() {
                page.read(&self.file, number)?;
            }
            let there = page.bytes.get(offset..).filter(|there| !there.is_empty());
            let there = there.ok_or(io::ErrorKind::UnexpectedEof)?;
            let (now, later) = into.split_at_mut(there.len().min(into.len()));
            now.copy_from_slice(&there[..now.len()]);
            at += now.len() as u64;
            into = later;
        }
        Ok(())
    }
}

impl Page {
    fn read(&mut self, file: &File, number: u64) -> io::Result<()> {
        self.number = number;
        self.bytes.resize(PAGE, 0);
        let mut filled = 0;
        while filled < PAGE {
            match file.read_at(&mut self.bytes[filled..], number * PAGE as u64 + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.bytes.clear();
                    return Err(e);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn any_range_reads_as_the_file_has_it() {
        // Longer than all pages that are kept, and no whole number of them.
        let content: Vec<u8> = (0..(PLACES + 3) * PAGE + 100).map(|n| (n / 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let paged = [1, 64, 5000].map(|bases| Paged::new(file.try_clone().unwrap(), bases));
        assert_eq!(paged.each_ref().map(|paged| paged.pages.borrow().len()), [PLACES, 16, 1]);
        let end = content.len();
        for at in [0, 1, PAGE - 1, PAGE, PLACES * PAGE - 3, 5, end - 100, end - 1, 2 * PAGE - 10, 0] {
            for length in [0, 1, 10, PAGE - 1, PAGE, 2 * PAGE + 1] {
                for paged in &paged {
                    let mut into = vec![0; length];
                    let read = paged.read(at as u64, &mut into);
                    match content.get(at..at + length) {
                        Some(there) => assert!(read.is_ok() && into == there, "{length} bytes at {at}"),
                        None => assert!(read.is_err(), "{length} bytes at {at}"),
                    }
                }
            }
        }
    }
}
