//! One version: its manifest and index are what the metadata says, every frame of the pack is the one of the
//! index, and every content of the manifest is in the pack.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::frames::IndexError;
use edeploy_format::manifest::{ManifestError, Reader};
use edeploy_format::name::Role;
use edeploy_format::pack::{Frame, IndexReader};
use edeploy_format::tuf::{Contents, Fault, Identity, Listed, TrustedRole};

use super::Report;

/// A version and the metadata that lists it.
pub(super) struct Published<'a> {
    pub(super) role: &'a Role,
    pub(super) listed: &'a Listed,
    pub(super) metadata: &'a TrustedRole,
}

/// A version that is sound, for what is held against it.
pub(super) struct Tree {
    /// The digest of its manifest.
    pub(super) manifest: Digest,
    /// The contents of its files, with their sizes.
    pub(super) contents: HashMap<Digest, u64>,
    /// The index of its pack.
    pub(super) index: Part,
    /// Its pack.
    pub(super) pack: Part,
}

/// Why an object is not what it must be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Metadata(#[from] Fault),
    #[error("its content has {found} bytes and digest {digest}, not what is listed")]
    Contents { found: u64, digest: Digest },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("its head is that of another version, or says other than the metadata")]
    Identity,
    #[error("the frame at byte {0} is not the one of the index")]
    Frame(u64),
    #[error("the frame at byte {0} does not decompress to the length of the index")]
    Length(u64),
    #[error("goes on behind its last frame")]
    Longer,
    #[error("the content {0} has other bytes")]
    Content(Digest),
    #[error("the content {0} has pieces out of order")]
    Pieces(Digest),
    #[error("the content {0} is in no file of the manifest, or has another size there")]
    Extra(Digest),
    #[error("the content {0} of the manifest is missing")]
    Missing(Digest),
}

/// An object's name and file.
pub(super) type Part = (String, PathBuf);

/// Checks the version; gives the OSTree commit that its manifest names, and the version itself if it is sound.
pub(super) fn check(
    version: &Published<'_>,
    manifest: Part,
    index: Part,
    pack: Part,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> (Option<String>, Option<Tree>) {
    let (commit, contents) = match read_manifest(version, &manifest) {
        Ok(read) => read,
        Err(wrong) => {
            report.failed(manifest.0, &wrong);
            return (None, None);
        }
    };
    let metadata = version.metadata;
    if let Err(wrong) = whole(metadata, &index) {
        report.failed(index.0, &wrong);
    } else if let Err(wrong) = read_pack(metadata, &index, &pack, contents.clone(), progress) {
        report.failed(pack.0, &wrong);
    } else {
        let manifest = version.listed.identity.contents.blake3;
        return (commit, Some(Tree { manifest, contents, index, pack }));
    }
    (commit, None)
}

/// Decompresses as it is read, and at the end holds digest and length against what is listed.
struct Unpacked<R> {
    from: R,
    hasher: Hasher,
    length: u64,
    listed: Contents,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.length += n as u64;
        let ended = n == 0 && !buffer.is_empty();
        if (ended && self.hasher.finish() != self.listed.blake3) || self.length > self.listed.size {
            let (found, digest) = (self.length, self.hasher.finish());
            return Err(io::Error::other(Wrong::Contents { found, digest }));
        }
        Ok(n)
    }
}

/// The text of an object that is published compressed.
pub(super) fn unpacked(metadata: &TrustedRole, (name, path): &Part) -> Result<impl Read + use<>, Wrong> {
    let target = metadata.target(name).ok_or_else(|| Fault::NotListed(name.clone()))?;
    let listed: Contents = target.custom(name)?;
    let from = zstd::stream::read::Decoder::new(File::open(path)?)?;
    Ok(Unpacked { from, hasher: Hasher::new(), length: 0, listed })
}

/// Whether that text is what is listed.
pub(super) fn whole(metadata: &TrustedRole, part: &Part) -> Result<(), Wrong> {
    Ok(io::copy(&mut unpacked(metadata, part)?, &mut io::sink()).map(drop)?)
}

