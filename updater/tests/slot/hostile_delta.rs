//! Deltas that mean harm, or are broken as if they did: one case for each attack. All are signed, so each could only
//! come from a holder of the role's key; none may be believed, and the pack makes the slot whole.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use edeploy_ab::failure::Failure;
use edeploy_ab::slot::{FillError, Filled, Frames};
use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{BASES, Frame, Head, Piece, View};
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::repack;

use crate::fill::noise;
use crate::support::{
    Disk, Notes, Published, Server, Slot, Version, assert_clean, file_of, fill, fill_told, fill_with,
};

const PATH: &str = "targets/web@2@delta@1";
const LARGE: usize = 120_000;
const HALF: usize = LARGE / 2;

/// What a machine runs, and what it is to become.
struct Story {
    old: Vec<u8>,
    new: Vec<u8>,
    /// A packed text of either version.
    old_gz: Vec<u8>,
    new_gz: Vec<u8>,
    /// Contents of the running tree that are not what a hostile form says.
    damaged_gz: Vec<u8>,
    endless_lz4: [Vec<u8>; 2],
    one: Published,
    two: Published,
}

/// A frame with one piece, before it is compressed; or its compressed bytes, whatever they are.
#[derive(Clone)]
struct Part {
    piece: Piece,
    streams: Vec<u8>,
    packed: Option<Vec<u8>>,
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut command = Command::new("gzip");
    command.arg("-9n").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("gzip runs; install it with `apt install gzip`");
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn story() -> Story {
    let old = noise(1, LARGE);
    let mut new = old.clone();
    new.iter_mut().step_by(10_000).for_each(|byte| *byte ^= 1);
    let text: Vec<u8> = noise(2, 40_000).iter().map(|byte| b'a' + byte % 16).collect();
    let (old_gz, new_gz) = (gzip(&text), gzip(&[&text[..], b"news"].concat()));
    let mut damaged_gz = old_gz.clone();
    // The lengths of the codes, so that no code is right.
    damaged_gz[12..20].fill(0xff);
    // A block that says it is 4 GiB long, and a run of literals whose length never ends.
    let magic = 0x184c_2102_u32.to_le_bytes();
    let endless = [[&u32::MAX.to_le_bytes()[..], &noise(3, 2000)].concat(), [&[0xff; 60_000][..]].concat()];
    let endless_lz4 = endless.map(|rest| [&magic[..], &rest].concat());
    let mut one = Version::new();
    one.file("usr/damaged", &damaged_gz);
    one.file("usr/doc.gz", &old_gz);
    one.file("usr/endless-0", &endless_lz4[0]);
    one.file("usr/endless-1", &endless_lz4[1]);
    one.file("usr/large", &old);
    let mut two = Version::new();
    two.file("usr/doc.gz", &new_gz);
    two.file("usr/large", &new);
    let (one, two) = (one.publish(), two.publish());
    Story { old, new, old_gz, new_gz, damaged_gz, endless_lz4, one, two }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap()
}

fn control(steps: &[(u64, u64, i64)]) -> Vec<u8> {
    let mut control = Vec::new();
    steps.iter().for_each(|&(add, insert, seek)| Step { add, insert, seek }.write(&mut control));
    control
}

impl Part {
    /// Other steps, with the same data.
    fn steps(mut self, control: &[u8]) -> Self {
        self.streams.splice(..self.piece.control as usize, control.iter().copied());
        self.piece.control = number(control.len());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Piece)) -> Self {
        change(&mut self.piece);
        self
    }

    /// A frame of its own compression, beginning at `offset` of the delta.
    fn frame(&self, offset: usize) -> (Frame, Vec<u8>) {
        let bytes = self.packed.clone().unwrap_or_else(|| zstd::bulk::compress(&self.streams, 3).unwrap());
        let frame = Frame {
            offset: offset as u64,
            compressed: number(bytes.len()),
            length: number(self.streams.len()),
            digest: Digest::of(&bytes),
            pieces: vec![self.piece.clone()],
        };
        (frame, bytes)
    }
}

