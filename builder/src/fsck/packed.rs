//! Contents of a published pack, read from it when they are asked for: a check writes nothing, not even scratch files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use edeploy_format::digest::Digest;
use edeploy_format::pack::IndexReader;

use crate::delta::contents::ContentsError;

/// Some bytes of a content.
struct Place {
    /// Where its frame begins, and how long that is, compressed and not.
    frame: (u64, u32, u32),
    /// Where in the frame.
    at: usize,
    length: usize,
}

pub(super) struct Packed {
    pack: File,
    path: PathBuf,
    places: HashMap<Digest, Vec<Place>>,
    /// The frame that was opened last: contents that are asked for together mostly stand together.
    last: RefCell<(Option<u64>, Vec<u8>)>,
}

impl Packed {
    pub(super) fn open(index: impl BufRead, path: PathBuf) -> Result<Self, ContentsError> {
        let unread = |source| ContentsError::Frame { path: path.clone(), at: 0, source };
        let (pack, mut places) = (File::open(&path).map_err(unread)?, HashMap::<_, Vec<_>>::new());
        let mut frames = IndexReader::new(index)?;
        while let Some(frame) = frames.next_frame()? {
            let mut at = 0;
            for piece in &frame.pieces {
                let (frame, length) = ((frame.offset, frame.compressed, frame.length), piece.length as usize);
                places.entry(piece.content).or_default().push(Place { frame, at, length });
                at += length;
            }
        }
        Ok(Self { pack, path, places, last: RefCell::default() })
    }

    /// A content of the pack.
    pub(super) fn read(&self, content: &Digest) -> Result<Vec<u8>, ContentsError> {
        let mut bytes = Vec::new();
        for place in self.places.get(content).into_iter().flatten() {
            let (at, path) = (place.frame.0, &self.path);
            let opened = self.append(place, &mut bytes);
            opened.map_err(|source| ContentsError::Frame { path: path.clone(), at, source })?;
        }
        Some(bytes).filter(|bytes| Digest::of(bytes) == *content).ok_or(ContentsError::Content(*content))
    }

    fn append(&self, place: &Place, to: &mut Vec<u8>) -> io::Result<()> {
        let (offset, compressed, length) = place.frame;
        let (opened, frame) = &mut *self.last.borrow_mut();
        if *opened != Some(offset) {
            let mut bytes = vec![0; compressed as usize];
            self.pack.read_exact_at(&mut bytes, offset)?;
            *opened = None;
            *frame = zstd::bulk::decompress(&bytes, length as usize)?;
            *opened = Some(offset);
        }
        let piece = frame.get(place.at..place.at + place.length);
        to.extend_from_slice(piece.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
