//! What must be unique to a machine, in one list: taken out of every tree, and refused where it remains.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Kind, Record};
use edeploy_format::path::TreePath;

use super::FinishError;
use super::clean::{pattern, remove_matches};
use crate::failure::Fault;
use crate::keys::Needles;
use crate::parallel;
use crate::recipe::value::Pattern;
use crate::scan::{Entry, Form, Refused, Survey, Surveyor, walk_ahead, walk_below};
use crate::tree::Tree;

/// Every path that is a machine's own. A recipe may not lay one, and no published tree holds one.
pub const SECRETS: &[&str] = &[
    "/boot/loader/random-seed",
    "/etc/hostid",
    "/etc/iscsi/initiatorname.iscsi",
    "/etc/krb5.keytab",
    "/etc/nvme/hostid",
    "/etc/nvme/hostnqn",
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssh/ssh_host_*_key.pub",
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/dbus/machine-id",
    "/var/lib/dhcp/*.leases",
    "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/random-seed",
];
/// Empty in every tree: systemd takes the machine's id from the kernel's command line.
const MACHINE_ID: &str = "etc/machine-id";
/// Where private keys are looked for. What packages bring below /usr is public already.
const SEARCHED: &[&str] =
    &["boot", "etc", "home", "opt", "root", "srv", "usr/local", "usr/share/factory/var", "var"];
/// Files are searched in batches of this many.
const BATCH: usize = 1024;
/// Where `/var` of a tree lies once it is finished.
const FACTORY: &str = "usr/share/factory/";

/// Something that must be unique to a machine is in the tree.
#[derive(Debug, thiserror::Error)]
pub enum Secret {
    /// A path of the list.
    #[error("/{0} must be unique to each machine; it cannot be in a role's tree")]
    Listed(TreePath),
    /// A file with a private key in it.
    #[error(
        "/{0} holds a private key; name it in the recipe under [allow] private-keys if all machines share it"
    )]
    PrivateKey(TreePath),
    /// A file with one of the keys that sign for the site.
    #[error("/{path} holds the key of {}, which signs for this site; no tree may hold that", key.display())]
    Signing {
        /// The file in the tree.
        path: TreePath,
        /// The file of the key.
        key: PathBuf,
    },
}

impl Fault for Secret {
    fn exit(&self) -> Exit {
        Exit::Input
    }
}

/// Whether a path is a machine's own, in a tree as it is built or in a finished one.
#[must_use]
pub fn is_secret(path: &TreePath) -> bool {
    let path = path.as_str().strip_prefix(FACTORY).unwrap_or(path.as_str());
    let parts: Vec<&str> = path.split('/').collect();
    SECRETS.iter().any(|secret| {
        let pattern = pattern(secret);
        let components = pattern.components();
        components.len() == parts.len()
            && components.iter().zip(&parts).all(|(p, name)| Pattern::matches(p, name))
    })
}

/// Refuses a record of a manifest that is a machine's own: the last look before a tree is published.
///
/// # Errors
/// [`Secret::Listed`].
pub fn check_record(record: &Record) -> Result<(), Secret> {
    let id = record.path.as_str() == MACHINE_ID && record.content().is_some_and(|(size, _)| size > 0);
    let listed = record.kind != Kind::Folder && is_secret(&record.path);
    if id || listed { Err(Secret::Listed(record.path.clone())) } else { Ok(()) }
}

/// Takes them out of a tree.
pub(super) fn remove(tree: &Tree) -> Result<(), FinishError> {
    SECRETS.iter().try_for_each(|secret| remove_matches(tree, &pattern(secret)))?;
    // ca-certificates links certificates under their hashes, the snake-oil one too.
    for name in tree.names("etc/ssl/certs")? {
        let path = format!("etc/ssl/certs/{name}");
        if std::fs::read_link(tree.at(&path)?).is_ok_and(|target| target.ends_with("ssl-cert-snakeoil.pem")) {
            tree.remove(&path)?;
        }
    }
    Ok(tree.write(MACHINE_ID, b"", 0o444)?)
}

/// Refuses a tree that still holds one; private keys at the `allowed` paths are shared on purpose.
///
/// # Errors
/// [`FinishError::Secret`] names the path.
pub(super) fn check(tree: &Tree, allowed: &[TreePath]) -> Result<(), FinishError> {
    for folder in SEARCHED {
        if tree.has_folder(folder)? {
            walk_below(tree.root(), folder, &mut |entry: Entry| check_entry(entry, allowed))?;
        }
    }
    Ok(())
}

fn check_entry(entry: Entry, allowed: &[TreePath]) -> Result<(), FinishError> {
    let Entry { path, on_disk, form, .. } = entry;
    if form != Form::Folder && is_secret(&path) {
        return Err(Secret::Listed(path).into());
    }
    if form == Form::File && !allowed.contains(&path) && holds_private_key(&on_disk)? {
        return Err(Secret::PrivateKey(path).into());
    }
    Ok(())
}

