//! A folder with keys, a site, small builds and a tree of transitions, all made at test time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, KeypairBytes};
use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Head, Kind, Owner, Record, Writer};
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::pack::{Frame, Piece, index_head};
use edeploy_format::path::TreePath;
use edeploy_format::tuf::{Target, Time};
use rolebuild::fsck::fsck;
use rolebuild::keys::Keys;
use rolebuild::ostree::{Identity, Repository};
use rolebuild::publish::{Build, PublishError, Published, publish};
use rolebuild::site::{Lifetimes, METADATA, OSTREE, RootKeys, Site, State, TARGETS, init};

pub(crate) const LIFETIMES: Lifetimes = Lifetimes { root: 365, targets: 90, snapshot: 90, timestamp: 7 };

pub(crate) fn now() -> Time {
    "2026-11-20T18:00:00Z".parse().unwrap()
}

pub(crate) fn web() -> Role {
    "web".parse().unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A path of a tree with its content; a folder has none.
pub(crate) type Member<'a> = (&'a str, Option<&'a [u8]>);

/// The folder and what lies in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// Keys, an empty site, and the default transition.
    pub(crate) fn new() -> Self {
        let place = Self::bare();
        let one = RootKeys { keys: 1, threshold: 1 };
        init(&place.repo(), &mut place.keys(), one, LIFETIMES, now()).unwrap();
        place
    }

    /// The default transition alone.
    pub(crate) fn bare() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.rule("any/any/any", "exclude", b"/etc/hostname\n", 0o644);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path().join("repo")
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::load(&[self.path().join("keys")]).unwrap()
    }

    /// The private key in a file of the folder of keys.
    pub(crate) fn secret(&self, name: &str) -> SigningKey {
        let pem = fs::read_to_string(self.path().join(format!("keys/{name}.pem"))).unwrap();
        SigningKey::from_bytes(&KeypairBytes::from_pkcs8_pem(&pem).unwrap().secret_key)
    }

    pub(crate) fn site(&self) -> Site {
        Site::open(&self.repo()).unwrap()
    }

    pub(crate) fn state(&self) -> State {
        State::read(&self.repo()).unwrap()
    }

    /// Lays a file into a rule's folder.
    pub(crate) fn rule(&self, rule: &str, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let folder = self.path().join("metadata").join(rule);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    /// Makes a build whose tree is three boot files and `files`, of which one may be the initrd.
    pub(crate) fn build(&self, name: &str, serial: u64, files: &[(&str, &[u8])]) -> Build {
        let members: Vec<Member<'_>> = files.iter().map(|(path, bytes)| (*path, Some(*bytes))).collect();
        self.build_of(name, serial, &members)
    }

    /// The same with folders.
    pub(crate) fn build_of(&self, name: &str, serial: u64, files: &[Member<'_>]) -> Build {
        self.build_from(name, serial, files, None)
    }

    /// Makes a build that is in the site's OSTree repository as well; gives its commit too.
    pub(crate) fn committed(&self, name: &str, serial: u64) -> (Build, String) {
        let tree = self.path().join("tree");
        fs::create_dir_all(tree.join("etc")).unwrap();
        fs::write(tree.join("etc/version"), name).unwrap();
        let repository = Repository::open(&self.repo().join(OSTREE)).unwrap();
        let (role, version) = (web(), version(name));
        let identity = Identity { role: &role, version: &version, serial, epoch: 1_795_190_000 };
        let commit = repository.commit(&tree, identity, |_| ()).unwrap().finish().unwrap();
        let file: Member<'_> = ("zz", Some(name.as_bytes()));
        (self.build_from(name, serial, &[file], Some(commit.clone())), commit)
    }

    fn build_from(&self, name: &str, serial: u64, files: &[Member<'_>], ostree: Option<String>) -> Build {
        let folder = self.path().join("builds").join(format!("web@{name}"));
        fs::create_dir_all(&folder).unwrap();
        let parts = parts(name, serial, files, ostree);
        for (part, bytes) in ["manifest", "pack-index", "pack", "sbom"].into_iter().zip(parts) {
            fs::write(folder.join(part), bytes).unwrap();
        }
        Build {
            role: web(),
            version: version(name),
            folder,
            transitions: self.path().join("metadata"),
            min_serial: None,
        }
    }

    /// Builds and publishes.
    pub(crate) fn publish(
        &self,
        name: &str,
        serial: u64,
        files: &[(&str, &[u8])],
    ) -> Result<Published, PublishError> {
        self.publish_build(&self.build(name, serial, files))
    }

    pub(crate) fn publish_build(&self, build: &Build) -> Result<Published, PublishError> {
        publish(&mut self.site(), build, &mut self.keys(), LIFETIMES, now(), |_| {})
    }

    /// Builds and publishes at another time than [`now`].
    pub(crate) fn publish_at(&self, name: &str, serial: u64, time: Time) {
        let build = self.build(name, serial, &[]);
        publish(&mut self.site(), &build, &mut self.keys(), LIFETIMES, time, |_| {}).unwrap();
    }

    /// A published object of role web: what is listed, and its bytes.
    pub(crate) fn object(&self, name: &str, object: Object<'_>) -> (Target, Vec<u8>) {
        self.named(&object.target(&web(), &version(name)))
    }

    /// The object of this name.
    pub(crate) fn named(&self, name: &str) -> (Target, Vec<u8>) {
        let target = self.state().roles[&web()].target(name).unwrap().clone();
        let bytes = fs::read(self.repo().join(TARGETS).join(target.file(name))).unwrap();
        (target, bytes)
    }

    /// Names in a folder of the site, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.repo().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Names of the metadata, sorted.
    pub(crate) fn metadata(&self) -> Vec<String> {
        self.names(METADATA)
    }
}

/// Flips `bits` of each byte of a file, one at a time; gives those where a check of the site finds nothing.
pub(crate) fn unseen<B: IntoIterator<Item = u32>>(
    place: &Place,
    path: &Path,
    bits: impl Fn(usize) -> B,
) -> Vec<(usize, u32)> {
    let sound = fs::read(path).unwrap();
    let mut unseen = Vec::new();
    for at in 0..sound.len() {
        for bit in bits(at) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            fs::write(path, &bytes).unwrap();
            if fsck(&place.repo(), &mut |_| {}).unwrap().findings.is_empty() {
                unseen.push((at, bit));
            }
        }
    }
    fs::write(path, sound).unwrap();
    unseen
}

fn record(path: &str, content: Option<&[u8]>) -> Record {
    let kind = match content {
        Some(bytes) => Kind::File { size: bytes.len() as u64, digest: Digest::of(bytes) },
        None => Kind::Folder,
    };
    let (mode, path) = (if content.is_some() { 0o644 } else { 0o755 }, TreePath::new(path).unwrap());
    Record { path, mode, owner: Owner { uid: 0, gid: 0 }, mtime: 0, xattrs: Vec::new(), kind }
}

/// Manifest, index, pack and bill of materials.
fn parts(name: &str, serial: u64, files: &[Member<'_>], ostree: Option<String>) -> [Vec<u8>; 4] {
    let (own, files): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| *path == "boot/initrd");
    let initrd: Member<'_> = own.first().copied().unwrap_or(("boot/initrd", Some(b"initrd")));
    let mut members: Vec<Member<'_>> =
        vec![("boot", None), initrd, ("boot/loader", Some(b"loader")), ("boot/vmlinuz", Some(b"kernel"))];
    members.extend(files);
    let records: Vec<Record> = members.iter().map(|(path, content)| record(path, *content)).collect();
    let contents: Vec<&[u8]> = members.iter().filter_map(|(_, content)| *content).collect();
    let at = |path: &str| TreePath::new(path).unwrap();
    let head = Head {
        role: web(),
        version: version(name),
        serial,
        architecture: "amd64".parse().unwrap(),
        built: 1_795_190_000,
        kernel: at("boot/vmlinuz"),
        initrd: at("boot/initrd"),
        loader: at("boot/loader"),
        options: String::new(),
        slot_size: 4 << 30,
        persistent: Vec::new(),
        ostree,
        updater: "0.1.0".to_owned(),
        entries: records.len() as u64,
        bytes: contents.iter().map(|bytes| bytes.len() as u64).sum(),
    };
    let mut writer = Writer::new(Vec::new(), &head).unwrap();
    records.iter().for_each(|record| writer.record(record).unwrap());
    let (manifest, _) = writer.finish().unwrap();
    let (mut index, mut pack) = (index_head(), Vec::new());
    for bytes in contents.into_iter().filter(|bytes| !bytes.is_empty()) {
        let compressed = zstd::bulk::compress(bytes, 3).unwrap();
        let piece =
            Piece { content: Digest::of(bytes), offset: 0, length: u32::try_from(bytes.len()).unwrap() };
        let frame = Frame {
            offset: pack.len() as u64,
            compressed: u32::try_from(compressed.len()).unwrap(),
            length: piece.length,
            digest: Digest::of(&compressed),
            pieces: vec![piece],
        };
        index += &frame.to_string();
        pack.extend(compressed);
    }
    [manifest, index.into_bytes(), pack, b"{\"spdxVersion\":\"SPDX-2.3\"}".to_vec()]
}

/// An error with all its causes, as the program prints it.
pub(crate) fn chain(error: impl rolebuild::failure::Fault) -> String {
    rolebuild::failure::Failure::from(error).to_string()
}
