//! A tree becomes a commit.
//!
//! Every file is read once and hashed twice, for OSTree and for the manifest, on all processors; only objects that the
//! repository lacks are compressed and written. So a second version costs little more than reading its files.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

use edeploy_format::digest::Digest;
use edeploy_format::name::{Role, Version};
use edeploy_format::path::TreePath;
use edeploy_format::tuf::Sha256;
use ostree::gio::{self, prelude::*};
use ostree::{MutableTree, ObjectType, TransactionGuard, glib};

use super::content::Maker;
use super::staging::Staging;
use super::{OstreeError, Repository, SERIAL, ref_name};
use crate::parallel;
use crate::scan::{Content, Entry, Form, walk_ahead, xattrs};

/// Files are hashed and written in batches of this many.
const BATCH: usize = 1024;

/// What a commit is called and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The role.
    pub role: &'a Role,
    /// The version.
    pub version: &'a Version,
    /// Its serial.
    pub serial: u64,
    /// Its time, in seconds since 1970.
    pub epoch: u64,
}

/// A commit that no ref names yet. When it is dropped, refs and objects are as before.
pub struct Pending<'a> {
    repository: &'a Repository,
    transaction: TransactionGuard<'a>,
    staging: Staging,
    name: String,
    commit: String,
    contents: Vec<Content>,
}

impl Pending<'_> {
    /// Its checksum.
    #[must_use]
    pub fn checksum(&self) -> &str {
        &self.commit
    }

    /// All files as they were read, in walking order.
    #[must_use]
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// Puts it under the ref of its version, in place of an earlier commit of that version; gives the checksum.
    ///
    /// # Errors
    /// [`OstreeError`]; the ref is as before then.
    pub fn finish(self) -> Result<String, OstreeError> {
        let Self { repository, transaction, staging, name, commit, contents: _ } = self;
        // Before the barrier of libostree, after which it writes the ref.
        staging.put().map_err(repository.unwritten())?;
        repository.repo.transaction_set_ref(None, &name, Some(&commit));
        transaction.commit(gio::Cancellable::NONE).map_err(repository.failed("ending the commit"))?;
        Ok(commit)
    }
}

impl Repository {
    /// Makes a commit of the tree below `root`, which takes its place with [`Pending::finish`]. `done` is told of the
    /// bytes of each file.
    ///
    /// # Errors
    /// [`OstreeError`]; refs and objects are as before then.
    pub fn commit(
        &self,
        root: &Path,
        identity: Identity<'_>,
        mut done: impl FnMut(u64),
    ) -> Result<Pending<'_>, OstreeError> {
        let transaction =
            self.repo.auto_transaction(gio::Cancellable::NONE).map_err(self.failed("beginning"))?;
        let staging = Staging::new(&self.path).map_err(self.unwritten())?;
        let mut folders = Folders::new(self.folder(root)?);
        let (mut batch, mut contents, turn) = (Vec::with_capacity(BATCH), Vec::new(), Mutex::new(()));
        let mut flush = |batch: &mut Vec<Entry>, folders: &mut Folders| -> Result<(), OstreeError> {
            let own = || (self.clone(), Maker::new(&turn));
            let object =
                |(this, maker): &mut (Self, Maker<'_>), entry: &Entry| this.object(entry, maker, &staging);
            let objects = parallel::map_with(batch, own, object);
            for (entry, object) in batch.drain(..).zip(objects) {
                let (checksum, digest) = object?;
                self.add(folders, &entry, &checksum)?;
                contents.extend(digest.map(|digest| Content::new(digest, &entry.metadata)));
                done(if entry.form == Form::File { entry.metadata.len() } else { 0 });
            }
            Ok(())
        };
        walk_ahead(root, &mut |entry: Entry| -> Result<(), OstreeError> {
            batch.push(entry);
            if batch.len() == BATCH { flush(&mut batch, &mut folders) } else { Ok(()) }
        })?;
        flush(&mut batch, &mut folders)?;
        let commit = self.write_commit(&folders.root, identity)?;
        let name = ref_name(identity.role, identity.version);
        Ok(Pending { repository: self, transaction, staging, name, commit, contents })
    }

    /// A folder's own object, in a tree of its own.
    fn folder(&self, on_disk: &Path) -> Result<MutableTree, OstreeError> {
        let unread = |source| OstreeError::Read { path: on_disk.to_owned(), source };
        let info = info(&on_disk.symlink_metadata().map_err(unread)?, &Form::Folder);
        let metadata = ostree::create_directory_metadata(&info, Some(&attributes(on_disk).map_err(unread)?));
        let tree = MutableTree::new();
        tree.set_metadata_checksum(&self.write_folder(&metadata)?);
        Ok(tree)
    }

    fn write_folder(&self, metadata: &glib::Variant) -> Result<String, OstreeError> {
        self.repo
            .write_metadata(ObjectType::DirMeta, None, metadata, gio::Cancellable::NONE)
            .map(|checksum| checksum.to_hex())
            .map_err(self.failed("writing a folder"))
    }

    /// The checksum of an entry's object, which is in repository or staging afterwards, and the digest of a file.
    fn object(
        &self,
        entry: &Entry,
        maker: &mut Maker<'_>,
        staging: &Staging,
    ) -> Result<(String, Option<Digest>), OstreeError> {
        let unread = |source| OstreeError::Read { path: entry.path.as_str().into(), source };
        let attributes = attributes(&entry.on_disk).map_err(unread)?;
        match entry.form {
            Form::Folder => {
                let info = info(&entry.metadata, &entry.form);
                let metadata = ostree::create_directory_metadata(&info, Some(&attributes));
                Ok((self.write_folder(&metadata)?, None))
            }
            Form::Symlink(_) => Ok((self.link(entry, &attributes)?, None)),
            Form::File => {
                let mut file = File::open(&entry.on_disk).map_err(unread)?;
                let is_there = |checksum: &Sha256| staging.has(checksum);
                let found = maker.find(&mut file, &entry.metadata, &attributes, is_there).map_err(unread)?;
                let checksum = found.checksum.to_string();
                match found.object {
                    Some(object) => {
                        staging.add(&found.checksum, &object).map_err(self.unwritten())?;
                    }
                    None if staging.has(&found.checksum) => {}
                    None => self.write_file(entry, &attributes, &checksum)?,
                }
                Ok((checksum, Some(found.digest)))
            }
        }
    }

