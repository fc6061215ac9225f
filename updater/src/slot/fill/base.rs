//! What patches are made from: contents of the running slot, if there is one, else of the new tree as far as it is there.
//!
//! Each is hashed before it counts. An unpacked form is written to a file without a name, which goes with it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use edeploy_format::delta::{Piece, View};
use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::Record;
use edeploy_format::repack;

use super::pages::Paged;
use super::patch::packing;
use super::{BUFFER, FillError, Filling, NAMED, Running};
use crate::progress::Progress;
use crate::slot::frames::{FramesError, Wants, read};
use crate::slot::index::Index;
use crate::slot::tree::Tree;

/// Open bases, one address space in their order.
pub(super) struct Bases<'a> {
    running: Option<Running<'a>>,
    slot: &'a Tree,
    /// Where the new tree has contents that the running slot has not, or not any more.
    new: Index<'a>,
    views: Vec<View>,
    pub(super) files: Vec<(u64, Paged)>,
    /// Those that a piece without bases closed: the next one mostly has them again, and hashing them takes long.
    resting: Vec<(View, (u64, Paged))>,
    buffer: Vec<u8>,
    progress: &'a dyn Progress,
    pub(super) drifted: u64,
}

impl<'a> Bases<'a> {
    /// For the wanted pieces of a delta; `drifted` files were counted before.
    pub(super) fn new(
        filling: &Filling<'a>,
        index: &File,
        wants: Wants<'_, Piece>,
        drifted: u64,
    ) -> Result<Self, FillError> {
        let (running, slot, progress) = (filling.running, filling.slot, filling.progress);
        let (mut frames, mut others) = (read::<Piece>(index)?, Vec::new());
        while let Some(frame) = frames.next_frame().map_err(FramesError::from)? {
            for piece in &frame.pieces {
                if !wants(piece)? {
                    continue;
                }
                others.extend(piece.bases.iter().map(|base| base.content.prefix()));
            }
        }
        others.sort_unstable();
        others.dedup();
        let new = Index::of(filling.manifest, &others)?;
        let (views, files, resting, buffer) = (Vec::new(), Vec::new(), Vec::new(), vec![0; BUFFER]);
        Ok(Self { running, slot, new, views, files, resting, buffer, progress, drifted })
    }

    /// Opens these; false if one cannot be had.
    pub(super) fn open(&mut self, views: &[View]) -> Result<bool, FillError> {
        if self.views == views {
            return Ok(true);
        }
        let mut before = std::mem::take(&mut self.resting);
        before.extend(std::mem::take(&mut self.views).into_iter().zip(self.files.drain(..)));
        if views.is_empty() {
            self.resting = before;
            return Ok(true);
        }
        before.retain(|(view, _)| views.contains(view));
        let mut files = Vec::with_capacity(views.len());
        for view in views {
            let file = match before.iter().position(|(one, _)| one == view) {
                Some(n) => Some(before.swap_remove(n).1),
                None => self.view(view)?.map(|(length, file)| (length, Paged::new(file, views.len()))),
            };
            let Some(file) = file else { return Ok(false) };
            files.push(file);
        }
        self.views = views.to_vec();
        self.files = files;
        Ok(true)
    }

    fn view(&mut self, view: &View) -> Result<Option<(u64, File)>, FillError> {
        let Some((size, mut file)) = self.content(&view.content)? else { return Ok(None) };
        let Some(form) = &view.form else { return Ok(Some((size, file))) };
        let mut unpacked = self.slot.scratch()?;
        repack::unpack(form, &mut file, &mut unpacked).map_err(|source| packing(view.content, source))?;
        Ok(Some((form.length(), unpacked)))
    }

    /// A content, from whichever file still has it.
    fn content(&mut self, content: &Digest) -> Result<Option<(u64, File)>, FillError> {
        let sources = self
            .running
            .into_iter()
            .flat_map(|running| running.index.find(content).map(move |source| (running.tree, source)));
        for (tree, source) in sources {
            let source = source.map_err(FillError::Running)?;
            if let Some(found) = opened(tree, &source, content, &mut self.buffer) {
                return Ok(Some(found));
            }
            self.drifted += 1;
            if self.drifted <= NAMED {
                let path = source.path;
                self.progress
                    .note(&format!("/{path} of the running slot is not what its manifest says: not patched"));
            }
        }
        for source in self.new.find(content) {
            let found = opened(self.slot, &source?, content, &mut self.buffer);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The file of a record, if it has the content.
fn opened(tree: &Tree, record: &Record, content: &Digest, buffer: &mut [u8]) -> Option<(u64, File)> {
    let (size, _) = record.content()?;
    let file = tree.open(record.path.as_bytes()).ok()?;
    if file.metadata().is_ok_and(|found| !found.is_file() || found.len() != size) {
        return None;
    }
    let (mut hasher, mut at) = (Hasher::new(), 0);
    while let Ok(n @ 1..) = file.read_at(buffer, at) {
        hasher.update(&buffer[..n]);
        at += n as u64;
    }
    (at == size && hasher.finish() == *content).then_some((size, file))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Seek;

    use edeploy_format::manifest::{Head, Kind, Owner, Writer};
    use edeploy_format::path::TreePath;

    use super::*;
    use crate::progress::Quiet;

    fn manifest(name: &str, content: &[u8]) -> File {
        let path = |text: &str| TreePath::new(text).unwrap();
        let head = Head {
            role: "web".parse().unwrap(),
            version: "1".parse().unwrap(),
            serial: 1,
            architecture: "amd64".parse().unwrap(),
            built: 1,
            kernel: path("k"),
            initrd: path("i"),
            loader: path("l"),
            options: String::new(),
            slot_size: 1,
            persistent: vec![],
            ostree: None,
            updater: "0.1.0".to_owned(),
            entries: 1,
            bytes: content.len() as u64,
        };
        let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content) };
        let owner = Owner { uid: 0, gid: 0 };
        let record = Record { path: path(name), mode: 0o644, owner, mtime: 0, xattrs: vec![], kind };
        let mut writer = Writer::new(tempfile::tempfile().unwrap(), &head).unwrap();
        writer.record(&record).unwrap();
        let (mut file, _) = writer.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn a_base_is_hashed_once_although_a_piece_between_has_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "content").unwrap();
        let slot = Tree::new(File::open(folder.path()).unwrap().into());
        let file = manifest("a", b"content");
        let view = View::from(Digest::of(b"content"));
        let new = Index::of(&file, &[view.content.prefix()]).unwrap();
        let (views, files, resting, buffer) = (Vec::new(), Vec::new(), Vec::new(), vec![0; BUFFER]);
        let (running, progress, drifted) = (None, &Quiet, 0);
        let mut bases = Bases { running, slot: &slot, new, views, files, resting, buffer, progress, drifted };
        let views = [view];
        assert!(bases.open(&views).unwrap());
        assert!(bases.open(&[]).unwrap());
        assert!(bases.files.is_empty(), "a piece without bases reads none");
        // Were it opened anew, it would not be there.
        fs::remove_file(folder.path().join("a")).unwrap();
        assert!(bases.open(&views).unwrap());
        assert_eq!(bases.files.len(), 1);
        assert!(!bases.open(&[View::from(Digest::of(b"other"))]).unwrap());
        assert!(!bases.open(&views).unwrap(), "it was let go of");
    }
}