impl Story {
    /// The sound patch that makes these bytes of the large file.
    fn patch(&self, begin: usize, end: usize) -> Part {
        let (old, new) = (&self.old[begin..end], &self.new[begin..end]);
        let steps = control(&[(0, 0, i64::try_from(begin).unwrap()), (new.len() as u64, 0, 0)]);
        let difference: Vec<u8> = new.iter().zip(old).map(|(new, old)| new.wrapping_sub(*old)).collect();
        let piece = Piece {
            view: Digest::of(&self.new).into(),
            offset: begin as u64,
            length: number(new.len()),
            control: number(steps.len()),
            difference: number(new.len()),
            proof: (new.len() < LARGE).then(|| Digest::of(new)),
            bases: vec![Digest::of(&self.old).into()],
        };
        Part { piece, streams: [steps, difference].concat(), packed: None }
    }

    fn whole(&self) -> Part {
        self.patch(0, LARGE)
    }

    fn halves(&self) -> [Part; 2] {
        [self.patch(0, HALF), self.patch(HALF, LARGE)]
    }

    /// The sound patch, which names a base more: a content with this form.
    fn with_base(&self, content: &[u8], form: &str) -> Vec<Part> {
        let view = View { content: Digest::of(content), form: Some(form.parse().unwrap()) };
        vec![self.whole().with(|piece| piece.bases.push(view))]
    }

    /// The new packed text as one insertion of `unpacked`, under this form.
    fn packed(&self, form: &str, unpacked: &[u8]) -> Vec<Part> {
        let (content, form) = (Digest::of(&self.new_gz), Some(form.parse().unwrap()));
        let length = number(unpacked.len());
        let (view, bases) = (View { content, form }, Vec::new());
        let piece = Piece { view, offset: 0, length, control: 0, difference: 0, proof: None, bases };
        vec![Part { piece, streams: unpacked.to_vec(), packed: None }]
    }

    fn upgrade(&self, a: &Slot, b: &Slot, parts: &[Part]) -> Result<Filled, FillError> {
        self.told(a, b, parts, &Notes::default())
    }

    fn told(&self, a: &Slot, b: &Slot, parts: &[Part], notes: &Notes) -> Result<Filled, FillError> {
        let none = Digest([0; 32]);
        let (mut delta, mut index) = (Vec::new(), Head { from: none, to: none }.to_string());
        for part in parts {
            let (frame, bytes) = part.frame(delta.len());
            index += &frame.to_string();
            delta.extend(bytes);
        }
        let (server, index) = (Server::at(PATH, delta), file_of(index.as_bytes()));
        let delta = Frames { fetch: &server, path: PATH, index: &index };
        fill_told(b, &self.two, &Server::of(&self.two), Some((a, &self.one)), Some(delta), notes)
    }

    /// Each attack is told, and the pack brings what it did not; a sound delta still does.
    fn attack(&self, cases: Vec<(Vec<Part>, &str)>) {
        let (disk_a, disk_b) = (Disk::new(), Disk::new());
        let (a, b) = (disk_a.mount(), disk_b.mount());
        fill(&a, &self.one);
        for (n, (parts, said)) in cases.into_iter().enumerate() {
            let notes = Notes::default();
            let filled = self.told(&a, &b, &parts, &notes).unwrap();
            assert_eq!(filled.patched, 0, "case {n}: {said}");
            let [note] = &notes.0.into_inner()[..] else { panic!("case {n}, {said}") };
            assert!(note.starts_with("not patched, fetched whole: ") && note.contains(said), "{n}: {note}");
            assert_clean(&b, &self.two);
            ["usr/large", "usr/doc.gz"].iter().for_each(|path| fs::remove_file(b.path(path)).unwrap());
            let filled = self.upgrade(&a, &b, &self.halves()).unwrap();
            assert_clean(&b, &self.two);
            assert_eq!(filled.patched, LARGE as u64, "case {n}");
            ["usr/large", "usr/doc.gz"].iter().for_each(|path| fs::remove_file(b.path(path)).unwrap());
        }
    }
}

#[test]
fn a_frame_of_a_delta_that_decompresses_to_more_or_less_is_refused() {
    let story = story();
    let packed =
        |bytes: &[u8]| vec![Part { packed: Some(zstd::bulk::compress(bytes, 3).unwrap()), ..story.whole() }];
    let streams = story.whole().streams;
    // 64 MiB of zeros are 6 kB on the wire: a bomb.
    let cases = [&vec![0; 64 << 20], &[&streams[..], b"x"].concat(), &streams[1..].to_vec(), &Vec::new()];
    story.attack(cases.map(|bytes| (packed(bytes), "does not decompress to its")).to_vec());
}