/// The commit that the manifest names, and the contents it needs with their sizes.
fn read_manifest(
    version: &Published<'_>,
    part: &Part,
) -> Result<(Option<String>, HashMap<Digest, u64>), Wrong> {
    whole(version.metadata, part)?;
    let mut manifest = Reader::new(BufReader::new(unpacked(version.metadata, part)?))?;
    let head = manifest.head();
    let Identity { serial, architecture, built, .. } = &version.listed.identity;
    let same = (&head.role, &head.version) == (version.role, &version.listed.version)
        && (head.serial, head.built) == (*serial, *built)
        && head.architecture == *architecture;
    if !same {
        return Err(Wrong::Identity);
    }
    let (commit, mut contents) = (head.ostree.clone(), HashMap::new());
    while let Some(record) = manifest.next_record()? {
        contents.extend(record.content().filter(|(size, _)| *size > 0).map(|(size, digest)| (digest, size)));
    }
    Ok((commit, contents))
}

fn read_pack(
    metadata: &TrustedRole,
    index: &Part,
    (_, pack): &Part,
    mut wanted: HashMap<Digest, u64>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Wrong> {
    let mut frames = IndexReader::new(BufReader::new(unpacked(metadata, index)?))?;
    let mut pack = Pack::open(pack)?;
    let mut content = Content::default();
    while let Some(frame) = frames.next_frame()? {
        let bytes = pack.frame(&frame)?;
        content.frame(&frame, &bytes, &mut wanted)?;
        progress(u64::from(frame.compressed));
    }
    content.ended()?;
    pack.ended()?;
    wanted.into_keys().next().map_or(Ok(()), |digest| Err(Wrong::Missing(digest)))
}

/// The pack, frame by frame.
struct Pack(BufReader<File>);

impl Pack {
    fn open(path: &Path) -> Result<Self, Wrong> {
        Ok(Self(BufReader::new(File::open(path)?)))
    }

    fn frame(&mut self, frame: &Frame) -> Result<Vec<u8>, Wrong> {
        let mut bytes = vec![0; frame.compressed as usize];
        self.0.read_exact(&mut bytes)?;
        if Digest::of(&bytes) != frame.digest {
            return Err(Wrong::Frame(frame.offset));
        }
        let plain = zstd::bulk::decompress(&bytes, frame.length as usize);
        match plain.map_err(|_| Wrong::Length(frame.offset))? {
            plain if plain.len() == frame.length as usize => Ok(plain),
            _ => Err(Wrong::Length(frame.offset)),
        }
    }

    fn ended(&mut self) -> Result<(), Wrong> {
        if self.0.read(&mut [0])? == 0 { Ok(()) } else { Err(Wrong::Longer) }
    }
}

/// The content that is being read, which may go on in the next frame.
#[derive(Default)]
struct Content {
    now: Option<(Digest, Hasher, u64)>,
}

impl Content {
    fn frame(&mut self, frame: &Frame, bytes: &[u8], wanted: &mut HashMap<Digest, u64>) -> Result<(), Wrong> {
        let mut rest = bytes;
        for piece in &frame.pieces {
            let (bytes, tail) = rest.split_at(piece.length as usize);
            rest = tail;
            if self.now.as_ref().is_none_or(|(digest, ..)| *digest != piece.content) {
                self.ended()?;
                self.now = Some((piece.content, Hasher::new(), 0));
            }
            let Some((digest, hasher, length)) = &mut self.now else { continue };
            if *length != piece.offset {
                return Err(Wrong::Pieces(*digest));
            }
            hasher.update(bytes);
            *length += u64::from(piece.length);
            match wanted.get(digest) {
                Some(size) if length == size => drop(wanted.remove(digest)),
                Some(size) if *length < *size => {}
                Some(_) | None => return Err(Wrong::Extra(*digest)),
            }
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<(), Wrong> {
        match self.now.take() {
            Some((digest, hasher, _)) if hasher.finish() != digest => Err(Wrong::Content(digest)),
            Some(_) | None => Ok(()),
        }
    }
}
