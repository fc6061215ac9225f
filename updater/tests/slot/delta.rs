//! Filling with a delta: what it makes is right, or comes from the pack.

use std::fs;
use std::ops::Range;

use edeploy_ab::fetch::FetchError;
use edeploy_ab::progress::Quiet;
use edeploy_ab::slot::{
    FillError, Filled, Filling, Frames, FramesError, Index, Kept, Plan, PlannedFrom, Planning, Running,
};
use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{Frame, Head, Piece};
use edeploy_format::digest::Digest;

use crate::fill::noise;
use crate::support::{
    Disk, Notes, PACK, Published, Server, Version, assert_clean, file_of, fill, fill_told, fill_with,
};

const PATH: &str = "targets/web@2@delta@1";
const LARGE: usize = 300_000;
/// Pieces are of this length.
const CUT: usize = 100_000;

/// A large file of which a version changes some bytes, and a small one.
fn versions() -> [(Vec<u8>, Published); 2] {
    let old = noise(1, LARGE);
    let mut new = old.clone();
    new.iter_mut().step_by(10_000).for_each(|byte| *byte ^= 1);
    [(old, "one"), (new, "another")].map(|(large, small)| {
        let mut version = Version::new();
        version.file("usr/large", &large);
        version.file("usr/same-as-large", &large);
        version.file("usr/small", small.as_bytes());
        (large, version.publish())
    })
}

/// Makes `new` from `base`, of the same length, piece by piece; `spoil` has the last word on each.
fn delta(new: &[u8], base: &[u8], spoil: impl Fn(&mut Piece, &mut Vec<u8>)) -> (Vec<u8>, String) {
    let none = Digest([0; 32]);
    let mut made = (Vec::new(), Head { from: none, to: none }.to_string());
    add(&mut made, new, base, spoil);
    made
}

/// Adds that to a delta and its index.
fn add(
    (delta, index): &mut (Vec<u8>, String),
    new: &[u8],
    base: &[u8],
    spoil: impl Fn(&mut Piece, &mut Vec<u8>),
) {
    for (n, (new_cut, base_cut)) in new.chunks(CUT).zip(base.chunks(CUT)).enumerate() {
        let mut control = Vec::new();
        Step { add: 0, insert: 0, seek: i64::try_from(n * CUT).unwrap() }.write(&mut control);
        Step { add: new_cut.len() as u64, insert: 0, seek: 0 }.write(&mut control);
        let difference: Vec<u8> =
            new_cut.iter().zip(base_cut).map(|(new, base)| new.wrapping_sub(*base)).collect();
        let number = |n: usize| u32::try_from(n).unwrap();
        let mut piece = Piece {
            view: Digest::of(new).into(),
            offset: (n * CUT) as u64,
            length: number(new_cut.len()),
            control: number(control.len()),
            difference: number(difference.len()),
            proof: Some(Digest::of(new_cut)),
            bases: vec![Digest::of(base).into()],
        };
        let mut streams = [control, difference].concat();
        spoil(&mut piece, &mut streams);
        let bytes = zstd::bulk::compress(&streams, 3).unwrap();
        let frame = Frame {
            offset: delta.len() as u64,
            compressed: number(bytes.len()),
            length: number(streams.len()),
            digest: Digest::of(&bytes),
            pieces: vec![piece],
        };
        *index += &frame.to_string();
        delta.extend(bytes);
    }
}

/// What was asked of the pack, how long the delta is, what was told, and what came of it.
struct Upgraded {
    requests: Vec<Range<u64>>,
    delta: u64,
    notes: Vec<String>,
    filled: Filled,
}

