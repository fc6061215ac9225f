//! The files of a plan: they belong to the machine, so they lie on its state partition.
//!
//! Each must be within a persistent path of the role, or below /var; anything else would go with the next version. They
//! are laid when the slot is filled and verified, before the boot entry is made.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::fleet::File;
use edeploy_format::manifest::{Head, Kind, ManifestError, Reader, Record};
use edeploy_format::path::{BadPath, TreePath};

use crate::boot::seed_persistent;
use crate::failure::Failure;
use crate::install::Belongings;

/// Where persistent paths lie, below the root of the machine.
const SOURCES: &str = "var/lib/edeploy/persistent";
/// Where a tree has what is below /var of a machine.
const FACTORY: &str = "usr/share/factory/";
/// What is the updater's own, below the root of the machine.
const OURS: &str = "var/lib/edeploy";

/// The files, as far as they can be checked without a version.
#[derive(Debug)]
pub struct Files(Vec<Own>);

#[derive(Debug)]
struct Own {
    path: TreePath,
    mode: u32,
    owner: [u32; 2],
    text: String,
}

/// What is wrong with a file of a plan.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// Its path.
    #[error("the file {path:?} of the plan: its path is not absolute")]
    Relative {
        /// The path.
        path: String,
    },
    /// The same.
    #[error("the file {path:?} of the plan")]
    Path {
        /// The path.
        path: String,
        /// What is wrong.
        #[source]
        source: BadPath,
    },
    /// Its mode.
    #[error("the file {path:?} of the plan: the mode {mode:?} is no octal number up to 7777")]
    Mode {
        /// The path.
        path: String,
        /// The mode.
        mode: String,
    },
    /// It would be lost.
    #[error(
        "the file /{path} of the plan lies neither below /var nor within a persistent path of {role} {version}: it would be lost"
    )]
    Lost {
        /// The path.
        path: TreePath,
        /// The role.
        role: String,
        /// Its version.
        version: String,
    },
    /// There is a folder.
    #[error("the file /{path} of the plan: {role} {version} has a folder there")]
    Folder {
        /// The path.
        path: TreePath,
        /// The role.
        role: String,
        /// Its version.
        version: String,
    },
    /// It would be a folder, and is a file.
    #[error("the file /{path} of the plan: /{file} is no folder")]
    Under {
        /// The path.
        path: TreePath,
        /// What it would lie in.
        file: TreePath,
    },
    /// It is the updater's.
    #[error("the file /{path} of the plan lies in the updater's own folder")]
    Ours {
        /// The path.
        path: TreePath,
    },
    /// It cannot be written.
    #[error("writing the file /{path} of the plan")]
    Write {
        /// The path.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BadFile {
    fn refused(self) -> Failure {
        Failure::new(Exit::Refused, self)
    }
}

impl Files {
    /// Those of a plan.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn of(files: &[File]) -> Result<Self, BadFile> {
        let files: Vec<Own> = files.iter().map(own).collect::<Result<_, _>>()?;
        for Own { path, .. } in &files {
            if let Some(file) = files.iter().find(|other| path.is_below(other.path.as_str())) {
                return Err(BadFile::Under { path: path.clone(), file: file.path.clone() });
            }
        }
        Ok(Self(files))
    }

    /// Holds them against one path of the version's tree.
    fn beside(&self, head: &Head, record: &Record) -> Result<(), BadFile> {
        let text = record.path.as_str();
        // What a tree has below /var is brought to the state partition from there.
        let there = text.strip_prefix(FACTORY).unwrap_or(text);
        for Own { path, .. } in &self.0 {
            if path.as_str() == there && record.kind == Kind::Folder {
                let (path, role) = (path.clone(), head.role.to_string());
                return Err(BadFile::Folder { path, role, version: head.version.to_string() });
            }
            if path.is_below(there) && record.kind != Kind::Folder {
                return Err(BadFile::Under { path: path.clone(), file: record.path.clone() });
            }
        }
        Ok(())
    }
}

fn own(file: &File) -> Result<Own, BadFile> {
    let path = file.path.clone();
    let Some(below) = path.strip_prefix('/') else { return Err(BadFile::Relative { path }) };
    let parsed = TreePath::new(below).map_err(|source| BadFile::Path { path: path.clone(), source })?;
    let octal = !file.mode.is_empty() && file.mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(&file.mode, 8).ok().filter(|mode| octal && *mode <= 0o7777);
    let mode = mode.ok_or_else(|| BadFile::Mode { path, mode: file.mode.clone() })?;
    if parsed.as_str() == OURS || parsed.is_below(OURS) {
        return Err(BadFile::Ours { path: parsed });
    }
    Ok(Own { path: parsed, mode, owner: [file.uid, file.gid], text: file.text.clone() })
}

/// The persistent path that `path` is or lies below.
fn within<'a>(path: &TreePath, persistent: &'a [TreePath]) -> Option<&'a TreePath> {
    persistent.iter().find(|whole| *whole == path || path.is_below(whole.as_str()))
}

