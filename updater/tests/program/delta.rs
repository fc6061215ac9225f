//! Deltas on the site that are tampered with, missing, for another tree, or of a later format; and a program that
//! is killed inside one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{Frame, Head, Piece};
use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Version as Name};
use edeploy_format::tuf::Contents;
use serde_json::json;

use crate::bad_server::busy_for_deltas;
use crate::bad_site::file;
use crate::lab::{Lab, Ran, manifest, program, rule, tree};
use crate::swapped::other_role;
use crate::version::Version;

/// The file that a version changes.
const LARGE: usize = 512 << 10;
/// A frame of what is not wanted: what is before and after it comes by two requests.
const GAP: usize = 300 << 10;

/// Bytes that no compression makes fewer.
pub(crate) fn noise(seed: u8, length: usize) -> Vec<u8> {
    let blocks =
        (0..length.div_ceil(32) as u64).map(|n| Digest::of(&[&n.to_le_bytes()[..], &[seed]].concat()).0);
    let mut noise: Vec<u8> = blocks.flatten().collect();
    noise.truncate(length);
    noise
}

fn content(version: u8) -> Vec<u8> {
    let mut content = noise(0, LARGE);
    content.iter_mut().step_by(9_000).for_each(|byte| *byte ^= version);
    content
}

fn version(version: u8) -> Version {
    let mut tree = tree(&version.to_string());
    tree.file("usr/large", &content(version));
    tree
}

fn right() -> Head {
    head(3)
}

fn head(to: u8) -> Head {
    Head { from: manifest("1", 1, &version(1)), to: manifest(&to.to_string(), to.into(), &version(to)) }
}

fn index(head: &Head, frames: &[Frame]) -> String {
    frames.iter().fold(head.to_string(), |text, frame| text + &frame.to_string())
}

/// The delta from 1: the two halves of the large file, and between them something that no file has.
fn delta(to: u8) -> (Vec<u8>, Vec<Frame>) {
    let (old, new, gap) = (content(1), content(to), noise(9, GAP));
    let half = LARGE / 2;
    let number = |n: usize| u32::try_from(n).unwrap();
    let piece = |at: usize| {
        let (old, new) = (&old[at..at + half], &new[at..at + half]);
        let mut control = Vec::new();
        Step { add: 0, insert: 0, seek: i64::try_from(at).unwrap() }.write(&mut control);
        Step { add: half as u64, insert: 0, seek: 0 }.write(&mut control);
        let difference: Vec<u8> = new.iter().zip(old).map(|(new, old)| new.wrapping_sub(*old)).collect();
        let piece = Piece {
            view: Digest::of(&content(to)).into(),
            offset: at as u64,
            length: number(half),
            control: number(control.len()),
            difference: number(half),
            proof: Some(Digest::of(new)),
            bases: vec![Digest::of(&content(1)).into()],
        };
        (piece, [control, difference].concat())
    };
    let (view, bases) = (Digest::of(&gap).into(), Vec::new());
    let unwanted =
        Piece { view, offset: 0, length: number(GAP), control: 0, difference: 0, proof: None, bases };
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    for (piece, streams) in [piece(0), (unwanted, gap), piece(half)] {
        let compressed = zstd::bulk::compress(&streams, 3).unwrap();
        frames.push(Frame {
            offset: bytes.len() as u64,
            compressed: number(compressed.len()),
            length: number(streams.len()),
            digest: Digest::of(&compressed),
            pieces: vec![piece],
        });
        bytes.extend(compressed);
    }
    (bytes, frames)
}

/// Version 1 is installed; version 3 and the delta to it are published, its index with the last word of `change`.
pub(crate) fn lab(change: impl Fn(String) -> String) -> Lab {
    let (bytes, frames) = delta(3);
    lab_with(bytes, change(index(&right(), &frames)))
}

fn lab_with(bytes: Vec<u8>, index: String) -> Lab {
    static FIRST: OnceLock<Lab> = OnceLock::new();
    let mut lab = FIRST.get_or_init(|| Lab::first(&version(1))).copy();
    lab.site.version = 2;
    lab.publish("3", 3, &version(3), &rule("3", &json!({})), |_| ());
    let (index, from) = (index.into_bytes(), "1".parse::<Name>().unwrap());
    let contents = Contents { blake3: Digest::of(&index), size: index.len() as u64 };
    lab.site.packed(Object::DeltaIndex(&from), "3", &index, &contents);
    lab.site.add(Object::Delta(&from), "3", bytes, None::<&()>);
    lab.sign();
    lab
}

