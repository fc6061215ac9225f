//! Contents made of several pieces, packed contents and bases of the new tree; and what goes on after a kill.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use edeploy_ab::slot::{FillError, Filled, Frames};
use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{Frame, Head, Piece, View};
use edeploy_format::digest::Digest;
use edeploy_format::repack::{self, Form};

use crate::fill::noise;
use crate::support::{Disk, Published, Server, Slot, Version, assert_clean, file_of, fill, fill_with};

const PATH: &str = "targets/web@2@delta@1";

/// A delta whose frames have one piece each.
#[derive(Default)]
struct Delta {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

impl Delta {
    /// Makes `new` from bases that are together as long or longer, in pieces of `cut` bytes.
    fn add(&mut self, view: &View, new: &[u8], (bases, old): (&[View], &[u8]), cut: usize) {
        for (n, made) in new.chunks(cut).enumerate() {
            let number = |n: usize| u32::try_from(n).unwrap();
            let mut control = Vec::new();
            Step { add: 0, insert: 0, seek: i64::try_from(n * cut).unwrap() }.write(&mut control);
            let add = old.len().saturating_sub(n * cut).min(made.len());
            let insert = (made.len() - add) as u64;
            Step { add: add as u64, insert, seek: 0 }.write(&mut control);
            let base = &old[old.len().min(n * cut)..][..add];
            let difference: Vec<u8> =
                made.iter().zip(base).map(|(new, old)| new.wrapping_sub(*old)).collect();
            let streams = [&control[..], &difference, &made[add..]].concat();
            let bytes = zstd::bulk::compress(&streams, 3).unwrap();
            let piece = Piece {
                view: view.clone(),
                offset: (n * cut) as u64,
                length: number(made.len()),
                control: number(control.len()),
                difference: number(add),
                proof: (new.len() > cut).then(|| Digest::of(made)),
                bases: bases.to_vec(),
            };
            let (compressed, length) = (number(bytes.len()), number(streams.len()));
            let (offset, digest) = (self.bytes.len() as u64, Digest::of(&bytes));
            self.frames.push(Frame { offset, compressed, length, digest, pieces: vec![piece] });
            self.bytes.extend(bytes);
        }
    }

    fn index(&self) -> String {
        let none = Digest([0; 32]);
        let head = Head { from: none, to: none }.to_string();
        self.frames.iter().fold(head, |index, frame| index + &frame.to_string())
    }
}

fn gzip(text: &[u8]) -> (Vec<u8>, View, Vec<u8>) {
    let mut child = Command::new("gzip")
        .arg("-9n")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip runs; install it with `apt install gzip`");
    child.stdin.take().unwrap().write_all(text).unwrap();
    let packed = child.wait_with_output().unwrap().stdout;
    let (form, unpacked): (Form, Vec<u8>) = repack::open(&packed).unwrap();
    let view = View { content: Digest::of(&packed), form: Some(form) };
    (packed, view, unpacked)
}

fn text(seed: u64, length: usize) -> Vec<u8> {
    noise(seed, length).iter().map(|byte| b'a' + byte % 16).collect()
}

/// Two versions: a packed text, a large file, and an archive of the large file; and the delta between them.
struct Story {
    one: Published,
    two: Published,
    delta: Delta,
}

fn story() -> Story {
    story_with(200_000, true)
}

/// The same with a large file of this length, which the delta sends whole unless it is `patched`.
fn story_with(large: usize, patched: bool) -> Story {
    let (old_text, old_large) = (text(1, 90_000), noise(2, large));
    let (mut new_text, mut new_large) = (old_text.clone(), old_large.clone());
    new_text.splice(500..600, b"news".repeat(25));
    new_large.iter_mut().step_by(900).for_each(|byte| *byte ^= 1);
    let archive = [b"header one".as_slice(), &new_large, b"the end"].concat();
    let ((old_gz, old_view, old_open), (new_gz, new_view, new_open)) = (gzip(&old_text), gzip(&new_text));
    let version = |gz: &[u8], large: &[u8], archive: &[u8]| {
        let mut version = Version::new();
        version.file("boot.img", archive);
        version.file("usr/doc.gz", gz);
        version.file("usr/large", large);
        version.publish()
    };
    let (one, two) = (version(&old_gz, &old_large, b"header old"), version(&new_gz, &new_large, &archive));
    let mut delta = Delta::default();
    let plain = |bytes: &[u8]| View::from(Digest::of(bytes));
    delta.add(&new_view, &new_open, (&[old_view], &old_open), 20_000);
    let base = if patched { &old_large[..] } else { b"header old" };
    delta.add(&plain(&new_large), &new_large, (&[plain(base)], base), 30_000);
    let bases = [plain(b"header old"), plain(&new_large)];
    delta.add(&plain(&archive), &archive, (&bases, &[b"header old", &new_large[..]].concat()), 50_000);
    Story { one, two, delta }
}

impl Story {
    /// Upgrades `b` from what is in `a`; the bytes that came are counted by the server.
    fn upgrade(&self, a: &Slot, b: &Slot, server: &Server) -> Result<Filled, FillError> {
        let index = file_of(self.delta.index().as_bytes());
        let delta = Frames { fetch: server, path: PATH, index: &index };
        fill_with(b, &self.two, &Server::of(&self.two), Some((a, &self.one)), Some(delta))
    }

    fn server(&self, lives: u64) -> Server {
        let server = Server::at(PATH, self.delta.bytes.clone());
        server.lives.set(lives);
        server
    }
}

#[test]
fn packed_contents_and_archives_of_the_new_tree_are_made() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    let filled = story.upgrade(&a, &b, &story.server(u64::MAX)).unwrap();
    assert_clean(&b, &story.two);
    assert_eq!((filled.fetched, filled.downloaded), (0, story.delta.bytes.len() as u64));
}