impl Belongings for Files {
    fn check(&self, head: &Head, manifest: &mut dyn BufRead) -> Result<(), Failure> {
        let failed = |e: ManifestError| Failure::new(Exit::Untrusted, e);
        let mut records = Reader::new(manifest).map_err(failed)?;
        while let Some(record) = records.next_record().map_err(failed)? {
            self.beside(head, &record).map_err(BadFile::refused)?;
        }
        for Own { path, .. } in &self.0 {
            if within(path, &head.persistent).is_none() && !path.is_below("var") {
                let (path, role) = (path.clone(), head.role.to_string());
                return Err(BadFile::Lost { path, role, version: head.version.to_string() }.refused());
            }
        }
        Ok(())
    }

    fn lay(&self, slot: &Path, machine: &Path) -> Result<(), Failure> {
        for own in &self.0 {
            let laid = lay(own, slot, machine);
            let failed = |source| BadFile::Write { path: own.path.clone(), source };
            laid.map_err(|e| Failure::new(Exit::Failed, failed(e)))?;
        }
        Ok(())
    }
}

/// What the tree has in a persistent folder is brought first, as it would be at the first boot: a folder that is
/// there is taken as it is.
fn lay(own: &Own, slot: &Path, machine: &Path) -> io::Result<()> {
    let path = own.path.as_str();
    let place = if own.path.is_below("var") {
        PathBuf::from(path)
    } else {
        seed_persistent(slot, machine, &own.path)?;
        Path::new(SOURCES).join(path)
    };
    let folder = place.parent().unwrap_or(Path::new(""));
    let mut at = machine.to_owned();
    for part in folder.components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(io::Error::other(format!("{} is no folder", at.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => DirBuilder::new().mode(0o755).create(&at)?,
            Err(e) => return Err(e),
        }
    }
    let place = machine.join(place);
    match fs::remove_file(&place) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Nobody but root may read a secret before its owner and mode are set.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
    file.write_all(own.text.as_bytes())?;
    let [uid, gid] = own.owner;
    fchown(&file, Some(uid), Some(gid))?;
    file.set_permissions(Permissions::from_mode(own.mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn file(path: &str, mode: &str) -> File {
        File { path: path.to_owned(), mode: mode.to_owned(), uid: 7, gid: 8, text: "text\n".to_owned() }
    }

    fn refused(path: &str, mode: &str) -> String {
        crate::failure::chain(&Files::of(&[file(path, mode)]).unwrap_err())
    }

    #[test]
    fn paths_and_modes_are_checked_before_anything_is_done() {
        assert_eq!(refused("etc/x", "0644"), "the file \"etc/x\" of the plan: its path is not absolute");
        for path in ["/etc/../x", "/", "//etc/x", "/etc/x/", "/etc/./x"] {
            assert!(refused(path, "0644").starts_with(&format!("the file {path:?} of the plan: ")), "{path}");
        }
        for mode in ["", "+644", "0888", "10000", "rw-"] {
            let text =
                format!("the file \"/etc/x\" of the plan: the mode {mode:?} is no octal number up to 7777");
            assert_eq!(refused("/etc/x", mode), text);
        }
        assert_eq!(
            refused("/var/lib/edeploy/host.json", "0644"),
            "the file /var/lib/edeploy/host.json of the plan lies in the updater's own folder"
        );
    }

    #[test]
    fn a_file_is_within_a_persistent_path_or_its_whole() {
        let persistent = ["etc/hostname", "root"].map(|path| TreePath::new(path).unwrap());
        let found = |path: &str| within(&TreePath::new(path).unwrap(), &persistent).map(TreePath::as_str);
        assert_eq!(found("etc/hostname"), Some("etc/hostname"));
        assert_eq!(found("root/.ssh/authorized_keys"), Some("root"));
        assert_eq!(found("rootless/x"), None);
        assert_eq!(found("etc/hostname.d"), None);
    }

    #[test]
    fn a_file_in_a_folder_of_the_tree_comes_beside_what_the_tree_has_there() {
        let (slot, machine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = slot.path().join("etc/network");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("80-dhcp"), "of the tree").unwrap();
        let list = slot.path().join(edeploy_format::units::PERSISTENT);
        fs::create_dir_all(list.parent().unwrap()).unwrap();
        fs::write(&list, "etc/network\n").unwrap();
        let files = Files::of(&[file("/etc/network/10-own", "0640"), file("/var/lib/x/y", "4755")]).unwrap();
        files.lay(slot.path(), machine.path()).unwrap();
        let kept = machine.path().join(SOURCES).join("etc/network");
        assert_eq!(fs::read_to_string(kept.join("80-dhcp")).unwrap(), "of the tree");
        let own = fs::metadata(kept.join("10-own")).unwrap();
        assert_eq!((own.mode() & 0o7777, own.uid(), own.gid()), (0o640, 7, 8));
        let other = fs::metadata(machine.path().join("var/lib/x/y")).unwrap();
        assert_eq!(other.mode() & 0o7777, 0o4755);
    }
}
