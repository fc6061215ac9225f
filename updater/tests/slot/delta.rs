//! Filling with a delta: what it makes is right, or comes from the pack.

use std::fs;
use std::ops::Range;

use edeploy_ab::slot::{Filled, Frames};
use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{Frame, Head, Piece};
use edeploy_format::digest::Digest;

use crate::fill::noise;
use crate::support::{Disk, Notes, Published, Server, Version, assert_clean, file_of, fill, fill_told};

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
    let (mut delta, mut index) = (Vec::new(), Head { from: none, to: none }.to_string());
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
        index += &frame.to_string();
        delta.extend(bytes);
    }
    (delta, index)
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
    let Upgraded { requests, filled, .. } = upgrade(true, |_, _| ());
    assert_eq!((filled.patched, filled.fetched, filled.drifted), (0, 2 * LARGE as u64 + 7, 2));
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