#[test]
fn what_the_pack_has_for_fewer_bytes_comes_from_there_before_archives_are_made_of_it() {
    // So large that what lies between two frames is not fetched with them.
    let story = story_with(600_000, false);
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    let filled = story.upgrade(&a, &b, &story.server(u64::MAX)).unwrap();
    assert_clean(&b, &story.two);
    assert_eq!((filled.fetched, filled.patched), (600_000, story.two.head.bytes - 600_000));
    assert!(filled.downloaded < story.delta.bytes.len() as u64);
}

#[test]
fn an_archive_is_made_of_what_an_earlier_run_made() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    fill(&b, &story.two);
    fs::remove_file(b.path("boot.img")).unwrap();
    let filled = story.upgrade(&a, &b, &story.server(u64::MAX)).unwrap();
    assert_clean(&b, &story.two);
    assert_eq!(filled.fetched, 0);
    let archives = story.delta.frames.iter().filter(|frame| frame.pieces[0].bases.len() == 2);
    assert_eq!(filled.downloaded, archives.map(|frame| u64::from(frame.compressed)).sum::<u64>());
}

#[test]
fn after_a_kill_at_most_one_frame_of_a_delta_is_fetched_again() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    let all = story.delta.bytes.len() as u64;
    for frame in &story.delta.frames {
        // Inside each frame, and at its end.
        for lives in [frame.offset + 1, frame.offset + u64::from(frame.compressed)] {
            fill(&b, &story.one);
            let broken = story.upgrade(&a, &b, &story.server(lives));
            assert!(broken.is_err() || lives == all, "{lives}");
            let filled = story.upgrade(&a, &b, &story.server(u64::MAX)).unwrap();
            assert_clean(&b, &story.two);
            let again = filled.downloaded + lives - all;
            assert!(again <= frame.compressed.into(), "{again} again after {lives}, {frame:?}");
            assert_eq!(filled.fetched, 0);
        }
    }
}

#[test]
fn after_a_kill_at_most_one_frame_of_a_pack_is_fetched_again() {
    let mut version = Version::new();
    version.file("usr/large", &noise(3, 300_000));
    let version = version.publish();
    for frame in &version.frames {
        let disk = Disk::new();
        let slot = disk.mount();
        let server = Server::of(&version);
        let lives = frame.offset + u64::from(frame.compressed) / 2;
        server.lives.set(lives);
        assert!(crate::support::fill_from(&slot, &version, &server, None).is_err());
        let filled = crate::support::fill_from(&slot, &version, &Server::of(&version), None).unwrap();
        assert_clean(&slot, &version);
        let again = filled.downloaded + lives - version.pack.len() as u64;
        assert!(again <= frame.compressed.into(), "{again} again after {lives}");
    }
}

#[test]
fn what_a_kill_left_is_never_believed() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    let large = story.delta.frames.iter().rfind(|frame| frame.pieces[0].view.form.is_none()).unwrap();
    for spoil in [0, 1, 40_000] {
        fill(&b, &story.one);
        assert!(story.upgrade(&a, &b, &story.server(large.offset)).is_err());
        let half = half(&b);
        let mut bytes = fs::read(&half).unwrap();
        bytes[spoil] ^= 1;
        fs::write(&half, bytes).unwrap();
        story.upgrade(&a, &b, &story.server(u64::MAX)).unwrap();
        assert_clean(&b, &story.two);
        assert!(!half.exists());
    }
}

/// What came of a pack and has the length it should may still be zeros after a cut: only its digest tells.
#[test]
fn what_a_cut_left_of_a_content_of_the_pack_is_begun_anew_where_it_is_not_right() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    for spoil in [false, true] {
        let at = begun_by_the_pack(&story, &a, &b);
        let half = half(&b);
        if spoil {
            let length = fs::metadata(&half).unwrap().len();
            fs::write(&half, vec![0; usize::try_from(length).unwrap()]).unwrap();
        }
        let server = Server::of(&story.two);
        fill_with(&b, &story.two, &server, Some((&a, &story.one)), None).unwrap();
        assert_clean(&b, &story.two);
        assert!(!half.exists());
        // What was right is not asked for again; what was not, from its beginning.
        let first = server.requests.borrow().iter().any(|range| range.start < at);
        assert_eq!(first, spoil, "{:?}", server.requests.borrow());
    }
}

/// The pack's server dies within the last piece of a content of several; where that piece begins.
fn begun_by_the_pack(story: &Story, a: &Slot, b: &Slot) -> u64 {
    let several = story.two.frames.iter().rfind(|frame| frame.pieces[0].offset > 0).unwrap();
    fill(b, &story.one);
    let dying = Server::of(&story.two);
    dying.lives.set(several.offset + 1);
    assert!(fill_with(b, &story.two, &dying, Some((a, &story.one)), None).is_err());
    several.offset
}

/// What an earlier run left half made.
fn half(slot: &Slot) -> PathBuf {
    let own = fs::read_dir(slot.path("usr/lib/edeploy/slot")).unwrap();
    let mut names = own.map(|entry| entry.unwrap().path());
    names.find(|path| path.to_string_lossy().contains("/half-")).expect("it was left")
}

#[test]
fn where_a_wrong_delta_takes_the_place_of_what_a_pack_had_begun_the_pack_begins_anew() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    for sound in [0, story.delta.frames[3].offset] {
        begun_by_the_pack(&story, &a, &b);
        let mut bytes = story.delta.bytes.clone();
        bytes.iter_mut().skip(usize::try_from(sound).unwrap()).for_each(|byte| *byte ^= 1);
        story.upgrade(&a, &b, &Server::at(PATH, bytes)).unwrap();
        assert_clean(&b, &story.two);
    }
}
