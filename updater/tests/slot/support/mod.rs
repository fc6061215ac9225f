//! What the tests of slots share: disks, versions made by hand, and a server in memory.

mod disk;
mod server;
mod version;

pub(crate) use disk::{Disk, Slot};
pub(crate) use server::Server;
pub(crate) use version::{CAPABILITY, Published, Version, acl, file_of, head, xattr};

use edeploy_ab::progress::{Progress, Quiet};
use edeploy_ab::slot::{
    Drift, FillError, Filled, Filling, Frames, Index, Kept, Running, Tree, Verified, Verifying,
};

/// The path of the pack on the server.
pub(crate) const PACK: &str = "targets/web@1@pack";

/// Fills `slot` with `version` from `server`, with `running` (slot and what it was filled with) as a source.
pub(crate) fn fill_from(
    slot: &Slot,
    version: &Published,
    server: &Server,
    running: Option<(&Slot, &Published)>,
) -> Result<Filled, FillError> {
    fill_with(slot, version, server, running, None)
}

/// The same with a delta from what runs.
pub(crate) fn fill_with(
    slot: &Slot,
    version: &Published,
    server: &Server,
    running: Option<(&Slot, &Published)>,
    delta: Option<Frames<'_>>,
) -> Result<Filled, FillError> {
    fill_told(slot, version, server, running, delta, &Quiet)
}

/// The same, telling how it goes.
pub(crate) fn fill_told(
    slot: &Slot,
    version: &Published,
    server: &Server,
    running: Option<(&Slot, &Published)>,
    delta: Option<Frames<'_>>,
    progress: &dyn Progress,
) -> Result<Filled, FillError> {
    let (tree, running_tree) = (slot.tree(), running.map(|(slot, _)| slot.tree()));
    let index = running.map(|(_, version)| Index::of_running(&version.manifest, &Kept::nothing()).unwrap());
    let running = running_tree.as_ref().zip(index.as_ref()).map(|(tree, index)| Running { tree, index });
    let pack = Frames { fetch: server, path: PACK, index: &version.index };
    Filling { slot: &tree, manifest: &version.manifest, running, delta, pack, progress }.run()
}

/// Fills an empty or any other slot from the pack alone.
pub(crate) fn fill(slot: &Slot, version: &Published) -> Filled {
    fill_from(slot, version, &Server::of(version), None).unwrap()
}

/// All differences, sorted as texts.
pub(crate) fn drifts(tree: &Tree, version: &Published, kept: &Kept) -> (Verified, Vec<Drift>) {
    let mut drifts = Vec::new();
    let verifying = Verifying { slot: tree, manifest: &version.manifest, kept, progress: &Quiet };
    let verified = verifying.run(&mut |drift| drifts.push(drift)).unwrap();
    drifts.sort_by_key(ToString::to_string);
    assert_eq!(verified.drifts, drifts.len() as u64);
    (verified, drifts)
}

pub(crate) fn assert_clean(slot: &Slot, version: &Published) {
    assert_eq!(drifts(&slot.tree(), version, &Kept::nothing()).1, []);
}

/// Keeps the notes.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) std::cell::RefCell<Vec<String>>);

impl Progress for Notes {
    fn note(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }

    fn stage(&self, _: &str, _: u64) {}

    fn advance(&self, _: u64) {}

    fn done(&self) {}
}
