//! Memory stays flat for many files, in many folders or in one. Takes long, so it runs with a million only when asked for:
//! `just scale`, with the allocator that hosts have. What glibc keeps for later use is over the bound for a million in one folder.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use edeploy_ab::fetch::FolderFetch;
use edeploy_ab::progress::Quiet;
use edeploy_ab::slot::{
    Carrying, Filling, Frames, Index, Kept, PlannedFrom, Planning, Running, Tree, Verifying,
};
use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Kind, Owner, Record, Writer};
use edeploy_format::pack::{Frame, Piece, index_head};
use edeploy_format::path::TreePath;

use crate::support::{Disk, Slot, head};

const MIB: u64 = 1 << 20;
/// What a whole upgrade may take at a million files.
const LIMIT: u64 = 64 * MIB;

/// A version on disk, made as a stream.
struct Large {
    folder: tempfile::TempDir,
    manifest: File,
    index: File,
}

/// File `n` of a version: every tenth has another content in another version.
fn content(n: u64, version: u64) -> String {
    format!("the content of file {n}, {}\n", if n.is_multiple_of(10) { version } else { 0 }).repeat(3)
}

fn record(path: String, kind: Kind) -> Record {
    let owner = Owner { uid: 0, gid: 0 };
    let path = TreePath::new(path).unwrap();
    Record { path, mode: 0o755, owner, mtime: 1_700_000_000, xattrs: Vec::new(), kind }
}

impl Large {
    /// So many files, so many of them in each folder.
    fn make(files: u64, each: u64, version: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let new = |name: &str| BufWriter::new(File::create(at(name)).unwrap());
        let folders = files.div_ceil(each);
        let bytes = (0..files).map(|n| content(n, version).len() as u64).sum();
        let mut manifest = Writer::new(new("manifest"), &head(files + folders + 4, bytes)).unwrap();
        let (mut index, mut pack) = (new("index"), new("pack"));
        index.write_all(index_head().as_bytes()).unwrap();
        let (mut contents, mut pieces, mut offset) = (Vec::new(), Vec::new(), 0);
        for n in 0..files {
            if n % each == 0 {
                manifest.record(&record(format!("d{:06}", n / each), Kind::Folder)).unwrap();
            }
            let text = content(n, version);
            let (size, digest) = (text.len() as u64, Digest::of(text.as_bytes()));
            let path = format!("d{:06}/a-file-with-a-name-{n:08}.txt", n / each);
            manifest.record(&record(path, Kind::File { size, digest })).unwrap();
            contents.extend_from_slice(text.as_bytes());
            pieces.push(Piece { content: digest, offset: 0, length: u32::try_from(size).unwrap() });
            if contents.len() > 1 << 19 || n + 1 == files {
                let compressed = zstd::bulk::compress(&contents, 3).unwrap();
                let frame = Frame {
                    offset,
                    compressed: u32::try_from(compressed.len()).unwrap(),
                    length: u32::try_from(contents.len()).unwrap(),
                    digest: Digest::of(&compressed),
                    pieces: std::mem::take(&mut pieces),
                };
                offset += compressed.len() as u64;
                write!(index, "{frame}").unwrap();
                pack.write_all(&compressed).unwrap();
                contents.clear();
            }
        }
        for path in ["usr", "usr/lib", "usr/lib/edeploy", "usr/lib/edeploy/slot"] {
            manifest.record(&record(path.to_owned(), Kind::Folder)).unwrap();
        }
        manifest.finish().unwrap();
        index.flush().and_then(|()| pack.flush()).unwrap();
        let (manifest, index) = (File::open(at("manifest")).unwrap(), File::open(at("index")).unwrap());
        Self { folder, manifest, index }
    }

    fn fetch(&self) -> FolderFetch<'static> {
        FolderFetch::new(self.folder.path().to_owned())
    }

    fn fill(&self, slot: &Slot, running: Option<Running<'_>>) {
        let (fetch, tree) = (self.fetch(), slot.tree());
        let pack = Frames { fetch: &fetch, path: "pack", index: &self.index };
        let filling =
            Filling { slot: &tree, manifest: &self.manifest, running, delta: None, pack, progress: &Quiet };
        println!("  {:?}", filling.run().unwrap());
    }
}

