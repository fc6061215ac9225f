//! The delta of a version from itself: an archive is made of files of its own tree, whatever ran before.

use std::fs;

use edeploy_ab::slot::{FillError, Filled, Frames, FramesError};
use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{Frame, Head, Piece};
use edeploy_format::digest::Digest;

use crate::fill::noise;
use crate::support::{Disk, Notes, Published, Server, Slot, Version, assert_clean, file_of, fill, fill_told};

const PATH: &str = "targets/web@2@delta@2";
const HEADER: &[u8] = b"what only an archive has";
const A: usize = 150_000;
const B: usize = 120_000;
const INITRD: u64 = (A + B + 2 * HEADER.len()) as u64;
/// What the pack brings beside the archive and its files.
const SMALL: u64 = 7;

/// A version with an archive of two files; one that has another archive, and the first of those files.
struct Story {
    members: [Vec<u8>; 2],
    old: Published,
    new: Published,
}

fn story() -> Story {
    let members = [noise(1, A), noise(2, B)];
    let [a, b] = &members;
    let mut old = Version::new();
    old.file("usr/a", a);
    old.file("usr/initrd", &noise(3, 1000));
    let mut new = Version::new();
    new.file("usr/a", a);
    new.file("usr/b", b);
    new.file("usr/initrd", &archive(&members));
    new.file("usr/small", b"another");
    let (old, new) = (old.publish(), new.publish());
    Story { members, old, new }
}

fn archive([a, b]: &[Vec<u8>; 2]) -> Vec<u8> {
    [HEADER, a, HEADER, b].concat()
}

/// A piece for each member in a frame of its own; `spoil` has the last word on each.
fn delta(members: &[Vec<u8>; 2], spoil: impl Fn(&mut Piece, &mut Vec<u8>)) -> (Vec<u8>, Vec<Frame>) {
    let (mut delta, mut frames, mut offset) = (Vec::new(), Vec::new(), 0);
    let number = |n: usize| u32::try_from(n).unwrap();
    for member in members {
        let mut control = Vec::new();
        Step { add: 0, insert: HEADER.len() as u64, seek: 0 }.write(&mut control);
        Step { add: member.len() as u64, insert: 0, seek: 0 }.write(&mut control);
        let mut piece = Piece {
            view: Digest::of(&archive(members)).into(),
            offset,
            length: number(HEADER.len() + member.len()),
            control: number(control.len()),
            difference: number(member.len()),
            proof: Some(Digest::of(&[HEADER, member].concat())),
            bases: vec![Digest::of(member).into()],
        };
        offset += u64::from(piece.length);
        let mut streams = [&control[..], &vec![0; member.len()], HEADER].concat();
        spoil(&mut piece, &mut streams);
        let bytes = zstd::bulk::compress(&streams, 3).unwrap();
        frames.push(Frame {
            offset: delta.len() as u64,
            compressed: number(bytes.len()),
            length: number(streams.len()),
            digest: Digest::of(&bytes),
            pieces: vec![piece],
        });
        delta.extend(bytes);
    }
    (delta, frames)
}

fn index(frames: &[Frame]) -> String {
    let none = Digest([0; 32]);
    frames.iter().fold(Head { from: none, to: none }.to_string(), |text, frame| text + &frame.to_string())
}

/// Fills a slot with the newer version; what came of it, and what was told.
fn filled(
    story: &Story,
    slot: &Slot,
    running: Option<(&Slot, &Published)>,
    (bytes, frames): (Vec<u8>, Vec<Frame>),
) -> (Filled, Vec<String>) {
    let (server, index) = (Server::at(PATH, bytes), file_of(index(&frames).as_bytes()));
    let delta = Frames { fetch: &server, path: PATH, index: &index };
    let notes = Notes::default();
    let filled = fill_told(slot, &story.new, &Server::of(&story.new), running, Some(delta), &notes).unwrap();
    assert_clean(slot, &story.new);
    (filled, notes.0.into_inner())
}

#[test]
fn a_first_install_makes_an_archive_of_the_files_that_it_fetched() {
    let (story, disk) = (story(), Disk::new());
    let sound = delta(&story.members, |_, _| ());
    let length = sound.0.len() as u64;
    let (filled, notes) = filled(&story, &disk.mount(), None, sound);
    assert_eq!((filled.patched, filled.fetched), (INITRD, (A + B) as u64 + SMALL));
    // The files are noise: what came is a little more than they are, and the delta.
    let more = filled.downloaded - length - (A + B) as u64;
    assert!(length < 500 && more < 200, "{length} {more}");
    assert_eq!(notes, [""; 0]);
}

