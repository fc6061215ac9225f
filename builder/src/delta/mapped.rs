//! A scratch file as bytes in memory: the kernel reads what is looked at, and takes the memory back when it needs it.
#![allow(unsafe_code, reason = "the compiler cannot know that nobody changes the file")]

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// All of a scratch file, read only.
pub(super) struct Mapped(Mmap);

impl Mapped {
    /// Takes a file without a name, which only its owner has.
    pub(super) fn new(scratch: File) -> io::Result<Self> {
        // SAFETY: the bytes must not change, nor the file become shorter. It has no name, so nobody else can open it, and
        // its one handle ends here.
        let mapped = unsafe { Mmap::map(&scratch) };
        drop(scratch);
        mapped.map(Self)
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_bytes_of_the_file_are_there_and_an_empty_one_has_none() {
        let empty = Mapped::new(tempfile::tempfile().unwrap()).unwrap();
        assert!(empty.is_empty());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"some bytes").unwrap();
        assert_eq!(*Mapped::new(file).unwrap(), *b"some bytes");
    }
}