    /// The checksum of a symbolic link's object, which is in the repository afterwards.
    fn link(&self, entry: &Entry, attributes: &glib::Variant) -> Result<String, OstreeError> {
        let (info, none) = (info(&entry.metadata, &entry.form), gio::Cancellable::NONE);
        let hashed = ostree::checksum_file_from_input(
            &info,
            Some(attributes),
            gio::InputStream::NONE,
            ObjectType::File,
            none,
        );
        let failed = || self.failed(format!("writing {}", entry.path));
        let checksum =
            hashed.map_err(|e| failed()(glib::Error::new(gio::IOErrorEnum::Failed, &e.to_string())))?;
        let checksum = checksum.to_hex();
        if !self.repo.has_object(ObjectType::File, &checksum, none).map_err(failed())? {
            self.write_file(entry, attributes, &checksum)?;
        }
        Ok(checksum)
    }

    /// Leaves an object to libostree.
    fn write_file(
        &self,
        entry: &Entry,
        attributes: &glib::Variant,
        checksum: &str,
    ) -> Result<(), OstreeError> {
        let failed = || self.failed(format!("writing {}", entry.path));
        let none = gio::Cancellable::NONE;
        let content: gio::InputStream = match entry.form {
            Form::File => open(&entry.on_disk).map_err(failed())?,
            Form::Folder | Form::Symlink(_) => gio::MemoryInputStream::new().upcast(),
        };
        let info = info(&entry.metadata, &entry.form);
        let (stream, length) =
            ostree::raw_file_to_content_stream(&content, &info, Some(attributes), none).map_err(failed())?;
        self.repo.write_content(Some(checksum), &stream, length, none).map(|_| ()).map_err(failed())
    }

    /// Puts an entry's object into the tree of its folder.
    fn add(&self, folders: &mut Folders, entry: &Entry, checksum: &str) -> Result<(), OstreeError> {
        let folder = folders.of(&entry.path);
        let failed = self.failed(format!("adding {}", entry.path));
        if entry.form == Form::Folder {
            let tree = folder.ensure_dir(entry.path.name()).map_err(failed)?;
            tree.set_metadata_checksum(checksum);
            folders.open.push((entry.path.clone(), tree));
            return Ok(());
        }
        folder.replace_file(entry.path.name(), checksum).map_err(failed)
    }

    fn write_commit(&self, tree: &MutableTree, identity: Identity<'_>) -> Result<String, OstreeError> {
        let Identity { role, version, serial, epoch } = identity;
        let none = gio::Cancellable::NONE;
        let root = self.repo.write_mtree(tree, none).map_err(self.failed("writing the folders"))?;
        let root = root.downcast::<ostree::RepoFile>().expect("libostree gives its own kind of file");
        let metadata = glib::VariantDict::new(None);
        metadata.insert(SERIAL, serial.to_string());
        metadata.insert("version", version.as_str());
        let subject = format!("{role} {version}");
        self.repo
            .write_commit_with_time(None, Some(&subject), None, Some(&metadata.end()), &root, epoch, none)
            .map(Into::into)
            .map_err(self.failed("writing the commit"))
    }
}

/// The folders from the root to the last entry.
struct Folders {
    root: MutableTree,
    open: Vec<(TreePath, MutableTree)>,
}

impl Folders {
    fn new(root: MutableTree) -> Self {
        Self { root, open: Vec::new() }
    }

    /// The folder of `path`, which comes after all that was asked for before.
    fn of(&mut self, path: &TreePath) -> MutableTree {
        while self.open.last().is_some_and(|(folder, _)| !path.is_below(folder.as_str())) {
            self.open.pop();
        }
        self.open.last().map_or_else(|| self.root.clone(), |(_, tree)| tree.clone())
    }
}

fn open(on_disk: &Path) -> Result<gio::InputStream, glib::Error> {
    gio::File::for_path(on_disk).read(gio::Cancellable::NONE).map(Cast::upcast)
}

/// What libostree wants to know of a path.
fn info(metadata: &Metadata, form: &Form) -> gio::FileInfo {
    let info = gio::FileInfo::new();
    info.set_attribute_uint32("unix::uid", metadata.uid());
    info.set_attribute_uint32("unix::gid", metadata.gid());
    info.set_attribute_uint32("unix::mode", metadata.mode());
    match form {
        Form::Folder => info.set_file_type(gio::FileType::Directory),
        Form::File => {
            info.set_file_type(gio::FileType::Regular);
            info.set_size(i64::try_from(metadata.len()).expect("files are shorter than 2^63"));
        }
        Form::Symlink(target) => {
            info.set_file_type(gio::FileType::SymbolicLink);
            info.set_symlink_target(target);
        }
    }
    info
}

/// The extended attributes as libostree has them: names end with NUL.
fn attributes(on_disk: &Path) -> std::io::Result<glib::Variant> {
    let found = xattrs(on_disk)?.into_iter();
    let pairs: Vec<(Vec<u8>, Vec<u8>)> =
        found.map(|(name, value)| ((name + "\0").into_bytes(), value)).collect();
    Ok(pairs.to_variant())
}
