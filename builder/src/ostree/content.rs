//! Objects of files, made here and not by libostree: one read gives both hashes, and what the repository lacks is
//! deflated by libdeflate, in a third of zlib's time.
//!
//! The form is that of archive mode: the length of the header in four bytes, four zero bytes, the header, then the content
//! deflated without frame. The checksum is SHA-256 over a header without the length, framed the same way, and the content.
//! Files that are not to be held in memory are left to libostree, which streams them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::tuf::{Sha256, Sha256Hasher};
use libdeflater::{CompressionLvl, Compressor};
use ostree::glib::{self, prelude::*};

/// The longest file that is held in memory, together with its object.
const WHOLE: u64 = 64 << 20;
/// Of files longer than this, one at a time is.
const LARGE: u64 = 8 << 20;
/// Others are read in parts of this length.
const PART: usize = 1 << 20;

/// A file that was read.
pub(super) struct Found {
    /// The checksum of its object.
    pub(super) checksum: Sha256,
    /// The digest of its content, as manifests have it.
    pub(super) digest: Digest,
    /// The bytes of its object; `None` when the object is there, or the file too long.
    pub(super) object: Option<Vec<u8>>,
}

/// What a thread needs to make objects.
pub(super) struct Maker<'a> {
    compressor: Compressor,
    turn: &'a Mutex<()>,
}

impl<'a> Maker<'a> {
    /// One for a thread; all that work at once share `turn`.
    pub(super) fn new(turn: &'a Mutex<()>) -> Self {
        Self { compressor: Compressor::new(CompressionLvl::default()), turn }
    }

    /// Reads a file, and makes its object unless it `is_there`.
    ///
    /// # Errors
    /// When it cannot be read, or is not as long as `metadata` says.
    pub(super) fn find(
        &mut self,
        file: &mut File,
        metadata: &Metadata,
        attributes: &glib::Variant,
        is_there: impl FnOnce(&Sha256) -> bool,
    ) -> io::Result<Found> {
        let mut sums = Sums::begin(&header(metadata, attributes, None));
        let length = metadata.len();
        // It guards memory, and no state that a panic could leave half done.
        let _turn = (length > LARGE).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut contents = Vec::new();
        if length <= WHOLE {
            contents.reserve_exact(usize::try_from(length).expect("at most WHOLE"));
            file.take(length + 1).read_to_end(&mut contents)?;
            sums.add(&contents);
        } else {
            sums.add_all(file)?;
        }
        let (read, checksum, digest) = sums.finish();
        if read != length {
            return Err(io::Error::other("it changed while it was read"));
        }
        let made = length <= WHOLE && !is_there(&checksum);
        let object = made.then(|| self.object(&contents, &header(metadata, attributes, Some(length))));
        Ok(Found { checksum, digest, object })
    }

    fn object(&mut self, contents: &[u8], header: &[u8]) -> Vec<u8> {
        let mut object = header.to_vec();
        let bound = self.compressor.deflate_compress_bound(contents.len());
        object.resize(header.len() + bound, 0);
        let deflated = self.compressor.deflate_compress(contents, &mut object[header.len()..]);
        object.truncate(header.len() + deflated.expect("there is as much room as can be needed"));
        object
    }
}

/// A header in its frame: that of the object has the length of the content, that of the checksum has not.
fn header(metadata: &Metadata, attributes: &glib::Variant, length: Option<u64>) -> Vec<u8> {
    let length = length.map(|length| length.to_be().to_variant());
    let numbers = [metadata.uid(), metadata.gid(), metadata.mode(), 0].map(|n| n.to_be().to_variant());
    let rest = ["".to_variant(), attributes.clone()];
    let variant = glib::Variant::tuple_from_iter(length.into_iter().chain(numbers).chain(rest));
    let bytes = variant.data();
    let mut framed = u32::try_from(bytes.len()).expect("the kernel bounds attributes").to_be_bytes().to_vec();
    framed.extend([0; 4]);
    framed.extend(bytes);
    framed
}

/// Both hashes of a file.
struct Sums {
    sha256: Sha256Hasher,
    blake3: Hasher,
    length: u64,
}

impl Sums {
    fn begin(header: &[u8]) -> Self {
        let mut sha256 = Sha256Hasher::default();
        sha256.update(header);
        Self { sha256, blake3: Hasher::new(), length: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.blake3.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn add_all(&mut self, file: &mut File) -> io::Result<()> {
        let mut buffer = vec![0; PART];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                n => self.add(&buffer[..n]),
            }
        }
    }

    fn finish(self) -> (u64, Sha256, Digest) {
        (self.length, self.sha256.finish(), self.blake3.finish())
    }
}
