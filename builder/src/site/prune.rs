//! Old versions taken out of the metadata, and files removed that nothing names any more.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use edeploy_format::name::{Channel, Role, Version};
use edeploy_format::tuf::{Time, TrustedRole, delegated};

use super::{Draft, Lifetimes, METADATA, ROOT, Site, SiteError, State, TARGETS, TIMESTAMP};
use crate::keys::Keys;

/// What was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Versions that are not published any more.
    pub versions: Vec<(Role, Version)>,
    /// Old versions that stay.
    pub kept: Vec<Kept>,
    /// Files that were removed, below the site's folder.
    pub files: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

/// An old version that stays, as a channel names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// The role.
    pub role: Role,
    /// The version.
    pub version: Version,
    /// The first channel that names it.
    pub channel: Channel,
}

impl Site {
    /// Keeps the `keep` versions of each role that have the highest serials, and those that channels name; then removes every file that the
    /// metadata does not name. Roots stay: hosts follow them one by one.
    ///
    /// A host that read the metadata before and fetches now finds an object missing, and begins again.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn prune(
        &mut self,
        keep: usize,
        keys: &Keys,
        lifetimes: Lifetimes,
        now: Time,
    ) -> Result<Pruned, SiteError> {
        let mut pruned = Pruned::default();
        let mut draft = Draft::default();
        for (role, metadata) in &self.state.roles {
            let (versions, channels) = (metadata.versions(), metadata.document().channels());
            let mut dropped = Vec::new();
            for listed in versions.iter().take(versions.len().saturating_sub(keep)) {
                let (role, version) = (role.clone(), listed.version.clone());
                match channels.iter().find(|(_, named)| **named == version) {
                    Some((channel, _)) => pruned.kept.push(Kept { role, version, channel: channel.clone() }),
                    None => dropped.push(version),
                }
            }
            if !dropped.is_empty() {
                draft.roles.insert(role.clone(), without(metadata, &dropped));
                pruned.versions.extend(dropped.into_iter().map(|version| (role.clone(), version)));
            }
        }
        if !draft.roles.is_empty() {
            self.commit(draft, keys, lifetimes, now)?;
        }
        let named = named(&self.state);
        for folder in [METADATA, TARGETS] {
            for (name, length) in files(&self.folder, folder)? {
                let roots = folder == METADATA && name.ends_with(".root.json");
                if !roots && !named.contains(&name) {
                    let path = self.folder.join(folder).join(&name);
                    fs::remove_file(&path).map_err(|source| SiteError::Remove { path, source })?;
                    pruned.files.push(name);
                    pruned.bytes += length;
                }
            }
        }
        Ok(pruned)
    }
}

fn without(metadata: &TrustedRole, versions: &[Version]) -> edeploy_format::tuf::Targets {
    let mut document = (**metadata.document()).clone();
    let gone = |name: &str| {
        let of = |version: &Version| {
            let parts: Vec<&str> = name.split('@').collect();
            // `<role>@<version>@<object>`, for deltas also `@<from>`.
            let [_, named, _, from @ ..] = &parts[..] else { return false };
            *named == version.as_str() || from == [version.as_str()]
        };
        versions.iter().any(of)
    };
    document.targets.retain(|name, _| !gone(name));
    document
}

/// The names of all files that a client of `state` can ask for, roots left out.
pub(crate) fn named(state: &State) -> BTreeSet<String> {
    let chain = &state.chain;
    let mut named: BTreeSet<String> = [TIMESTAMP, ROOT].map(str::to_owned).into();
    named.insert(format!("{}.snapshot.json", chain.snapshot().common.version));
    named.insert(format!("{}.targets.json", chain.targets().common.version));
    named.extend(chain.targets().targets.iter().map(|(name, target)| target.file(name)));
    for (role, metadata) in &state.roles {
        let document = metadata.document();
        named.insert(format!("{}.{}.json", document.common.version, delegated(role)));
        named.extend(document.targets.iter().map(|(name, target)| target.file(name)));
    }
    named
}

/// Names and lengths of the files in a folder of the site, sorted.
pub(crate) fn files(site: &Path, folder: &str) -> Result<Vec<(String, u64)>, SiteError> {
    let path = site.join(folder);
    let list = || -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()));
        }
        files.sort();
        Ok(files)
    };
    list().map_err(|source| SiteError::Read { path: path.clone(), source })
}
