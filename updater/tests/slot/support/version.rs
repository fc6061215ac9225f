use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, Write};

use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Head, Kind, Owner, Record, Writer, Xattr};
use edeploy_format::pack::{Frame, Piece, index_head};
use edeploy_format::path::TreePath;

/// The value of `cap_net_bind_service=ep`.
pub(crate) const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Contents share a frame until it is this long.
const SHARED: usize = 8 << 10;
/// Longer contents are cut into pieces of this length.
const CUT: usize = 64 << 10;

/// A version made by hand.
#[derive(Clone)]
pub(crate) struct Version {
    entries: Vec<(Record, Vec<u8>)>,
}

/// Its manifest and pack.
pub(crate) struct Published {
    pub(crate) head: Head,
    pub(crate) manifest: File,
    pub(crate) index: File,
    pub(crate) pack: Vec<u8>,
    pub(crate) frames: Vec<Frame>,
}

pub(crate) fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr { name: name.to_owned(), value: value.to_vec() }
}

/// An access list: user 1000 may read; mask, group and others as in mode 0644.
pub(crate) fn acl() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 4, u32::MAX)];
    let entry = |(tag, may, id): (u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    [2_u32.to_le_bytes().to_vec(), entries.map(entry).concat()].concat()
}

impl Version {
    /// Only the folders every tree has.
    pub(crate) fn new() -> Self {
        let mut version = Self { entries: Vec::new() };
        for path in ["usr", "usr/lib", "usr/lib/edeploy", "usr/lib/edeploy/slot"] {
            version.folder(path);
        }
        version
    }

    fn add(&mut self, path: &str, mode: u32, kind: Kind, content: &[u8]) -> &mut Record {
        let record = Record {
            path: TreePath::new(path).unwrap(),
            mode,
            owner: Owner { uid: 0, gid: 0 },
            mtime: 1_700_000_000,
            xattrs: Vec::new(),
            kind,
        };
        self.entries.push((record, content.to_vec()));
        &mut self.entries.last_mut().unwrap().0
    }

    pub(crate) fn folder(&mut self, path: &str) -> &mut Record {
        self.add(path, 0o755, Kind::Folder, b"")
    }

    pub(crate) fn file(&mut self, path: &str, content: &[u8]) -> &mut Record {
        let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content) };
        self.add(path, 0o644, kind, content)
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> &mut Record {
        self.add(path, 0o777, Kind::Symlink { target: target.to_owned() }, b"")
    }

    /// Everything of it is taken from the record of `first`.
    pub(crate) fn hard_link(&mut self, path: &str, first: &str) -> &mut Record {
        let (mut record, _) = self.entries.iter().find(|(r, _)| r.path.as_str() == first).unwrap().clone();
        let (size, digest) = record.content().unwrap();
        record.kind = Kind::HardLink { size, digest, first: record.path };
        record.path = TreePath::new(path).unwrap();
        self.entries.push((record, Vec::new()));
        &mut self.entries.last_mut().unwrap().0
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        self.entries.retain(|(r, _)| r.path.as_str() != path && !r.path.is_below(path));
        self
    }

    pub(crate) fn publish(&self) -> Published {
        self.publish_as(|_| ())
    }

    /// The same with another head.
    pub(crate) fn publish_as(&self, set: impl FnOnce(&mut Head)) -> Published {
        let mut entries = self.entries.clone();
        entries.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let size = |kind: &Kind| if let Kind::File { size, .. } = kind { *size } else { 0 };
        let bytes = entries.iter().map(|(r, _)| size(&r.kind)).sum();
        let mut head = head(entries.len() as u64, bytes);
        set(&mut head);
        let mut manifest = Writer::new(tempfile::tempfile().unwrap(), &head).unwrap();
        entries.iter().for_each(|(record, _)| manifest.record(record).unwrap());
        let (pack, frames) = pack(&entries);
        let index = frames.iter().fold(index_head(), |text, frame| text + &frame.to_string());
        Published {
            head,
            manifest: manifest.finish().unwrap().0,
            index: file_of(index.as_bytes()),
            pack,
            frames,
        }
    }
}

impl Published {
    /// The same version with other frames in its index.
    pub(crate) fn with_frames(self, frames: &[Frame]) -> Self {
        let index = frames.iter().fold(index_head(), |text, frame| text + &frame.to_string());
        Self { index: file_of(index.as_bytes()), frames: frames.to_vec(), ..self }
    }
}

pub(crate) fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

pub(crate) fn head(entries: u64, bytes: u64) -> Head {
    let path = |text: &str| TreePath::new(text).unwrap();
    Head {
        role: "web".parse().unwrap(),
        version: "1".parse().unwrap(),
        serial: 1,
        architecture: "amd64".parse().unwrap(),
        built: 1_700_000_000,
        kernel: path("boot/vmlinuz"),
        initrd: path("boot/initrd.img"),
        loader: path("boot/loader.efi"),
        options: String::new(),
        slot_size: 1 << 20,
        persistent: Vec::new(),
        ostree: None,
        updater: "0.1.0".to_owned(),
        entries,
        bytes,
    }
}

/// Each content once, in the order of the manifest.
fn pack(entries: &[(Record, Vec<u8>)]) -> (Vec<u8>, Vec<Frame>) {
    let (mut pack, mut frames) = (Vec::new(), Vec::new());
    let (mut seen, mut shared, mut pieces) = (HashSet::new(), Vec::new(), Vec::new());
    for (record, content) in entries {
        let Kind::File { size: 1.., digest } = record.kind else { continue };
        if !seen.insert(digest) {
            continue;
        }
        for (i, bytes) in content.chunks(CUT).enumerate() {
            let length = u32::try_from(bytes.len()).unwrap();
            let piece = Piece { content: digest, offset: (i * CUT) as u64, length };
            if content.len() > CUT {
                frame(&mut pack, &mut frames, bytes, vec![piece]);
                continue;
            }
            if shared.len() + bytes.len() > SHARED && !shared.is_empty() {
                frame(&mut pack, &mut frames, &std::mem::take(&mut shared), std::mem::take(&mut pieces));
            }
            shared.extend_from_slice(bytes);
            pieces.push(piece);
        }
    }
    if !shared.is_empty() {
        frame(&mut pack, &mut frames, &shared, pieces);
    }
    (pack, frames)
}

fn frame(pack: &mut Vec<u8>, frames: &mut Vec<Frame>, bytes: &[u8], pieces: Vec<Piece>) {
    let compressed = zstd::bulk::compress(bytes, 3).unwrap();
    frames.push(Frame {
        offset: pack.len() as u64,
        compressed: u32::try_from(compressed.len()).unwrap(),
        length: u32::try_from(bytes.len()).unwrap(),
        digest: Digest::of(&compressed),
        pieces,
    });
    pack.extend_from_slice(&compressed);
}
