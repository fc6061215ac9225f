//! The OSTree repository against the manifests: each version's ref is the commit its manifest names, only keys of
//! the role signed it, and every object is sound, down to the bits that change no file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use edeploy_format::name::{Role, Version};
use edeploy_format::tuf::{Delegation, Key};

use super::Report;
use crate::ostree::{CONFIG, Checked, OstreeError, Repository};
use crate::site::{OSTREE, State};

/// The commit that the manifest of a version names.
pub(super) type Commits = BTreeMap<(Role, Version), String>;

pub(super) fn check(folder: &Path, state: Option<&State>, commits: &Commits, report: &mut Report) {
    let path = folder.join(OSTREE);
    if !path.join("config").is_file() {
        if !commits.is_empty() {
            report.found(OSTREE, "is missing, and the manifests name commits of it");
        }
        return;
    }
    if let Err(error) = check_repository(&path, state, commits, report) {
        report.failed(OSTREE, &error);
    }
}

fn check_repository(
    path: &Path,
    state: Option<&State>,
    commits: &Commits,
    report: &mut Report,
) -> Result<(), OstreeError> {
    if fs::read(path.join("config")).ok().is_none_or(|config| config != CONFIG.as_bytes()) {
        report.found(format!("{OSTREE}/config"), "is not what rolebuild makes");
        return Ok(());
    }
    let repository = Repository::open(path)?;
    let checked = repository.check()?;
    report.files += checked.objects;
    for (object, what) in &checked.damaged {
        report.found(format!("{OSTREE}/{object}"), what);
    }
    if !checked.readable {
        return Ok(());
    }
    for ((role, version), commit) in commits {
        let name = format!("{OSTREE}/refs/heads/{role}/{version}");
        let held = repository.versions(role)?.into_iter().find(|held| held.version == *version);
        match held {
            None => report.found(name, format!("is missing, the manifest names commit {commit}")),
            Some(held) if held.commit != *commit => {
                report.found(name, format!("is commit {}, the manifest names {commit}", held.commit));
            }
            Some(_) => match fault(&repository, &checked, state, role, commit) {
                Ok(None) => {}
                Ok(Some(fault)) => report.found(name, format!("commit {commit} {fault}")),
                Err(error) => report.failed(name, &error),
            },
        }
    }
    Ok(())
}

/// What is wrong with what is known of a commit beside itself.
fn fault(
    repository: &Repository,
    checked: &Checked,
    state: Option<&State>,
    role: &Role,
    commit: &str,
) -> Result<Option<&'static str>, OstreeError> {
    let targets = state.map(|state| &**state.chain.targets());
    let delegation: Option<&Delegation> = targets.and_then(|targets| targets.delegation(role));
    let named = targets.and_then(|targets| targets.delegations.as_ref()).map(|all| &all.keys);
    let ids = delegation.into_iter().flat_map(|delegation| &delegation.keys.keyids);
    let keys: Vec<_> = ids.filter_map(|id| named?.get(id).and_then(Key::ed25519)).collect();
    if !repository.is_signed_by(commit, &keys)? {
        return Ok(Some("is not signed by keys of the role alone"));
    }
    repository.check_seal(commit, checked)
}