#[test]
fn an_upgrade_makes_an_archive_of_files_that_ran_and_files_that_came() {
    let (story, disk_a, disk_b) = (story(), Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.old);
    let sound = || delta(&story.members, |_, _| ());
    let (done, notes) = filled(&story, &b, Some((&a, &story.old)), sound());
    let way = |filled: &Filled| (filled.copied, filled.patched, filled.fetched, filled.drifted);
    assert_eq!((way(&done), notes), ((A as u64, INITRD, B as u64 + SMALL, 0), vec![]));
    // A file that drifted comes from the pack, and the archive is made of that.
    ["usr/a", "usr/b", "usr/initrd", "usr/small"]
        .iter()
        .for_each(|path| fs::remove_file(b.path(path)).unwrap());
    fs::write(a.path("usr/a"), noise(9, A)).unwrap();
    let (done, _) = filled(&story, &b, Some((&a, &story.old)), sound());
    assert_eq!(way(&done), (0, INITRD, (A + B) as u64 + SMALL, 2));
}

#[test]
fn where_the_delta_of_a_version_from_itself_does_not_do_the_pack_does() {
    type Spoil<'a> = &'a dyn Fn(&mut Piece, &mut Vec<u8>);
    let story = story();
    let (nobody, own) = (Digest::of(b"nobody has this"), Digest::of(&archive(&story.members)));
    let cases: [(Spoil<'_>, &str); 7] = [
        (&|piece, streams| *streams.last_mut().unwrap() ^= u8::from(piece.offset > 0), "than it says"),
        (
            &|piece, streams| {
                *streams.last_mut().unwrap() ^= u8::from(piece.offset > 0);
                piece.proof = None;
            },
            "is not what the manifest says",
        ),
        (&|piece, _| piece.offset += u64::from(piece.offset > 0), "out of order"),
        (&|piece, _| piece.bases = vec![Digest::of(&story.members[1]).into()], "reading the base of a patch"),
        (&|piece, streams| streams[0] = if piece.offset > 0 { 1 } else { streams[0] }, "the delta"),
        // Nobody has these by then: what is made of them is left to the pack without a word.
        (&|piece, _| piece.bases = vec![nobody.into()], ""),
        (&|piece, _| piece.bases = vec![own.into()], ""),
    ];
    for (n, (spoil, said)) in cases.into_iter().enumerate() {
        let disk = Disk::new();
        let (filled, notes) = filled(&story, &disk.mount(), None, delta(&story.members, spoil));
        assert_eq!((filled.patched, filled.fetched), (0, INITRD + (A + B) as u64 + SMALL), "case {n}");
        match &notes[..] {
            [] => assert_eq!(said, "", "case {n}"),
            [note] => assert!(
                !said.is_empty() && note.starts_with("not patched, fetched whole: ") && note.contains(said),
                "{note}"
            ),
            more => panic!("{more:?}"),
        }
    }
}

#[test]
fn a_delta_of_a_version_from_itself_is_gone_on_with_where_it_broke_off() {
    let (story, disk) = (story(), Disk::new());
    let slot = disk.mount();
    let (bytes, frames) = delta(&story.members, |_, _| ());
    let (server, index) = (Server::at(PATH, bytes), file_of(index(&frames).as_bytes()));
    let delta = Frames { fetch: &server, path: PATH, index: &index };
    let pack = Server::of(&story.new);
    let fill = || fill_told(&slot, &story.new, &pack, None, Some(delta), &Notes::default());
    server.lives.set(frames[0].compressed.into());
    let error = fill().unwrap_err();
    assert!(matches!(error, FillError::Frames(FramesError::Read { .. })), "{error:?}");
    server.lives.set(u64::MAX);
    let (before, second) = (pack.requests.borrow().len(), &frames[1]);
    let filled = fill().unwrap();
    let end = second.offset + u64::from(second.compressed);
    assert_eq!(server.requests.borrow()[1..], vec![second.offset..end]);
    assert_eq!((filled.patched, filled.fetched, pack.requests.borrow().len()), (INITRD, 0, before));
    assert_clean(&slot, &story.new);
}