#[test]
fn steps_that_leave_the_base_or_never_end_are_refused() {
    let story = story();
    let steps = |control: &[u8]| vec![story.whole().steps(control)];
    let of = |list: &[(u64, u64, i64)]| steps(&control(list));
    let all = LARGE as u64;
    story.attack(vec![
        (of(&[(0, 0, 1), (all, 0, 0)]), "reading the base of a patch at byte 1"),
        (of(&[(0, 0, i64::MAX), (all, 0, 0)]), "reading the base of a patch"),
        (of(&[(0, 0, -1), (all, 0, 0)]), "the steps of a patch are no steps"),
        (of(&[(all + 1, 0, 0)]), "the steps of a patch do not fit its data"),
        (of(&[(u64::MAX, 0, 0)]), "the steps of a patch do not fit its data"),
        (of(&[(all, u64::MAX, 0)]), "the steps of a patch do not fit its data"),
        (of(&[(all - 1, 0, 0)]), "the steps of a patch do not fit its data"),
        // A million steps that do nothing, a number of more than 64 bits, and half a step.
        (of(&[(0, 0, 0); 1 << 20]), "the steps of a patch do not fit its data"),
        (steps(&[0xff; 11]), "the steps of a patch are no steps"),
        (steps(&[0]), "the steps of a patch are no steps"),
        (steps(&[]), "the steps of a patch do not fit its data"),
    ]);
}

#[test]
fn a_base_that_is_another_makes_nothing_and_one_that_nobody_has_leaves_it_to_the_pack() {
    let story = story();
    let base = |content: Digest| vec![story.whole().with(|piece| piece.bases = vec![content.into()])];
    let other = story.endless_lz4.each_ref().map(|content| base(Digest::of(content)));
    let short = other.map(|parts| (parts, "reading the base of a patch at byte 0"));
    let mut turned = story.whole();
    turned.piece.bases.insert(0, Digest::of(&story.old_gz).into());
    let wrong = "is not what the manifest says";
    story.attack([&short[..], &[(vec![turned], wrong)]].concat());
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    let filled = story.upgrade(&a, &b, &base(Digest::of(b"nobody has this"))).unwrap();
    assert_eq!((filled.patched, filled.fetched), (0, (LARGE + story.new_gz.len()) as u64));
    assert_clean(&b, &story.two);
}

#[test]
fn pieces_of_a_delta_that_overlap_descend_or_go_past_the_end_are_refused() {
    let story = story();
    let [first, second] = story.halves();
    let at = |offset: usize| second.clone().with(|piece| piece.offset = offset as u64);
    let longer = |part: &Part| {
        let (control, mut part) = (control(&[(part.piece.length.into(), 1, 0)]), part.clone());
        part.streams.push(b'x');
        part.piece.length += 1;
        part.piece.proof = None;
        part.steps(&control)
    };
    let order = "out of order";
    story.attack(vec![
        (vec![first.clone(), at(HALF - 1)], order),
        (vec![first.clone(), at(HALF + 1)], order),
        (vec![first.clone(), at(0)], order),
        (vec![first.clone(), at(usize::MAX)], order),
        (vec![second.clone(), first.clone()], order),
        (vec![first.clone(), longer(&second)], "is not what the manifest says"),
        (vec![longer(&story.whole())], "is not what the manifest says"),
    ]);
}

#[test]
fn a_base_that_is_not_in_the_form_it_is_named_with_is_refused() {
    let story = story();
    let form = "the delta's form of the content";
    story.attack(vec![
        // No packed content at all; of another kind, of another length.
        (story.with_base(&story.old, "1,raw:10,gzip-9:40000"), form),
        (story.with_base(&story.old_gz, "1,lz4-9:40000"), form),
        (story.with_base(&story.old_gz, "1,raw:10,gzip-9:39999"), form),
        (story.with_base(&story.old_gz, "1,raw:10,gzip-9:40001"), form),
        (story.with_base(&story.old_gz, "1,raw:999999,gzip-9:1"), form),
        (story.with_base(&story.damaged_gz, "1,raw:10,gzip-9:40000"), form),
        (story.with_base(&story.endless_lz4[0], "1,lz4-9:1000000"), form),
        (story.with_base(&story.endless_lz4[1], "1,lz4-9:1000000"), form),
    ]);
}

