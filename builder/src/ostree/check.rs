//! Whether the repository is whole: every object has its own checksum, and every object that a version needs is
//! there.
//!
//! libostree trusts the form of objects that it finds in a repository, and crashes on damaged ones. So an object is
//! looked at here before libostree may see it: those that are their own bytes by checksum, the others by form.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edeploy_format::tuf::Sha256;
use ostree::gio::prelude::*;
use ostree::{ObjectName, ObjectType, gio, glib};

use super::seal::sum;
use super::{OstreeError, Repository};

/// The form of a content object's header, and of a commit's detached metadata.
const HEADER: &str = "(tuuuusa(ayay))";
const DETACHED: &str = "a{sv}";
/// No header is longer: attributes are bounded by the kernel.
const HEADER_LIMIT: u32 = 1 << 20;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Number of objects.
    pub objects: u64,
    /// Damaged files below the repository, and what is wrong with each.
    pub damaged: Vec<(String, String)>,
    /// Whether refs, commits and folders are sound: else nothing may be read through them.
    pub readable: bool,
    /// The SHA-256 of the bytes of each object that is sound, by its path below the repository.
    pub sound: BTreeMap<String, Sha256>,
}

impl Repository {
    /// Checks every object, and that each version has all it needs.
    ///
    /// # Errors
    /// [`OstreeError`] when the repository cannot be read.
    pub fn check(&self) -> Result<Checked, OstreeError> {
        let mut checked = Checked { readable: true, ..Checked::default() };
        for path in self.objects()? {
            checked.objects += 1;
            let name = path.strip_prefix(&self.path).unwrap_or(&path).display().to_string();
            match self.check_object(&path) {
                Ok(sum) => {
                    checked.sound.insert(name, sum);
                }
                Err(Damage { what, structural }) => {
                    checked.readable &= !structural;
                    checked.damaged.push((name, what));
                }
            }
        }
        if checked.readable {
            self.check_refs(&mut checked)?;
        }
        Ok(checked)
    }

    /// All objects below every ref must be there.
    fn check_refs(&self, checked: &mut Checked) -> Result<(), OstreeError> {
        let refs = self.repo.list_refs(None, gio::Cancellable::NONE).map_err(self.failed("listing refs"))?;
        let mut needed: HashSet<ObjectName> = HashSet::new();
        for (name, commit) in refs {
            let file = format!("refs/heads/{name}");
            // libostree takes any white space for the end of a ref.
            if fs::read(self.path.join(&file)).is_ok_and(|text| text != format!("{commit}\n").as_bytes()) {
                let what = "is not 64 hex digits and the end of a line".to_owned();
                checked.damaged.push((file.clone(), what));
            }
            // libostree takes a commit that is not there for history that was cut off.
            if !self.path.join(place(&commit, ObjectType::Commit)).exists() {
                checked.readable = false;
                checked.damaged.push((file, format!("its commit {commit} is missing")));
                continue;
            }
            match self.repo.traverse_commit(&commit, 0, gio::Cancellable::NONE) {
                Ok(objects) => needed.extend(objects),
                Err(error) => checked.damaged.push((file, error.message().to_owned())),
            }
        }
        for object in needed {
            let path = self.path.join(place(object.checksum(), object.object_type()));
            if !path.exists() {
                let name = path.strip_prefix(&self.path).unwrap_or(&path).display().to_string();
                checked.damaged.push((name, "is missing".to_owned()));
            }
        }
        Ok(())
    }

    /// The files below `objects/`, sorted.
    fn objects(&self) -> Result<Vec<PathBuf>, OstreeError> {
        let folder = self.path.join("objects");
        let list = || -> io::Result<Vec<PathBuf>> {
            let mut files = Vec::new();
            for entry in fs::read_dir(&folder)? {
                for entry in fs::read_dir(entry?.path())? {
                    files.push(entry?.path());
                }
            }
            files.sort();
            Ok(files)
        };
        list().map_err(|source| OstreeError::Read { path: folder.clone(), source })
    }

    /// Checks an object; gives the SHA-256 of its bytes.
    fn check_object(&self, path: &Path) -> Result<Sha256, Damage> {
        let part = |part: Option<&std::ffi::OsStr>| part.and_then(|p| p.to_str()).unwrap_or("").to_owned();
        let folder = part(path.parent().and_then(Path::file_name));
        let checksum = folder + &part(path.file_stem());
        match part(path.extension()).as_str() {
            "commit" | "dirtree" | "dirmeta" => sound(path, &checksum).map_err(Damage::of_structure)?,
            "commitmeta" => well_formed(path).map_err(Damage::of_structure)?,
            "filez" => {
                let header = header(path).map_err(Damage::of_content)?;
                let checked = self.check_content(&checksum, &header);
                checked.map_err(|error| Damage::of_content(error.to_string()))?;
            }
            _ => return Err(Damage::of_content("is no object".to_owned())),
        }
        sum(path).map_err(|error| Damage::of_content(error.to_string()))
    }

