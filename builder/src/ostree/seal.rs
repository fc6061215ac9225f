//! The seal of a commit: one SHA-256 over the bytes of all its objects as they lie in the repository.
//!
//! The checksum of a file's object covers what the file is; the object holds it compressed, and one content can be
//! compressed in many ways. So there are bits in it that may flip and change no file. The seal, in the commit's
//! detached metadata, is how such a flip is found. It guards against decay, not against people: it is not signed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use edeploy_format::tuf::{Sha256, Sha256Hasher};
use ostree::gio;

use super::check::{Checked, place};
use super::{OstreeError, Repository};
use crate::parallel;

/// The key of the seal in a commit's detached metadata; 64 hex digits.
pub(super) const SEAL: &str = "edeploy.objects";

impl Repository {
    /// The seal of a commit as its objects are now.
    pub(super) fn seal(&self, commit: &str) -> Result<Sha256, OstreeError> {
        let paths: Vec<String> = self.needed(commit)?.into_iter().collect();
        let folder = &self.path;
        let sums = parallel::map(&paths, |path| sum(&folder.join(path)));
        let mut sealed = Vec::with_capacity(paths.len());
        for (path, sum) in paths.iter().zip(sums) {
            let damaged = |error: io::Error| {
                let (object, what) = (self.path.join(path), error.to_string());
                OstreeError::Damaged { object, what }
            };
            sealed.push((path.as_str(), sum.map_err(damaged)?));
        }
        Ok(seal(sealed))
    }

    /// What is wrong with the seal of a commit, if it is not explained by damage that was found.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn check_seal(&self, commit: &str, checked: &Checked) -> Result<Option<&'static str>, OstreeError> {
        let Some(sealed) = self.detached(commit)?.seal else { return Ok(Some("is not sealed")) };
        let needed = self.needed(commit)?;
        let sums = needed.iter().map(|path| Some((path.as_str(), *checked.sound.get(path)?)));
        let Some(sums) = sums.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let changed = "has an object with other bytes than were published, though its content is right";
        Ok((seal(sums) != sealed).then_some(changed))
    }

    /// The paths of all objects that a commit needs, below the repository.
    fn needed(&self, commit: &str) -> Result<BTreeSet<String>, OstreeError> {
        let objects = self.repo.traverse_commit(commit, 0, gio::Cancellable::NONE);
        let objects = objects.map_err(self.failed(format!("following commit {commit}")))?;
        let path = |object: &ostree::ObjectName| place(object.checksum(), object.object_type());
        Ok(objects.iter().map(|object| path(object).display().to_string()).collect())
    }
}

/// The SHA-256 of a text as `sha256sum` writes it, one line for each object.
fn seal<'a>(objects: impl IntoIterator<Item = (&'a str, Sha256)>) -> Sha256 {
    let mut hasher = Sha256Hasher::default();
    for (path, sum) in objects {
        hasher.update(format!("{sum}  {path}\n").as_bytes());
    }
    hasher.finish()
}

/// The SHA-256 of a file's bytes.
pub(super) fn sum(path: &Path) -> io::Result<Sha256> {
    let mut hashing = Hashing(Sha256Hasher::default());
    io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(hashing.0.finish())
}

struct Hashing(Sha256Hasher);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
