//! What the machine can make itself: contents of the delta, from those of the running slot.
//!
//! A base is hashed before it is patched, and what comes out is held to the manifest as everything else is. A
//! content whose base is not what its manifest says is left to the pack. The delta is used where it is fewer
//! bytes than the frames of the pack that it spares.

use std::fs::File;
use std::os::unix::fs::FileExt;

use edeploy_format::delta::patch::Patch;
use edeploy_format::delta::{Piece, patches};
use edeploy_format::digest::{Digest, Hasher};

use super::contents::Contents;
use super::{BUFFER, FillError, Filled, Filling, NAMED, Running};
use crate::slot::frames::{cost, cost_of, fetch};
use crate::slot::index::Index;

impl<'a> Filling<'a> {
    /// Makes what the delta makes of `needs`, which are then less.
    pub(super) fn patch(&self, needs: &mut Index<'a>, filled: &mut Filled) -> Result<(), FillError> {
        let (Some(delta), Some(running)) = (self.delta, self.running) else { return Ok(()) };
        let download = cost_of(delta.frames()?, needs)?.bytes;
        if download == 0 || download >= cost(self.pack.index, needs)?.bytes {
            return Ok(());
        }
        self.progress.stage("patching", download);
        let mut patching = Patching {
            running,
            contents: Contents::new(self.slot, needs),
            bases: None,
            without: None,
            buffer: vec![0; BUFFER],
            made: Vec::new(),
            note: &|line| self.progress.note(line),
            drifted: filled.drifted,
        };
        fetch::<_, FillError>(
            (delta.fetch, delta.path),
            delta.frames()?,
            needs,
            |bytes| self.progress.advance(bytes),
            |frame, streams| {
                patches(frame, streams).try_for_each(|(piece, patch)| patching.piece(needs, piece, patch))
            },
        )?;
        patching.contents.abandon()?;
        filled.patched = patching.contents.bytes;
        filled.drifted = patching.drifted;
        filled.downloaded += download;
        self.progress.done();
        needs.retain(|record| Ok::<_, FillError>(self.slot.stat(record.path.as_bytes())?.is_none()))
    }
}

/// Contents of the running slot, one address space.
struct Bases {
    names: Vec<Digest>,
    files: Vec<(u64, File)>,
}

struct Patching<'a> {
    running: Running<'a>,
    contents: Contents<'a>,
    /// Those of the last piece.
    bases: Option<Bases>,
    /// A content whose bases cannot be had.
    without: Option<Digest>,
    buffer: Vec<u8>,
    made: Vec<u8>,
    note: &'a dyn Fn(&str),
    drifted: u64,
}

impl Patching<'_> {
    fn piece(&mut self, needs: &Index<'_>, piece: &Piece, patch: Patch<'_>) -> Result<(), FillError> {
        if self.without == Some(piece.content) || !needs.has(&piece.content)? {
            return Ok(());
        }
        if self.bases.as_ref().is_none_or(|bases| bases.names != piece.bases) {
            self.bases = self.open(&piece.bases)?;
        }
        let Some(bases) = &self.bases else {
            self.without = Some(piece.content);
            return Ok(self.contents.abandon()?);
        };
        self.made.clear();
        patch.apply(&bases.files, &mut self.made).map_err(FillError::Patch)?;
        if piece.proof.is_some_and(|proof| proof != Digest::of(&self.made)) {
            return Err(FillError::Piece(piece.content));
        }
        self.contents.put(&piece.content, piece.offset, &self.made)
    }

    /// All of them, each as its manifest says; `None` if one is not.
    fn open(&mut self, names: &[Digest]) -> Result<Option<Bases>, FillError> {
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let Some(file) = self.base(name)? else { return Ok(None) };
            files.push(file);
        }
        Ok(Some(Bases { names: names.to_vec(), files }))
    }

    /// A content of the running slot, from whichever file still has it.
    fn base(&mut self, name: &Digest) -> Result<Option<(u64, File)>, FillError> {
        for source in self.running.index.find(name) {
            let source = source.map_err(FillError::Running)?;
            let size = source.content().map_or(0, |(size, _)| size);
            let file = self.running.tree.open(source.path.as_bytes());
            if let Ok(file) = file
                && self.is(&file, size, name)
            {
                return Ok(Some((size, file)));
            }
            self.drifted += 1;
            if self.drifted <= NAMED {
                let path = source.path;
                (self.note)(&format!(
                    "/{path} of the running slot is not what its manifest says: not patched"
                ));
            }
        }
        Ok(None)
    }

    fn is(&mut self, file: &File, size: u64, name: &Digest) -> bool {
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while let Ok(n @ 1..) = file.read_at(&mut self.buffer, at) {
            hasher.update(&self.buffer[..n]);
            at += n as u64;
        }
        at == size && hasher.finish() == *name
    }
}
