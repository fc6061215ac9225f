//! A build becomes a published version: objects first, then the metadata that names them.
//!
//! What a build must be is checked before anything is named: manifest and index parse, the pack is the frames of
//! its index, the version is the one asked for, its serial is above all others. Publishing the same build
//! twice changes nothing; another build under a published version is refused. The rules that lead to a
//! version are not of the build: published again with other rules, it has those from then on. With a new version
//! comes its delta from itself, where that spares something; it is a saving only, and where it cannot be made the version
//! is published without.

mod error;
mod stage;

use std::io::BufReader;
use std::path::PathBuf;

use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Head, Kind, Reader, Record};
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::tuf::{
    Common, Contents, KeyId, Policy, RoleKeys, Target, Targets, Time, TrustedRole, delegated,
};
use serde::Serialize;

use crate::delta::choose::Effort;
use crate::delta::make::Tree;
use crate::delta::publish::{DeltaError, Wanted};
use crate::finish::secrets;
use crate::keys::{Keys, Needles, Signer};
use crate::ostree::Repository;
use crate::site::{Draft, Lifetimes, OSTREE, Site, delegate};
use crate::transition;
pub use error::PublishError;
use stage::{Hashing, Staged, open, stage, unread};
pub(crate) use stage::{compressed, copied};

/// A build to be published.
#[derive(Clone, Debug)]
pub struct Build {
    /// The role.
    pub role: Role,
    /// The version.
    pub version: Version,
    /// The folder with `manifest`, `pack-index`, `pack` and `sbom`.
    pub folder: PathBuf,
    /// The tree of transitions.
    pub transitions: PathBuf,
    /// The role's new least serial, if it changes.
    pub min_serial: Option<u64>,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Published {
    /// Its serial.
    pub serial: u64,
    /// The digest of its manifest.
    #[serde(serialize_with = "as_text")]
    pub manifest: Digest,
    /// Bytes of all its objects.
    pub bytes: u64,
    /// The delta of the version from itself, where one was published with it.
    pub own_delta: Option<Own>,
    /// Why it could not be made; the version is published all the same.
    #[serde(skip)]
    pub own_missed: Option<DeltaError>,
    /// What this changed for the hosts.
    pub change: Change,
    /// The key that was made for the role, when it is new.
    pub made: Option<KeyId>,
}

/// The delta of a version from itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Own {
    /// Bytes of delta and index.
    pub bytes: u64,
    /// Bytes of the frames of the pack that it spares.
    pub spares: u64,
}

/// What a publication changes for the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// There is one version more.
    Version,
    /// Other rules lead to a version that was there.
    Rules,
    /// The least serial is another.
    MinSerial,
    /// Nothing.
    Nothing,
}

fn as_text<S: serde::Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}

/// Publishes `build` on `site`; `copied` is told of the bytes of the pack as they are copied.
///
/// # Errors
/// [`PublishError`]; clients see the state before then.
pub fn publish(
    site: &mut Site,
    build: &Build,
    keys: &mut Keys,
    lifetimes: Lifetimes,
    now: Time,
    copied: impl FnMut(u64),
) -> Result<Published, PublishError> {
    let (head, manifest) = examine(build, keys.needles())?;
    let before = site.state().roles.get(&build.role);
    check_serial(build, &head, before)?;
    let transition = transition::read(&build.transitions, &head)?;
    let transition = serde_json::to_vec(&transition).expect("a transition has plain keys");
    if let Some((_, key)) = keys.needles().find(&transition) {
        return Err(PublishError::Signing { place: "the transition".to_owned(), key: key.to_owned() });
    }
    let mut objects = stage(site, build, &head, &manifest, &transition, keys.needles(), copied)?;
    let change = change(build, before, &objects)?;
    let own = if change == Change::Version { own(site, build, &manifest, &mut objects)? } else { Ok(None) };
    let (own_delta, own_missed) = own.map_or_else(|missed| (None, Some(missed)), |own| (own, None));
    let bytes = objects.iter().map(|object| object.target.length).sum();
    let (serial, manifest) = (head.serial, manifest.blake3);
    let mut published = Published { serial, manifest, bytes, own_delta, own_missed, change, made: None };
    let delegation = site.state().chain.targets().delegation(&build.role);
    if change == Change::Nothing {
        // An earlier run may have been cut off before it came to this.
        let present = delegation.map(|delegation| keys.present(&delegation.keys)).unwrap_or_default();
        if !present.is_empty() {
            sign_commit(site, &head, &present)?;
        }
        return Ok(published);
    }

    let mut draft = Draft::default();
    let (mut document, role_keys) = match (before, delegation) {
        (Some(role), Some(delegation)) => ((**role.document()).clone(), delegation.keys.clone()),
        (None, _) | (_, None) => {
            let mut targets = (**site.state().chain.targets()).clone();
            let id = keys.kept_or_made(&delegated(&build.role))?;
            let role_keys = RoleKeys::new([id.clone()], 1);
            delegate(&mut targets, &build.role, role_keys.clone(), keys);
            draft.targets = Some(targets);
            published.made = Some(id);
            (Targets::empty(Common::new::<Targets>(1, now)), role_keys)
        }
    };
    if let Some(min_serial) = build.min_serial {
        let extra = document.policy.take().map(|policy| policy.extra).unwrap_or_default();
        document.policy = Some(Policy { min_serial, extra });
    }
    sign_commit(site, &head, &keys.signers(&delegated(&build.role), &role_keys)?)?;
    for Staged { name, target, ready } in objects {
        ready.put(&target.file(&name))?;
        document.targets.insert(name, target);
    }
    draft.roles.insert(build.role.clone(), document);
    site.commit(draft, keys, lifetimes, now)?;
    Ok(published)
}