/// Upgrades; what was patched and fetched.
fn upgrade(lab: &Lab) -> [u64; 2] {
    let ran = lab.run(&["upgrade", "3", "--json"]).done();
    let json = ran.json();
    assert_eq!(json["outcome"], "staged", "{ran:?}");
    ["patched", "fetched"].map(|key| json[key].as_u64().unwrap())
}

const BY_DELTA: [u64; 2] = [LARGE as u64, 1];
const BY_PACK: [u64; 2] = [0, LARGE as u64 + 1];

#[test]
fn what_a_delta_makes_is_not_fetched_by_the_program_either() {
    assert_eq!(upgrade(&lab(|index| index)), BY_DELTA);
}

/// The upgrade is done by the pack, and says why.
fn assert_by_pack(lab: &Lab, said: &str) {
    let ran = lab.run(&["upgrade", "3"]).done();
    assert!(ran.out.contains("3 is in slot b, verified") && ran.out.contains(" 0 bytes patched"), "{ran:?}");
    assert!(ran.err.lines().any(|line| line.contains(said)), "{said}: {ran:?}");
}

#[test]
fn of_a_delta_that_is_tampered_with_nothing_is_taken_and_the_pack_serves() {
    const INDEX: (&str, &str) = ("web@3@delta-index@1", "no delta from 1: ");
    const FRAMES: (&str, &str) = ("web@3@delta@1", "not patched, fetched whole: ");
    let tampered = |(object, said): (&str, &str), tamper: &dyn Fn(&mut Vec<u8>)| {
        let lab = lab(|index| index);
        let path = file(&lab, "targets", object);
        let mut bytes = fs::read(&path).unwrap();
        tamper(&mut bytes);
        fs::write(path, bytes).unwrap();
        assert_by_pack(&lab, said);
    };
    for part in [0, 2, 6, 8] {
        let at = |bytes: &[u8]| (bytes.len() - 1) * part / 8;
        tampered(INDEX, &|bytes| {
            let at = at(bytes);
            bytes[at] ^= 1;
        });
        tampered(INDEX, &|bytes| bytes.truncate(at(bytes)));
    }
    // All between the first frame and the last is what nobody wants.
    for (first, last) in [(0, 1), (50, 50)] {
        tampered(FRAMES, &|bytes| bytes[first] ^= 1);
        tampered(FRAMES, &|bytes| {
            let at = bytes.len() - last;
            bytes[at] ^= 1;
        });
    }
    tampered(INDEX, &|bytes| bytes.push(0));
    let whole = lab(|index| index);
    for other in ["web@3@delta@1", "web@3@pack-index", "web@3@pack", "web@3@transition", "web@3@manifest"] {
        let bytes = fs::read(file(&whole, "targets", other)).unwrap();
        tampered(INDEX, &|place| place.clone_from(&bytes));
    }
    let pack = fs::read(file(&whole, "targets", "web@3@pack")).unwrap();
    tampered(FRAMES, &|place| place.clone_from(&pack));
}

#[test]
fn a_frame_of_a_delta_that_would_become_much_more_than_it_says_takes_no_memory() {
    let (good, mut frames) = delta(3);
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 3).unwrap();
    let more = bomb.len() as u64 - u64::from(frames[0].compressed);
    let bytes = [&bomb[..], &good[frames[0].compressed as usize..]].concat();
    (frames[0].compressed, frames[0].digest) = (u32::try_from(bomb.len()).unwrap(), Digest::of(&bomb));
    frames[1..].iter_mut().for_each(|frame| frame.offset += more);
    let lab = lab_with(bytes, index(&right(), &frames));
    let (command, peak) = (lab.command(&["upgrade", "3"]), lab.path("peak"));
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o"]).arg(&peak).arg(command.get_program()).args(command.get_args());
    let ran = Ran::of(timed.output().expect("GNU time: apt-get install time")).done();
    assert!(ran.err.contains("not patched, fetched whole: "), "{ran:?}");
    let kibibytes: u64 = fs::read_to_string(peak).unwrap().trim().parse().unwrap();
    assert!(kibibytes < 64 << 10, "{kibibytes}");
}