/// Upgrades from the first version to the second.
fn upgrade(drift: bool, spoil: impl Fn(&mut Piece, &mut Vec<u8>)) -> Upgraded {
    let [(base, one), (new, two)] = versions();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &one);
    if drift {
        for path in ["usr/large", "usr/same-as-large"] {
            let mut bytes = base.clone();
            bytes[LARGE / 2] ^= 1;
            fs::write(a.path(path), bytes).unwrap();
        }
    }
    let (bytes, index) = delta(&new, &base, spoil);
    let (server, pack, index) =
        (Server::at(PATH, bytes.clone()), Server::of(&two), file_of(index.as_bytes()));
    let delta = Frames { fetch: &server, path: PATH, index: &index };
    let notes = Notes::default();
    let filled = fill_told(&b, &two, &pack, Some((&a, &one)), Some(delta), &notes).unwrap();
    assert_clean(&b, &two);
    let (requests, notes) = (pack.requests.into_inner(), notes.0.into_inner());
    Upgraded { requests, delta: bytes.len() as u64, notes, filled }
}

#[test]
fn what_the_delta_makes_is_not_fetched() {
    let Upgraded { requests, delta: length, filled, .. } = upgrade(false, |_, _| ());
    // The small file, alone in its frame or not, is the pack's.
    assert_eq!((filled.patched, filled.fetched), (2 * LARGE as u64, 7));
    assert_eq!(requests.len(), 1);
    let from_pack: u64 = requests.iter().map(|range| range.end - range.start).sum();
    assert!(length < 2000 && from_pack < 1000, "{length} {from_pack}");
    assert_eq!(filled.downloaded, length + from_pack);
}

#[test]
fn a_base_that_drifted_is_never_patched() {
    let Upgraded { requests, filled, notes, .. } = upgrade(true, |_, _| ());
    assert_eq!((filled.patched, filled.fetched, filled.drifted), (0, 2 * LARGE as u64 + 7, 2));
    let told = |note: &String| note.contains(" of the running slot is not what its manifest says");
    assert!(notes.len() == 2 && notes.iter().all(told), "{notes:?}");
    assert!(requests.iter().map(|range| range.end - range.start).sum::<u64>() > LARGE as u64);
}

#[test]
fn where_a_delta_makes_something_else_the_pack_does_and_it_is_told() {
    type Spoil = fn(&mut Piece, &mut Vec<u8>);
    let cases: [(Spoil, &str); 4] = [
        (|piece, streams| *streams.last_mut().unwrap() ^= u8::from(piece.offset > 0), "than it says"),
        (
            |piece, streams| {
                *streams.last_mut().unwrap() ^= u8::from(piece.offset == 200_000);
                piece.proof = None;
            },
            "is not what the manifest says",
        ),
        (|piece, _| piece.offset += u64::from(piece.offset > 0), "out of order"),
        (|piece, streams| streams[0] = if piece.offset > 0 { 1 } else { streams[0] }, "the delta"),
    ];
    for (spoil, said) in cases {
        let Upgraded { filled, notes, .. } = upgrade(false, spoil);
        assert_eq!((filled.patched, filled.fetched), (0, 2 * LARGE as u64 + 7), "{said}");
        let [note] = &notes[..] else { panic!("{notes:?}") };
        assert!(note.starts_with("not patched, fetched whole: ") && note.contains(said), "{note}");
    }
}

#[test]
fn what_is_made_of_a_file_whose_base_drifted_is_made_once_that_file_came() {
    let [old, first, second] = [1, 2, 3].map(|changes| {
        let mut bytes = noise(1, LARGE);
        bytes.iter_mut().step_by(10_000 * changes).for_each(|byte| *byte ^= u8::try_from(changes).unwrap());
        bytes
    });
    let version = |files: &[(&str, &[u8])]| {
        let mut version = Version::new();
        for (path, bytes) in files {
            version.file(path, bytes);
        }
        version.publish()
    };
    let one = version(&[("usr/module", &old)]);
    let two = version(&[("usr/initrd", &second), ("usr/module", &first)]);
    let mut made = delta(&second, &first, |_, _| ());
    add(&mut made, &first, &old, |_, _| ());
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &one);
    fs::write(a.path("usr/module"), vec![7; LARGE]).unwrap();
    let (server, pack, index) = (Server::at(PATH, made.0), Server::of(&two), file_of(made.1.as_bytes()));
    let delta = Frames { fetch: &server, path: PATH, index: &index };
    let filled = fill_with(&b, &two, &pack, Some((&a, &one)), Some(delta)).unwrap();
    assert_clean(&b, &two);
    let large = LARGE as u64;
    assert_eq!((filled.fetched, filled.patched, filled.drifted), (large, large, 1));
}

