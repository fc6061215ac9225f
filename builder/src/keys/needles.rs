//! What of the private keys at hand must not be found in a tree: each key as raw bytes, in hex and in base64, and the
//! text of its file where that is encrypted.
//!
//! Base64 is found at any alignment and within lines of 64 or more characters, as PEM has; keys that are hidden by
//! compression, another encryption or other line breaks are not.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64ct::{Base64Unpadded, Encoding};
use ed25519_dalek::SigningKey;
use edeploy_format::digest::hex;
use zeroize::Zeroizing;

/// So much is read at a time: most files are shorter.
const STEP: usize = 64 << 10;
/// Only every so many-th place is looked at: a text is longer, so that one of its first places is among them.
const STRIDE: usize = 16;
/// Shorter lines of a file say nothing.
const LEAST: usize = 32;

/// A text that is part of a key.
struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// The file of the key, in the list.
    file: usize,
}

/// The texts to look for.
#[derive(Default)]
pub struct Needles {
    files: Vec<PathBuf>,
    needles: Vec<Needle>,
    /// Which two bytes one of them has at one of its first [`STRIDE`] places; empty without needles.
    pairs: Vec<bool>,
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needles").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Needles {
    /// Looks for nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Adds a key in all its forms.
    pub(super) fn add_key(&mut self, file: &Path, key: &SigningKey) {
        let seed = Zeroizing::new(key.to_bytes());
        let digits = Zeroizing::new(hex(&*seed).into_bytes());
        self.add(file, Zeroizing::new(digits.to_ascii_uppercase()));
        self.add(file, digits);
        for skipped in 0..3 {
            // Three bytes are four characters: what surrounds the key decides where it begins among them.
            let whole = (seed.len() - skipped) / 3 * 3;
            let text = Base64Unpadded::encode_string(&seed[skipped..skipped + whole]);
            self.add(file, Zeroizing::new(text.into_bytes()));
        }
        self.add(file, Zeroizing::new(seed.to_vec()));
    }

    /// Adds the second line of an encrypted key's base64: the first is like those of other keys at its beginning.
    pub(super) fn add_sealed(&mut self, file: &Path, text: &str) {
        let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN "));
        if let Some(line) = lines.skip(2).find(|line| line.len() >= LEAST && !line.starts_with('-')) {
            self.add(file, Zeroizing::new(line.as_bytes().to_vec()));
        }
    }

    fn add(&mut self, file: &Path, bytes: Zeroizing<Vec<u8>>) {
        let index = self.files.iter().position(|known| known == file).unwrap_or_else(|| {
            self.files.push(file.to_owned());
            self.files.len() - 1
        });
        self.pairs.resize(1 << 16, false);
        bytes.windows(2).take(STRIDE).for_each(|two| self.pairs[pair(two)] = true);
        self.needles.push(Needle { bytes, file: index });
    }

    /// The place and the key's file of the first of them in `bytes`.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<(usize, &Path)> {
        if self.is_empty() {
            return None;
        }
        let places = bytes.windows(2).enumerate().step_by(STRIDE);
        let near = places.filter(|(_, two)| self.pairs[pair(two)]).map(|(place, _)| place);
        near.into_iter().find_map(|place| {
            // One that covers this place began no farther before it.
            (place.saturating_sub(STRIDE - 1)..=place).find_map(|begin| {
                let needle = self.needles.iter().find(|needle| bytes[begin..].starts_with(&needle.bytes))?;
                Some((begin, &*self.files[needle.file]))
            })
        })
    }

    /// The key's file of the first of them in what can be read.
    ///
    /// # Errors
    /// Those of `from`.
    pub fn find_in(&self, mut from: impl Read) -> io::Result<Option<&Path>> {
        let Some(longest) = self.needles.iter().map(|needle| needle.bytes.len()).max() else {
            return Ok(None);
        };
        let (mut buffer, mut kept) = (vec![0; STEP + longest], 0);
        loop {
            let n = match from.read(&mut buffer[kept..]) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if n == 0 {
                return Ok(None);
            }
            let filled = kept + n;
            if let Some((_, file)) = self.find(&buffer[..filled]) {
                return Ok(Some(file));
            }
            // One that begins here may end in what comes next.
            let keep = filled.min(longest - 1);
            buffer.copy_within(filled - keep..filled, 0);
            kept = keep;
        }
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}