#[test]
fn in_the_place_of_a_delta_no_other_object_is_taken() {
    let folder = |lab: &Lab| {
        fs::read_dir(lab.site_folder().join("targets")).unwrap().map(|entry| entry.unwrap().path())
    };
    let whole = lab(|index| index);
    let other_site = other_role(&whole, "3");
    let of_sites = folder(&whole).chain(folder(&other_site)).map(|path| fs::read(path).unwrap());
    // That of another version, and the frames of this one for the same files of another role.
    let ((later, frames), (_, same)) = (delta(4), delta(3));
    let other = Head { from: Digest::of(b"db 1"), to: Digest::of(b"db 3") };
    let indexes = [index(&head(4), &frames), index(&other, &same)].map(String::into_bytes);
    let objects: Vec<Vec<u8>> = of_sites.chain([later]).chain(indexes).collect();
    let mut tried = 0;
    for place in ["web@3@delta-index@1", "web@3@delta@1"] {
        for object in &objects {
            let lab = lab(|index| index);
            let path = file(&lab, "targets", place);
            let good = fs::read(&path).unwrap();
            if *object == good {
                continue;
            }
            fs::write(&path, object).unwrap();
            let ran = lab.run(&["upgrade", "3", "--json"]);
            // A shorter one is a site that cannot be read.
            let by_pack = ran.code == 0 && ran.json()["patched"] == 0;
            assert!(by_pack || ran.code == 6 && object.len() < good.len(), "{place}: {ran:?}");
            fs::write(&path, good).unwrap();
            lab.run(&["upgrade", "3"]).done();
            tried += 1;
        }
    }
    assert_eq!(tried, 24);
}

#[test]
fn a_delta_that_ends_early_ends_the_upgrade_as_a_site_that_cannot_be_read() {
    let lab = lab(|index| index);
    let path = file(&lab, "targets", "web@3@delta@1");
    let good = fs::read(&path).unwrap();
    for length in [0, good.len() / 4, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        let ran = lab.run(&["upgrade", "3"]);
        assert_eq!(ran.code, 6, "{length}: {ran:?}");
        let status = lab.run(&["status", "--json"]).done().json();
        assert_eq!(status["next"], "edeploy-a-g1.conf", "{length}: {status}");
    }
    fs::write(&path, good).unwrap();
    assert_eq!(upgrade(&lab)[0], BY_DELTA[0]);
}

#[test]
fn a_server_without_time_for_the_index_of_a_delta_is_not_asked_for_whole_contents() {
    let lab = lab(|index| index);
    let mut command = program();
    command.args(["upgrade", "3", "--booted", "a", "--repo", &busy_for_deltas(lab.site_folder()), "--disk"]);
    let ran = Ran::of(command.arg(lab.path("disk")).output().unwrap());
    let (code, said) = ran.failed();
    assert!(code == 6 && said.contains("@delta-index@1: the server answered 503"), "{ran:?}");
    assert_eq!(upgrade(&lab), BY_DELTA, "later it goes on");
}

#[test]
fn a_delta_that_is_not_there_is_spared_and_the_pack_taken() {
    let without = |object| {
        let lab = lab(|index| index);
        fs::remove_file(file(&lab, "targets", object)).unwrap();
        lab
    };
    assert_by_pack(&without("web@3@delta-index@1"), "no delta from 1: ");
    assert_by_pack(&without("web@3@delta@1"), "web@3@delta@1: not there");
}