/// Adds the delta of the version from itself to its objects, unless that spares nothing; the inner error leaves them
/// as they are.
fn own(
    site: &Site,
    build: &Build,
    manifest: &Contents,
    objects: &mut Vec<Staged>,
) -> Result<Result<Option<Own>, DeltaError>, PublishError> {
    let read = |name: &str, checked: Option<Contents>| {
        let path = build.folder.join(name);
        let bytes = std::fs::read(&path).map_err(unread(&path))?;
        let read = Contents { blake3: Digest::of(&bytes), size: bytes.len() as u64 };
        if Some(read) == checked { Ok(bytes) } else { Err(PublishError::Changed(path)) }
    };
    let name = Object::PackIndex.target(&build.role, &build.version);
    let staged = objects.iter().find(|object| object.name == name);
    let checked = staged.and_then(|object| object.target.custom(&name).ok());
    let (text, index) = (read("manifest", Some(*manifest))?, read("pack-index", checked)?);
    let pack = build.folder.join("pack");
    let tree = Tree { digest: manifest.blake3, manifest: &text, index: &index, pack: &pack };
    let (role, version) = (build.role.clone(), build.version.clone());
    let wanted = Wanted { role, from: version.clone(), to: version, effort: Effort::SMALL };
    let (done, made) = match crate::delta::publish::stage(site, &wanted, None, &tree, |_| ()) {
        Ok(staged) => staged,
        Err(missed) => return Ok(Err(missed)),
    };
    objects.extend(made.into_iter().map(|(name, target, ready)| Staged { name, target, ready }));
    Ok(Ok(done.published.then_some(Own { bytes: done.bytes, spares: done.spares })))
}

/// Signs and seals the commit that holds the same tree, for those who use the OSTree repository itself.
fn sign_commit(site: &Site, head: &Head, keys: &[&Signer]) -> Result<(), PublishError> {
    let Some(commit) = &head.ostree else { return Ok(()) };
    let path = site.folder().join(OSTREE);
    let absent = || PublishError::Commit { path: path.clone(), commit: commit.clone() };
    if !path.join("config").is_file() {
        return Err(absent());
    }
    let repository = Repository::open(&path)?;
    let held = repository.versions(&head.role)?;
    if !held.iter().any(|held| (&held.version, &held.commit) == (&head.version, commit)) {
        return Err(absent());
    }
    Ok(repository.sign(commit, keys)?)
}

fn least(role: Option<&TrustedRole>) -> Option<u64> {
    role.map(|role| role.document().min_serial())
}