/// Runs `work` and tells how much more memory than before it took at its highest.
fn measured(limit: u64, name: &str, work: impl FnOnce()) {
    let resident = |key: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    fs::write("/proc/self/clear_refs", "5").unwrap();
    // The kernel counts for each thread, so that one of the two may be behind the other.
    let (before, begun) = (resident("VmRSS:"), Instant::now());
    work();
    let peak = resident("VmHWM:");
    println!(
        "{name}: peak {} MiB, {} MiB more than before, {:?}",
        peak / MIB,
        peak.saturating_sub(before) / MIB,
        begun.elapsed()
    );
    assert!(peak < limit, "{name} took {peak} bytes");
}

/// How many files a test is made with that runs only when asked for.
fn asked_for() -> u64 {
    std::env::var("EDEPLOY_FILES").map_or(200_000, |files| files.parse().unwrap())
}

#[test]
#[ignore = "takes minutes and some gigabytes of /tmp"]
fn memory_stays_flat_for_many_files() {
    all_of(asked_for(), 500, LIMIT);
}

#[test]
#[ignore = "takes minutes and some gigabytes of /tmp"]
fn memory_stays_flat_for_many_files_in_one_folder() {
    all_of(asked_for(), asked_for(), LIMIT);
}

#[test]
fn a_folder_of_fifty_thousand_files_is_one_like_others() {
    // Other tests run in the same process, so that its memory says nothing.
    all_of(50_000, 50_000, u64::MAX);
}

/// Everything that is done with a slot, for two versions of so many files, `each` of them in one folder, within `limit`
/// bytes of memory.
fn all_of(files: u64, each: u64, limit: u64) {
    let measured = |name: &str, work: &mut dyn FnMut()| measured(limit, name, work);
    let (old, new) = (Large::make(files, each, 1), Large::make(files, each, 2));
    let size = (files * 4600 + 256 * MIB).next_multiple_of(MIB);
    let disks = [(); 2].map(|()| Disk::of(size, files * 5 / 4 + 2000));
    let (a, b) = (disks[0].mount(), disks[1].mount());
    measured("first install", &mut || old.fill(&a, None));
    measured("first fill of b", &mut || old.fill(&b, None));
    remove_half(b.root());
    // The machine's own are a folder of many, or some files of the only one.
    let own = if each < files { "/d000000/\n" } else { "/d000000/a-file-with-a-name-00000*\n" };
    let kept = Kept::new(own, "").unwrap();
    let (running, slot): (Tree, Tree) = (a.tree(), b.tree());
    measured("plan", &mut || {
        let index = Index::of_running(&old.manifest, &Kept::nothing()).unwrap();
        let running = Some(PlannedFrom { tree: &running, manifest: &old.manifest, index: &index });
        let inactive = Some((&slot, Some(&old.manifest)));
        let (manifest, pack_index) = (&new.manifest, &new.index);
        let planning = Planning {
            manifest,
            pack_index,
            delta_index: None,
            partition: 0,
            kept: &kept,
            running,
            inactive,
        };
        println!("  {:?}", planning.run(&mut |_, _| ()).unwrap());
    });
    measured("upgrade", &mut || {
        let index = Index::of_running(&old.manifest, &Kept::nothing()).unwrap();
        new.fill(&b, Some(Running { tree: &running, index: &index }));
    });
    measured("sync", &mut || b.sync());
    measured("verify", &mut || {
        let none = Kept::nothing();
        let verifying = Verifying { slot: &slot, manifest: &new.manifest, kept: &none, progress: &Quiet };
        let verified = verifying.run(&mut |drift| panic!("{drift}")).unwrap();
        println!("  {verified:?}");
    });
    measured("carry", &mut || {
        let manifest = &new.manifest;
        let carrying = Carrying { running: &running, slot: &slot, manifest, kept: &kept, progress: &Quiet };
        println!("  {:?} {:?}", carrying.run().unwrap(), carrying.check().unwrap());
    });
}

/// Every second folder goes, so that filling has something to copy.
fn remove_half(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(['1', '3', '5', '7', '9']) {
            fs::remove_dir_all(path).unwrap();
        }
    }
}