    /// Checks a content object whose header is well formed.
    fn check_content(&self, checksum: &str, header: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        self.repo.fsck_object(ObjectType::File, checksum, gio::Cancellable::NONE)?;
        // The checksum covers neither the length in the header, nor what libostree passes over there.
        let (stream, info, attributes) = self.repo.load_file(checksum, gio::Cancellable::NONE)?;
        let (length, target) = match stream {
            Some(stream) => (io::copy(&mut stream.into_read(), &mut io::sink())?, PathBuf::new()),
            None => (0, info.symlink_target().unwrap_or_default()),
        };
        let number = |name: &str| info.attribute_uint32(name).to_be().to_variant();
        let [user, group, mode] = ["unix::uid", "unix::gid", "unix::mode"].map(number);
        let (length, target) = (length.to_be().to_variant(), target.to_string_lossy().as_ref().to_variant());
        let fields = [length, user, group, mode, 0_u32.to_variant(), target, attributes];
        if glib::Variant::tuple_from_iter(fields).data() != header {
            return Err("its header is not that of its content".into());
        }
        Ok(())
    }

    /// Refuses a commit or its detached metadata before libostree reads it, when it is damaged.
    pub(super) fn trust_commit(&self, commit: &str) -> Result<(), OstreeError> {
        let object = self.path.join(place(commit, ObjectType::Commit));
        let detached = object.with_extension("commitmeta");
        let sound = sound(&object, commit).map_err(|what| (object, what));
        let sound = sound.and_then(|()| match detached.exists() {
            true => well_formed(&detached).map_err(|what| (detached, what)),
            false => Ok(()),
        });
        sound.map_err(|(object, what)| OstreeError::Damaged { object, what })
    }
}

/// What is wrong with an object.
struct Damage {
    what: String,
    /// Whether libostree could crash on it while it looks for other objects.
    structural: bool,
}

impl Damage {
    fn of_structure(what: String) -> Self {
        Self { what, structural: true }
    }

    fn of_content(what: String) -> Self {
        Self { what, structural: false }
    }
}

/// Where an object lies in an archive-mode repository, below its folder.
pub(super) fn place(checksum: &str, kind: ObjectType) -> PathBuf {
    let ending = match kind {
        ObjectType::File => "filez",
        ObjectType::DirTree => "dirtree",
        ObjectType::DirMeta => "dirmeta",
        ObjectType::Commit => "commit",
        _ => "unknown",
    };
    let (folder, name) = checksum.split_at_checked(2).unwrap_or((checksum, ""));
    Path::new("objects").join(folder).join(format!("{name}.{ending}"))
}

/// Whether the file has the SHA-256 that it is named after.
fn sound(path: &Path, checksum: &str) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let found = Sha256::of(&bytes);
    if found.to_string() == checksum { Ok(()) } else { Err(format!("its SHA-256 is {found}")) }
}

/// Whether a commit's detached metadata has the form that libostree takes for granted.
fn well_formed(path: &Path) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    is_normal(&bytes, DETACHED)
}

/// Whether the header of a content object has the form that libostree takes for granted: its length in four bytes,
/// four zero bytes, then a variant; gives the variant's bytes.
fn header(path: &Path) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Option<Vec<u8>>> {
        let mut file = File::open(path)?;
        let mut lead = [0; 8];
        file.read_exact(&mut lead)?;
        let [a, b, c, d, zeros @ ..] = lead;
        let length = u32::from_be_bytes([a, b, c, d]);
        if zeros != [0; 4] || length > HEADER_LIMIT {
            return Ok(None);
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header)?;
        Ok(Some(header))
    };
    match read().map_err(|error| error.to_string())? {
        Some(header) => is_normal(&header, HEADER).map(|()| header),
        None => Err("its header is damaged".to_owned()),
    }
}

fn is_normal(bytes: &[u8], form: &str) -> Result<(), String> {
    let form = glib::VariantTy::new(form).expect("the forms above are forms");
    let variant = glib::Variant::from_data_with_type(bytes, form);
    if variant.is_normal_form() { Ok(()) } else { Err("is not of its form".to_owned()) }
}