#[test]
fn for_a_delta_that_is_not_there_no_more_is_fetched_than_may_be() {
    let whole = lab(|index| index);
    let json = whole.run(&["test-upgrade", "3", "--json"]).done().json();
    // Manifest, indexes and what the delta takes: much less than the pack's half a megabyte.
    let allowed = (json["download"].as_u64().unwrap() + (100 << 10)).to_string();
    whole.run(&["test-upgrade", "3", "--max-bytes", &allowed]).done();
    fs::remove_file(file(&whole, "targets", "web@3@delta@1")).unwrap();
    let ran = whole.run(&["upgrade", "3", "--max-bytes", &allowed]);
    assert!(ran.code == 3 && ran.failed().1.contains("--max-bytes"), "{ran:?}");
    assert_eq!(whole.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
}

#[test]
fn a_delta_for_another_tree_or_of_a_later_format_is_not_taken() {
    let other = Digest::of(b"another manifest").to_string();
    type Change<'a> = &'a dyn Fn(String) -> String;
    let changes: [Change<'_>; 3] = [
        &|index| index.replace(&right().from.to_string(), &other),
        &|index| index.replace(&right().to.to_string(), &other),
        &|index| index.replace("edeploy-delta 1\n", "edeploy-delta 2\nwhat nobody knows\n"),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert_eq!(upgrade(&lab(change)), BY_PACK, "change {n}");
    }
}

#[test]
fn an_index_that_is_signed_and_makes_no_sense_or_has_no_room_is_done_without() {
    let senseless = lab(|index| index.replacen("frame ", "frame -", 1));
    assert_by_pack(&senseless, "no delta from 1: line 4 of the index of the delta is wrong");
    let mut huge = lab(|index| index);
    let (from, size) = ("1".parse::<Name>().unwrap(), 1 << 40);
    let contents = Contents { blake3: Digest::of(b"never fetched"), size };
    huge.site.packed(Object::DeltaIndex(&from), "3", b"never fetched", &contents);
    huge.sign();
    assert_by_pack(&huge, " bytes free; the index of the delta from 1 needs ");
}

/// What was asked for of deltas: the first byte of each range.
type Asked = Arc<Mutex<Vec<u64>>>;

/// Serves `site` by ranges. The second request for a delta is told of, and never answered, where `told` is given.
fn serve(site: PathBuf, told: Option<mpsc::Sender<()>>) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let (path, range) = request(&stream);
            if path.contains("@delta@") {
                noted.lock().unwrap().push(range.map_or(0, |(from, _)| from));
                if let Some(told) = told.as_ref().filter(|_| noted.lock().unwrap().len() == 2) {
                    held.push(stream);
                    told.send(()).unwrap();
                    continue;
                }
            }
            answer(&stream, &site.join(&path[1..]), range);
        }
    });
    (base, asked)
}

/// The path, and the first and last byte of the range that is asked for.
fn request(stream: &TcpStream) -> (String, Option<(u64, u64)>) {
    let head: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head[0].split(' ').nth(1).unwrap().to_owned();
    let range = head.iter().find_map(|line| {
        let (key, value) = line.split_once(": bytes=")?;
        let (from, to) = value.split_once('-')?;
        key.eq_ignore_ascii_case("range").then(|| (from.parse().unwrap(), to.parse().unwrap()))
    });
    (path, range)
}

fn answer(mut stream: &TcpStream, file: &Path, range: Option<(u64, u64)>) {
    let found = fs::read(file).ok();
    let (status, more, body) = match (&found, range) {
        (None, _) => ("404 Not Found", String::new(), &[][..]),
        (Some(bytes), None) => ("200 OK", String::new(), &bytes[..]),
        (Some(bytes), Some((from, to))) => {
            let more = format!("Content-Range: bytes {from}-{to}/{}\r\n", bytes.len());
            let at = |n: u64| usize::try_from(n).unwrap();
            ("206 Partial Content", more, &bytes[at(from)..=at(to)])
        }
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).unwrap();
}

#[test]
fn a_program_that_is_killed_inside_a_delta_goes_on_where_it_was() {
    let lab = lab(|index| index);
    let upgrade = |repo: &str| {
        let mut command = program();
        command.args(["upgrade", "3", "--json", "--booted", "a", "--repo", repo, "--disk"]);
        command.arg(lab.path("disk"));
        command
    };
    let (told, stands) = mpsc::channel();
    let (stuck, asked) = serve(lab.site_folder(), Some(told));
    let mut child = upgrade(&stuck).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // What comes before the second request was put into the slot by then.
    stands.recv().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let second = delta(3).1[2].offset;
    assert_eq!(*asked.lock().unwrap(), [0, second]);
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
    let (sound, asked) = serve(lab.site_folder(), None);
    let ran = crate::lab::Ran::of(upgrade(&sound).output().unwrap()).done();
    assert_eq!(*asked.lock().unwrap(), [second], "{ran:?}");
    // What the pack brought came first, before the kill.
    assert_eq!((&ran.json()["patched"], &ran.json()["fetched"]), (&json!(LARGE), &json!(0)));
}
