//! The objects of a build, written beside their places on the site and checked on the way.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::{Head, Reader};
use edeploy_format::name::Object;
use edeploy_format::pack::{Frame, IndexReader};
use edeploy_format::tuf::{Contents, Identity, Sha256, Target};
use serde::Serialize;

use super::{Build, PublishError};
use crate::durable::{Incoming, Ready};
use crate::keys::Needles;
use crate::site::Site;

/// zstd level of manifest and index.
const LEVEL: i32 = 9;

pub(super) fn unread(path: &Path) -> impl FnOnce(io::Error) -> PublishError {
    let path = path.to_owned();
    move |source| PublishError::Read { path, source }
}

pub(super) fn open(path: &Path) -> Result<File, PublishError> {
    File::open(path).map_err(unread(path))
}

/// An object that lies on the site and has no name there yet.
pub(super) struct Staged {
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) ready: Ready,
}

/// Writes all objects of the build beside their places.
pub(super) fn stage(
    site: &Site,
    build: &Build,
    head: &Head,
    manifest: &Contents,
    transition: &[u8],
    signing: &Needles,
    copied: impl FnMut(u64),
) -> Result<Vec<Staged>, PublishError> {
    let identity = Identity {
        contents: *manifest,
        serial: head.serial,
        architecture: head.architecture.clone(),
        built: head.built,
    };
    let stage = Stage { folder: site.targets(), build };
    let (ready, index, length, sha256) = stage.compressed("pack-index")?;
    let staged_index = stage.staged(Object::PackIndex, length, sha256, Some(&index), ready);
    let (ready, contents, length, sha256) = stage.compressed("manifest")?;
    if contents != *manifest {
        return Err(PublishError::Changed(build.folder.join("manifest")));
    }
    let manifest = stage.staged(Object::Manifest, length, sha256, Some(&identity), ready);
    let (ready, length, sha256) = stage.pack(&index, signing, copied)?;
    let pack = stage.staged(Object::Pack, length, sha256, None::<&()>, ready);
    let (ready, length, sha256) = stage.copied("sbom")?;
    let sbom = stage.staged(Object::Sbom, length, sha256, None::<&()>, ready);
    let mut incoming = Incoming::new(&stage.folder, "transition", 0o644)?;
    let path = stage.folder.join("transition");
    incoming.write_all(transition).map_err(unread(&path))?;
    let (ready, length, sha256) = incoming.finish()?;
    let transition = stage.staged(Object::Transition, length, sha256, None::<&()>, ready);
    Ok(vec![pack, staged_index, manifest, transition, sbom])
}

struct Stage<'a> {
    folder: PathBuf,
    build: &'a Build,
}