/// Plans and fills where these paths are the machine's own; the plan, what came of it, and how often the delta was asked.
fn with_own(
    [one, two]: [&Published; 2],
    (bytes, index): (Vec<u8>, String),
    own: &str,
) -> (Plan, Filled, usize) {
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, one);
    let (server, pack, delta_index) = (Server::at(PATH, bytes), Server::of(two), file_of(index.as_bytes()));
    let (tree, running, kept) = (b.tree(), a.tree(), Kept::new(own, "").unwrap());
    let index = Index::of_running(&one.manifest, &kept).unwrap();
    let planning = Planning {
        manifest: &two.manifest,
        pack_index: &two.index,
        delta_index: Some(&delta_index),
        partition: u64::MAX,
        kept: &kept,
        running: Some(PlannedFrom { tree: &running, manifest: &one.manifest, index: &index }),
        inactive: None,
    };
    let plan = planning.run(&mut |_, _| ()).unwrap();
    let filling = Filling {
        slot: &tree,
        manifest: &two.manifest,
        running: Some(Running { tree: &running, index: &index }),
        delta: Some(Frames { fetch: &server, path: PATH, index: &delta_index }),
        pack: Frames { fetch: &pack, path: PACK, index: &two.index },
        progress: &Quiet,
    };
    let filled = filling.run().unwrap();
    assert_clean(&b, two);
    assert_eq!((filled.downloaded, filled.patched), (plan.download.bytes, plan.patched));
    let asked = server.requests.borrow().len();
    (plan, filled, asked)
}

#[test]
fn where_the_base_is_the_machines_own_the_pack_is_chosen_before_anything_is_fetched() {
    let [(base, one), (new, two)] = versions();
    let made = delta(&new, &base, |_, _| ());
    let (_, filled, asked) = with_own([&one, &two], made, "/usr/large\n/usr/same-as-large\n");
    assert_eq!((filled.patched, asked), (0, 0));
}

#[test]
fn the_machines_own_is_a_base_where_the_new_version_brings_it() {
    let (member, archive) = (noise(1, LARGE), noise(1, LARGE).into_iter().map(|byte| byte ^ 1));
    let archive: Vec<u8> = archive.collect();
    let (mut one, mut two) = (Version::new(), Version::new());
    one.file("usr/member", &member);
    two.file("usr/initrd", &archive);
    two.file("usr/member", &member);
    let made = delta(&archive, &member, |_, _| ());
    let (plan, filled, _) = with_own([&one.publish(), &two.publish()], made, "/usr/member\n");
    assert_eq!((filled.patched, filled.fetched), (LARGE as u64, LARGE as u64));
    assert_eq!(plan.fetched, filled.fetched);
}

#[test]
fn a_server_that_is_busy_when_the_delta_is_asked_for_is_not_asked_for_more() {
    let [(base, one), (new, two)] = versions();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &one);
    let (bytes, index) = delta(&new, &base, |_, _| ());
    let (server, pack, index) = (Server::at(PATH, bytes), Server::of(&two), file_of(index.as_bytes()));
    server.busy_after.set(0);
    let fill = || {
        let delta = Frames { fetch: &server, path: PATH, index: &index };
        fill_with(&b, &two, &pack, Some((&a, &one)), Some(delta))
    };
    let error = fill().unwrap_err();
    assert!(matches!(&error, FillError::Frames(FramesError::Fetch(FetchError::Busy { .. }))), "{error:?}");
    let from_pack = pack.requests.borrow().len();
    server.busy_after.set(usize::MAX);
    let filled = fill().unwrap();
    assert_eq!((filled.patched, filled.fetched), (2 * LARGE as u64, 0));
    assert_eq!(pack.requests.borrow().len(), from_pack, "what came by then stays");
    assert_clean(&b, &two);
}