/// Refuses a tree with a file that holds something of `signing`, the keys of the site; nothing allows it. What the tree
/// amounts to is counted on the way. The initrd is looked at last, when `ready` made it what it will be.
///
/// # Errors
/// [`FinishError::Secret`] names the path; those of `ready`.
pub(super) fn check_signing(
    tree: &Tree,
    signing: &Needles,
    initrd: &TreePath,
    ready: impl FnOnce() -> Result<(), FinishError>,
) -> Result<Survey, FinishError> {
    let (mut surveyor, mut batch) = (Surveyor::default(), Vec::with_capacity(BATCH));
    let check = |batch: &mut Vec<Entry>| -> Result<(), FinishError> {
        let checked = parallel::map(batch, |entry| check_file(entry, signing));
        batch.clear();
        checked.into_iter().collect()
    };
    let mut last = None;
    walk_ahead(tree.root(), &mut |entry: Entry| -> Result<(), FinishError> {
        if entry.path == *initrd {
            last = Some(entry);
            return Ok(());
        }
        surveyor.meet(&entry);
        if entry.form == Form::File && !signing.is_empty() {
            batch.push(entry);
        }
        if batch.len() == BATCH { check(&mut batch) } else { Ok(()) }
    })?;
    ready()?;
    if let Some(mut entry) = last {
        let unread = |e| Refused::Io(entry.on_disk.clone(), e);
        entry.metadata = fs::symlink_metadata(&entry.on_disk).map_err(unread)?;
        surveyor.meet(&entry);
        batch.push(entry);
    }
    check(&mut batch)?;
    Ok(surveyor.survey())
}

fn check_file(entry: &Entry, signing: &Needles) -> Result<(), FinishError> {
    let unread = |e| Refused::Io(entry.on_disk.clone(), e);
    let found = File::open(&entry.on_disk).and_then(|file| signing.find_in(file)).map_err(unread)?;
    match found {
        Some(key) => Err(Secret::Signing { path: entry.path.clone(), key: key.to_owned() }.into()),
        None => Ok(()),
    }
}

/// Whether a line of the file begins a private key as OpenSSL, OpenSSH, GnuPG or PuTTY write them.
fn holds_private_key(path: &Path) -> Result<bool, Refused> {
    let search = || -> io::Result<bool> {
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            // Binary files have lines without end; a key's first line is short.
            if io::Read::take(&mut lines, 4096).read_until(b'\n', &mut line)? == 0 {
                return Ok(false);
            }
            let text = line.trim_ascii();
            let ends = [&b"PRIVATE KEY-----"[..], b"PRIVATE KEY BLOCK-----"];
            let pem = text.starts_with(b"-----BEGIN ") && ends.iter().any(|end| text.ends_with(end));
            if pem || text.starts_with(b"PuTTY-User-Key-File-") {
                return Ok(true);
            }
        }
    };
    search().map_err(|e| Refused::Io(path.to_owned(), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"x\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n";

    fn tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path().to_owned());
        (folder, tree)
    }

    #[test]
    fn secrets_of_the_list_are_taken_out() {
        let (_folder, tree) = tree();
        tree.write("etc/ssh/ssh_host_ed25519_key", KEY, 0o600).unwrap();
        tree.write("etc/ssh/sshd_config", b"", 0o644).unwrap();
        tree.write("etc/machine-id", b"0123456789abcdef0123456789abcdef\n", 0o644).unwrap();
        tree.write("etc/ssl/certs/ssl-cert-snakeoil.pem", b"", 0o644).unwrap();
        tree.link("etc/ssl/certs/b0d2d7f3.0", "ssl-cert-snakeoil.pem").unwrap();
        remove(&tree).unwrap();
        assert_eq!(tree.names("etc/ssh").unwrap(), ["sshd_config"]);
        assert_eq!(tree.names("etc/ssl/certs").unwrap(), [""; 0]);
        assert_eq!(tree.read("etc/machine-id").unwrap().unwrap(), b"");
        check(&tree, &[]).unwrap();
    }

    #[test]
    fn what_remains_is_refused_by_name() {
        let (_folder, tree) = tree();
        tree.write("usr/share/factory/var/lib/systemd/random-seed", b"r", 0o600).unwrap();
        let error = check(&tree, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/usr/share/factory/var/lib/systemd/random-seed must be unique to each machine; it cannot be in a \
             role's tree"
        );
        assert_eq!(error.exit(), Exit::Input);
    }

    #[test]
    fn a_private_key_is_refused_unless_it_is_allowed() {
        let (_folder, tree) = tree();
        let path = TreePath::new("etc/nginx/site.pem").unwrap();
        tree.write("etc/nginx/site.pem", KEY, 0o600).unwrap();
        tree.write("usr/share/doc/x/example.pem", KEY, 0o644).unwrap();
        let error = check(&tree, &[]).unwrap_err();
        assert!(error.to_string().starts_with("/etc/nginx/site.pem holds a private key"), "{error}");
        check(&tree, &[path]).unwrap();
    }
}
