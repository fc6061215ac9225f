//! What no file of rules may cover: the parts of a slot that make it bootable and honest.

use super::Rules;
use crate::manifest::{Head, SLOT_FOLDER};

/// The folder of the product inside a tree.
const OWN_FOLDER: &str = "usr/lib/edeploy";

/// A rule covers what it must not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} covers {path}, which must always come from the signed tree")]
pub struct LintError {
    /// The line of the rule, counted from 1.
    pub line: usize,
    /// What it covers.
    pub path: String,
}

impl Rules {
    /// Refuses rules that cover `/usr` as a whole, the kernel, initrd or loader that `head` names,
    /// or the product's own files.
    ///
    /// # Errors
    /// [`LintError`] names the line and the path.
    pub fn lint(&self, head: &Head) -> Result<(), LintError> {
        let own_files = [SLOT_FOLDER, "usr/lib/edeploy/health.d", "usr/bin/edeploy-ab"];
        let folders = ["usr", "usr/bin", "usr/lib", OWN_FOLDER].map(|path| (path, true));
        let files = [&head.kernel, &head.initrd, &head.loader].map(|path| (path.as_str(), false));
        let own = own_files.map(|path| (path, path != "usr/bin/edeploy-ab"));
        for (path, is_folder) in folders.into_iter().chain(own).chain(files) {
            if let Some(line) = self.covering(path.as_bytes(), is_folder) {
                return Err(LintError { line, path: format!("/{path}") });
            }
        }
        Ok(())
    }
}

/// Whether `path` is the product's own, and so never covered: for paths that no lint foresaw.
#[must_use]
pub fn is_own(path: &[u8]) -> bool {
    path.strip_prefix(OWN_FOLDER.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
