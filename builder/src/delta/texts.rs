//! The texts that describe a version, compressed against those of the version that a delta starts from: most of their
//! lines are in both, and digests cannot be compressed by themselves.

use std::io::{self, Read, Write};
use std::path::Path;

use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Role, Version, against};
use edeploy_format::tuf::{AGAINST_LIMIT, Contents, Target, TrustedRole};

use super::make::Tree;
use super::publish::Objects;
use crate::durable::Incoming;
use crate::publish::PublishError;

/// zstd level.
const LEVEL: i32 = 19;

/// Manifest and index of the pack of `to`, for who has those of `from`; but what is too long together, or no fewer bytes
/// than alone, as `metadata` lists it.
///
/// # Errors
/// If they cannot be written below `targets`.
pub(super) fn stage(
    targets: &Path,
    metadata: &TrustedRole,
    role: &Role,
    (from, older): (&Version, &Tree<'_>),
    (to, newer): (&Version, &Tree<'_>),
) -> Result<Objects, PublishError> {
    let pairs =
        [(Object::Manifest, older.manifest, newer.manifest), (Object::PackIndex, older.index, newer.index)];
    let mut objects = Objects::new();
    for (object, older, newer) in pairs {
        let (size, length) = (older.len() as u64, newer.len() as u64);
        if size + length > AGAINST_LIMIT {
            continue;
        }
        let whole = object.target(role, to);
        let name = against(&whole, from);
        let failed = |source| PublishError::Read { path: targets.join(&name), source };
        let mut incoming = Incoming::new(targets, &name, 0o644)?;
        compress(newer, older, &mut incoming).map_err(failed)?;
        let (ready, length, sha256) = incoming.finish()?;
        if metadata.target(&whole).is_none_or(|whole| whole.length <= length) {
            continue;
        }
        let of_older = Contents { blake3: Digest::of(older), size };
        objects.push((name, Target::new(length, sha256, Some(&of_older)), ready));
    }
    Ok(objects)
}

/// One zstd frame of `text` that looks back into `older`.
fn compress(text: &[u8], older: &[u8], to: impl Write) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(to, LEVEL, older)?;
    let reach = (text.len() + older.len()).next_power_of_two().max(1 << 10);
    encoder.window_log(reach.ilog2())?;
    encoder.long_distance_matching(true)?;
    encoder.set_pledged_src_size(Some(text.len() as u64))?;
    encoder.write_all(text)?;
    encoder.finish().map(drop)
}

/// The text that is compressed in `bytes` against `older`, if it has `size` bytes.
///
/// # Errors
/// What zstd says.
pub fn decompress(bytes: &[u8], older: &[u8], size: u64) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(bytes, older)?;
    decoder.window_log_max(AGAINST_LIMIT.ilog2())?;
    let mut text = Vec::new();
    decoder.take(size + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_mostly_the_older_one_is_small_and_comes_back() {
        let line = |n: u32| format!("usr/lib/file{n} f 0644 0 0 1 - 9 {} -\n", Digest::of(&n.to_be_bytes()));
        let older: String = (0..20_000).map(line).collect();
        let newer: String = (0..20_000).map(|n| line(if n % 5_000 == 7 { n + 100_000 } else { n })).collect();
        let mut bytes = Vec::new();
        compress(newer.as_bytes(), older.as_bytes(), &mut bytes).unwrap();
        assert!(bytes.len() < 1000, "{}", bytes.len());
        let text = decompress(&bytes, older.as_bytes(), newer.len() as u64).unwrap();
        assert!(text == newer.as_bytes());
        let other = decompress(&bytes, newer.as_bytes(), newer.len() as u64);
        assert!(other.is_err() || other.unwrap() != newer.as_bytes(), "of another text it is another");
    }
}