impl Stage<'_> {
    fn staged(
        &self,
        object: Object<'_>,
        length: u64,
        sha256: Sha256,
        custom: Option<&impl Serialize>,
        ready: Ready,
    ) -> Staged {
        let name = object.target(&self.build.role, &self.build.version);
        Staged { name, target: Target::new(length, sha256, custom), ready }
    }

    fn copied(&self, name: &str) -> Result<(Ready, u64, Sha256), PublishError> {
        copied(&self.folder, name, &self.build.folder.join(name))
    }

    /// Copies the pack, and holds every frame against the index, which must be `checked`; looks for `signing` in what it holds.
    fn pack(
        &self,
        checked: &Contents,
        signing: &Needles,
        mut copied: impl FnMut(u64),
    ) -> Result<(Ready, u64, Sha256), PublishError> {
        let index = self.build.folder.join("pack-index");
        let wrong = |source| PublishError::Index { path: index.clone(), source };
        let mut hashing = Hashing::new(open(&index)?);
        let mut frames = IndexReader::new(BufReader::new(&mut hashing)).map_err(wrong)?;
        let path = self.build.folder.join("pack");
        let (mut from, mut incoming) = (open(&path)?, Incoming::new(&self.folder, "pack", 0o644)?);
        let mut bytes = Vec::new();
        let mut length = 0;
        while let Some(frame) = frames.next_frame().map_err(wrong)? {
            bytes.clear();
            let compressed = u64::from(frame.compressed);
            Read::take(&mut from, compressed).read_to_end(&mut bytes).map_err(unread(&path))?;
            if Digest::of(&bytes) != frame.digest {
                return Err(PublishError::Frame { path, at: frame.offset });
            }
            if let Some((content, key)) = held(&frame, &bytes, signing).map_err(unread(&path))? {
                return Err(self.signing(content, key));
            }
            incoming.write_all(&bytes).map_err(unread(&path))?;
            length += compressed;
            copied(compressed);
        }
        drop(frames);
        if hashing.contents() != *checked {
            return Err(PublishError::Changed(index));
        }
        match from.read(&mut [0]).map_err(unread(&path))? {
            0 => Ok(incoming.finish()?),
            _ => Err(PublishError::PackLength { path, length }),
        }
    }

    /// The refusal of a content that holds a key of the site, under its first path.
    fn signing(&self, content: Digest, key: PathBuf) -> PublishError {
        let path = self.build.folder.join("manifest");
        let named = || {
            let mut manifest = Reader::new(BufReader::new(File::open(&path).ok()?)).ok()?;
            while let Some(record) = manifest.next_record().ok()? {
                if record.content().is_some_and(|(_, digest)| digest == content) {
                    return Some(format!("/{}", record.path));
                }
            }
            None
        };
        PublishError::Signing { place: named().unwrap_or_else(|| format!("the content {content}")), key }
    }

    fn compressed(&self, name: &str) -> Result<(Ready, Contents, u64, Sha256), PublishError> {
        compressed(&self.folder, name, &self.build.folder.join(name))
    }
}

/// The content in a frame that holds one of `signing`, and that key's file.
fn held(frame: &Frame, bytes: &[u8], signing: &Needles) -> io::Result<Option<(Digest, PathBuf)>> {
    if signing.is_empty() {
        return Ok(None);
    }
    let bytes = zstd::bulk::decompress(bytes, frame.length as usize)?;
    let Some((place, key)) = signing.find(&bytes) else { return Ok(None) };
    let mut end = 0;
    let piece = frame.pieces.iter().find(|piece| {
        end += piece.length as usize;
        place < end
    });
    Ok(piece.map(|piece| (piece.content, key.to_owned())))
}

/// The file `from`, on its way into `folder`; `label` tells it from others.
pub(crate) fn copied(folder: &Path, label: &str, from: &Path) -> Result<(Ready, u64, Sha256), PublishError> {
    let (mut file, mut incoming) = (open(from)?, Incoming::new(folder, label, 0o644)?);
    io::copy(&mut file, &mut incoming).map_err(unread(from))?;
    Ok(incoming.finish()?)
}

/// The same as one zstd frame that says how long its content is; with digest and length of the content.
pub(crate) fn compressed(
    folder: &Path,
    label: &str,
    from: &Path,
) -> Result<(Ready, Contents, u64, Sha256), PublishError> {
    let file = open(from)?;
    let size = file.metadata().map_err(unread(from))?.len();
    let mut hashing = Hashing::new(file);
    let mut incoming = Incoming::new(folder, label, 0o644)?;
    let mut compress = || -> io::Result<()> {
        let mut encoder = zstd::stream::write::Encoder::new(&mut incoming, LEVEL)?;
        encoder.set_pledged_src_size(Some(size))?;
        encoder.include_contentsize(true)?;
        io::copy(&mut hashing, &mut encoder)?;
        encoder.finish().map(drop)
    };
    compress().map_err(unread(from))?;
    let contents = hashing.contents();
    let (ready, length, sha256) = incoming.finish()?;
    Ok((ready, contents, length, sha256))
}

/// Hashes what is read.
pub(super) struct Hashing<R> {
    from: R,
    hasher: Hasher,
    length: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.length += n as u64;
        Ok(n)
    }
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, hasher: Hasher::new(), length: 0 }
    }

    /// Digest and length of all that was read.
    pub(super) fn contents(&self) -> Contents {
        Contents { blake3: self.hasher.finish(), size: self.length }
    }
}