/// Reads the build but its pack once: every part must be whole, what it says it is, and without a key of `signing`.
fn examine(build: &Build, signing: &Needles) -> Result<(Head, Contents), PublishError> {
    let path = build.folder.join("manifest");
    if !path.is_file() {
        let (role, version, folder) = (build.role.clone(), build.version.clone(), build.folder.clone());
        return Err(PublishError::NoBuild { role, version, folder });
    }
    let wrong = |source| PublishError::Manifest { path: path.clone(), source };
    let mut hashing = Hashing::new(BufReader::new(open(&path)?));
    let mut manifest = Reader::new(BufReader::new(&mut hashing)).map_err(wrong)?;
    while let Some(record) = manifest.next_record().map_err(wrong)? {
        secrets::check_record(&record)?;
        check_signing(&record, signing)?;
    }
    let head = manifest.head().clone();
    drop(manifest);
    if (&head.role, &head.version) != (&build.role, &build.version) {
        let folder = build.folder.clone();
        return Err(PublishError::Other { folder, role: head.role, version: head.version });
    }
    for name in ["manifest", "sbom"] {
        let path = build.folder.join(name);
        if let Some(key) = signing.find_in(open(&path)?).map_err(unread(&path))? {
            return Err(PublishError::Signing { place: path.display().to_string(), key: key.to_owned() });
        }
    }
    Ok((head, hashing.contents()))
}

/// Refuses a record that holds a key outside of its content: there it is written in another way than in the manifest.
fn check_signing(record: &Record, signing: &Needles) -> Result<(), PublishError> {
    let target = match &record.kind {
        Kind::Symlink { target } => target.as_bytes(),
        Kind::Folder | Kind::File { .. } | Kind::HardLink { .. } => &[],
    };
    let values = record.xattrs.iter().map(|xattr| &xattr.value[..]);
    let parts = values.chain([target, record.path.as_str().as_bytes()]);
    match parts.into_iter().find_map(|part| signing.find(part)) {
        Some((_, key)) => {
            Err(PublishError::Signing { place: format!("/{}", record.path), key: key.to_owned() })
        }
        None => Ok(()),
    }
}

fn check_serial(build: &Build, head: &Head, role: Option<&TrustedRole>) -> Result<(), PublishError> {
    let versions = role.map(TrustedRole::versions).unwrap_or_default();
    let published = versions.iter().any(|listed| listed.version == build.version);
    let highest = versions.last().map_or(0, |listed| listed.identity.serial);
    let (serial, least) = (head.serial, least(role).unwrap_or(0));
    if !published && serial <= highest {
        let (role, version) = (build.role.clone(), build.version.clone());
        return Err(PublishError::Serial { role, version, serial, highest });
    }
    match build.min_serial {
        Some(asked) if asked < least || asked > serial => {
            Err(PublishError::MinSerial { asked, least, most: serial })
        }
        Some(asked) => check_channels(role, asked),
        None => Ok(()),
    }
}

/// Refuses to end a version that a channel names: machines would be told of one that none may take.
fn check_channels(role: Option<&TrustedRole>, least: u64) -> Result<(), PublishError> {
    let Some(role) = role else { return Ok(()) };
    let versions = role.versions();
    for (name, version) in role.document().channels() {
        let listed = versions.iter().find(|listed| listed.version == version);
        if let Some(listed) = listed.filter(|listed| listed.identity.serial < least) {
            let serial = listed.identity.serial;
            return Err(PublishError::Channel { role: role.role().clone(), name, version, serial });
        }
    }
    Ok(())
}

/// What is to be done; refuses another build under a version that is published.
fn change(build: &Build, role: Option<&TrustedRole>, objects: &[Staged]) -> Result<Change, PublishError> {
    let published = |name: &str| role.and_then(|role| role.target(name));
    if objects.iter().all(|object| published(&object.name).is_none()) {
        return Ok(Change::Version);
    }
    let rules = Object::Transition.target(&build.role, &build.version);
    let mut other_rules = false;
    for Staged { name, target, .. } in objects {
        let same = published(name).is_some_and(|p| is_same(p, target));
        if !same && *name != rules {
            let (role, version) = (build.role.clone(), build.version.clone());
            let object = name.rsplit('@').next().unwrap_or(name).to_owned();
            return Err(PublishError::Differs { role, version, object });
        }
        other_rules |= !same;
    }
    let other_least = build.min_serial.is_some_and(|n| Some(n) != least(role));
    Ok(match (other_rules, other_least) {
        (true, _) => Change::Rules,
        (false, true) => Change::MinSerial,
        (false, false) => Change::Nothing,
    })
}

/// Compressed objects may differ in their bytes, as zstd changes between its versions, and be the same.
fn is_same(published: &Target, staged: &Target) -> bool {
    if staged.custom.is_empty() {
        published.hashes.sha256 == staged.hashes.sha256
    } else {
        published.custom == staged.custom
    }
}