#[test]
fn a_delta_whose_scratch_files_have_no_room_is_not_chosen() {
    let story = story();
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    let (notes, parts) = (Notes::default(), story.with_base(&story.old_gz, "1,raw:1073741823,gzip-9:1"));
    assert_eq!(story.told(&a, &b, &parts, &notes).unwrap().patched, 0);
    assert_clean(&b, &story.two);
    assert!(notes.0.into_inner().is_empty());
}

#[test]
fn a_content_that_is_not_in_the_form_it_is_made_in_is_refused() {
    let story = story();
    let (form, unpacked) = repack::open(&story.new_gz).unwrap();
    let (form, length) = (form.to_string(), unpacked.len());
    let packed = |form: &str, unpacked: &[u8]| {
        // The large file comes by the same delta, which is fewer bytes than the pack then.
        [story.packed(form, unpacked), vec![story.whole()]].concat()
    };
    let (wrong, piece) = ("is not what the manifest says", "makes something else of the content");
    let mut other = unpacked.clone();
    other[length / 2] ^= 1;
    // In two pieces without proofs, the second from there on.
    let pieces = |unpacked: &[u8], offset: usize| {
        let (first, second) = unpacked.split_at(length / 2);
        let mut parts = [packed(&form, first), story.packed(&form, second)].concat();
        parts.last_mut().unwrap().piece.offset = offset as u64;
        parts.swap(1, 2);
        parts
    };
    story.attack(vec![
        (packed(&form, &other), wrong),
        (packed(&form.replace("gzip-9", "gzip-1"), &unpacked), wrong),
        (packed(&format!("1,raw:{},gzip-9:10", length - 10), &unpacked), wrong),
        (packed(&format!("1,lz4-9:{length}"), &unpacked), wrong),
        (packed(&form, &[&unpacked[..], b"x"].concat()), piece),
        (pieces(&other, length / 2), wrong),
        (pieces(&unpacked, length / 2 - 1), piece),
        (pieces(&unpacked, usize::MAX), piece),
        (pieces(&unpacked, 0), piece),
    ]);
}

#[test]
fn an_index_with_more_bases_or_longer_forms_than_allowed_is_refused() {
    const INDEX: &str = "reading an index of the new version: line 5 of the index of the delta is wrong";
    let story = story();
    let view = View::from(Digest::of(&story.old));
    let bases = |n: usize| vec![story.whole().with(|piece| piece.bases = vec![view.clone(); n])];
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    fill(&a, &story.one);
    // The program reads an index to its end before it counts; who fills with one that was not is told.
    let failure = Failure::from(story.upgrade(&a, &b, &bases(BASES + 1)).unwrap_err());
    assert_eq!(failure.exit, Exit::Untrusted);
    assert_eq!(failure.to_string(), INDEX);
    // The limit itself is none; forms of more than 1 GiB are no forms, so no type can hold one.
    assert_eq!(story.upgrade(&a, &b, &bases(BASES)).unwrap().patched, LARGE as u64);
    fs::remove_file(b.path("usr/large")).unwrap();
    let (frame, bytes) = story.whole().frame(0);
    let none = Digest([0; 32]);
    for form in ["1,lz4-9:1073741825", "1,raw:1,lz4-9:1073741824", "1,gzip-9:18446744073709551615"] {
        let text = Head { from: none, to: none }.to_string() + &frame.to_string();
        let text = text.trim_end().to_owned() + &format!("+{form}\n");
        let (server, index) = (Server::at(PATH, bytes.clone()), file_of(text.as_bytes()));
        let delta = Frames { fetch: &server, path: PATH, index: &index };
        let error = fill_with(&b, &story.two, &Server::of(&story.two), Some((&a, &story.one)), Some(delta));
        let failure = Failure::from(error.unwrap_err());
        assert_eq!(failure.to_string(), INDEX, "{form}");
        assert!(server.requests.borrow().is_empty() && !b.path("usr/large").exists());
    }
    assert_eq!(story.upgrade(&a, &b, &story.halves()).unwrap().patched, LARGE as u64);
    assert_clean(&b, &story.two);
}
