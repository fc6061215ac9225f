//! Small archives made here, record by record; stock programs read and write what they must.

mod broken;

use std::io::Write;
use std::process::{Command, Stdio};

use super::cpio::{FILE, FOLDER, Record, SYMLINK, write, write_trailer};
use super::*;

const NODE: Record<'static> = Record {
    at: 0,
    name: b"x",
    inode: [0, 8, 1],
    mode: FILE | 0o644,
    owner: [0; 2],
    links: 1,
    special: [0; 2],
    data: b"",
};

fn folder(name: &str) -> Record<'_> {
    Record { name: name.as_bytes(), mode: FOLDER | 0o755, links: 2, ..NODE }
}

fn file<'a>(name: &'a str, data: &'a str) -> Record<'a> {
    Record { name: name.as_bytes(), data: data.as_bytes(), ..NODE }
}

fn symlink<'a>(name: &'a str, target: &'a str) -> Record<'a> {
    Record { mode: SYMLINK | 0o777, ..file(name, target) }
}

/// One of several names of a file.
fn hard_link<'a>(name: &'a str, inode: u32, data: &'a str) -> Record<'a> {
    Record { inode: [inode, 8, 1], links: 2, ..file(name, data) }
}

fn archive(records: &[Record<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    records.iter().for_each(|record| write(&mut out, record));
    write_trailer(&mut out);
    out
}

/// What a stock program writes to standard output, given this on standard input.
fn piped(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    let child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|e| panic!("{program} is needed: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {args:?}");
    output.stdout
}

fn made(image: &[u8]) -> Vec<u8> {
    let made = plain(image).unwrap().expect("it begins as an initrd");
    let again = plain(&made).unwrap().unwrap();
    assert!(again == made, "once more changes nothing: {}", String::from_utf8_lossy(&made));
    assert_eq!(made.len() % 4, 0);
    made
}

/// What a build says of it.
fn refusal(image: &[u8]) -> String {
    let error = plain(image).unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A small initrd as a tree has it: not in order, with times and numbers of its file system.
fn ordinary() -> Vec<u8> {
    archive(&[
        folder("."),
        file("init", "#!/bin/sh\n"),
        folder("./etc"),
        file("./etc/fstab", "/dev/x"),
        folder("bin"),
    ])
}

#[test]
fn records_stand_by_path_with_numbers_of_their_own() {
    let expected = archive(&[
        Record { inode: [1, 0, 0], links: 1, ..folder(".") },
        Record { inode: [2, 0, 0], links: 1, ..folder("bin") },
        Record { inode: [3, 0, 0], links: 1, ..folder("etc") },
        Record { inode: [4, 0, 0], ..file("etc/fstab", "/dev/x") },
        Record { inode: [5, 0, 0], ..file("init", "#!/bin/sh\n") },
    ]);
    assert_eq!(made(&ordinary()), expected);
    let text = String::from_utf8(expected).unwrap();
    assert!(text.starts_with("07070100000001000041ed00000000000000000000000100000000000000000000"), "{text}");
    assert!(text.contains("TRAILER!!!"));
}

#[test]
fn times_do_not_count() {
    let mut later = ordinary();
    later[46..54].copy_from_slice(b"6a000000");
    assert_ne!(later, ordinary());
    assert_eq!(made(&later), made(&ordinary()));
}

#[test]
fn every_compression_gives_the_same() {
    let programs: [(&str, &[&str]); 6] = [
        ("gzip", &["-c"]),
        ("zstd", &["-c", "-q"]),
        ("xz", &["-c", "--check=crc32"]),
        ("xz", &["-c", "--format=lzma"]),
        ("lz4", &["-c", "-l"]),
        ("bzip2", &["-c"]),
    ];
    let expected = made(&ordinary());
    let more = archive(&[file("more", "x")]);
    for (program, args) in programs {
        let packed = piped(program, args, &ordinary());
        assert!(Compression::of(&packed).is_some(), "{program} {args:?}");
        assert_eq!(made(&packed), expected, "{program} {args:?}");
        assert_eq!(made(&[&packed, &[0; 7][..]].concat()), expected, "{program}: zeros after it");
        // The end of a stream is found, so anything may follow; lz4 ends with a length of zero.
        let mut followed = packed.clone();
        followed.resize((packed.len() + 4).next_multiple_of(4), 0);
        let followed = [&followed, more.as_slice(), &piped("gzip", &["-c"], &more)].concat();
        assert_eq!(made(&followed), made(&[ordinary(), more.clone()].concat()), "{program}: more after it");
        let message = refusal(&packed[..packed.len() - 9]);
        assert!(
            message.starts_with("unpacking its ") || message.starts_with("its cpio archive"),
            "{message}"
        );
    }
}

#[test]
fn microcode_comes_first_in_an_archive_of_its_own() {
    let early =
        [folder("."), folder("kernel"), folder("kernel/x86"), file("kernel/x86/microcode.bin", "code")];
    let image = [archive(&early), vec![0; 512], piped("gzip", &["-c"], &ordinary())].concat();
    let made = made(&image);
    let first = plain(&archive(&early)).unwrap().unwrap();
    assert_eq!(made, [first, plain(&ordinary()).unwrap().unwrap()].concat());
}

#[test]
fn an_archive_of_microcode_may_lack_its_folders() {
    let alone = archive(&[file("kernel/x86/microcode/GenuineIntel.bin", "code")]);
    let image = [alone.clone(), piped("gzip", &["-c"], &ordinary())].concat();
    assert!(made(&image).starts_with(&made(&alone)));
    // What the kernel did not look into is not moved there, unless nothing else is there.
    assert!(made(&[ordinary(), alone.clone()].concat()).starts_with(b"0707010000000100"));
    assert_eq!(made(&piped("gzip", &["-c"], &alone)), made(&alone));
    assert_eq!(made(&[alone.clone(), piped("gzip", &["-c"], &alone)].concat()), made(&alone));
}

#[test]
fn a_later_record_replaces_an_earlier_one() {
    let first = archive(&[folder("etc"), file("etc/a", "old"), file("etc/b", "kept"), symlink("c", "etc/a")]);
    let second =
        archive(&[file("etc/a", "newer"), file("c", "a file now"), file("etc", "no file: it has members")]);
    let expected = [folder("etc"), file("etc/a", "newer"), file("etc/b", "kept"), file("c", "a file now")];
    assert_eq!(made(&[first, second].concat()), made(&archive(&expected)));
}

#[test]
fn a_file_is_written_through_all_its_names() {
    let first = archive(&[hard_link("a", 7, ""), hard_link("b", 7, "both"), file("c", "c")]);
    let expected = [
        Record { inode: [1, 0, 0], ..hard_link("a", 0, "") },
        Record { inode: [1, 0, 0], ..hard_link("b", 0, "both") },
        Record { inode: [2, 0, 0], ..file("c", "c") },
    ];
    assert_eq!(made(&first), archive(&expected));
    let data_first = archive(&[hard_link("b", 7, "both"), file("c", "c"), hard_link("a", 7, "")]);
    assert_eq!(made(&data_first), archive(&expected));
    // Another archive counts its inodes anew, and a file that is there is written, not replaced.
    let second = archive(&[hard_link("d", 7, "alone"), file("a", "new")]);
    let expected = [hard_link("a", 7, ""), hard_link("b", 7, "new"), file("c", "c"), file("d", "alone")];
    assert_eq!(made(&[first, second].concat()), made(&archive(&expected)));
}

#[test]
fn what_lies_behind_a_link_to_a_folder_stands_at_its_true_path() {
    let usr = [folder("usr"), folder("usr/lib"), symlink("lib", "usr/lib"), symlink("usr/up", "/lib")];
    let more = [file("lib/a", "1"), file("./usr/up/b", "2"), file("/usr/lib/../c", "3")];
    let expected = [file("usr/lib/a", "1"), file("usr/lib/b", "2"), file("usr/c", "3")];
    assert_eq!(made(&archive(&[&usr[..], &more].concat())), made(&archive(&[&usr[..], &expected].concat())));
}

#[test]
fn members_without_a_folder_do_not_keep_a_file_or_link_from_its_place() {
    let image = archive(&[file("a/x/y", "lost"), file("b/x", "lost"), file("a", "file"), symlink("b", "c")]);
    assert_eq!(made(&image), made(&archive(&[file("a", "file"), symlink("b", "c")])));
}

#[test]
fn device_nodes_and_owners_stay() {
    let console = Record { mode: 0o020_600, special: [5, 1], owner: [0, 5], ..file("dev/console", "") };
    let kept = made(&archive(&[folder("dev"), console.clone()]));
    let expected =
        [Record { inode: [1, 0, 0], links: 1, ..folder("dev") }, Record { inode: [2, 0, 0], ..console }];
    assert_eq!(kept, archive(&expected));
}

#[test]
fn stock_cpio_lists_and_unpacks_it() {
    let records =
        [folder("bin"), hard_link("bin/a", 7, ""), hard_link("bin/b", 7, "both"), symlink("init", "bin/a")];
    let image = made(&archive(&records));
    let listed = piped("cpio", &["--list", "--quiet"], &image);
    assert_eq!(String::from_utf8(listed).unwrap(), "bin\nbin/a\nbin/b\ninit\n");
    let unpacked = tempfile::tempdir().unwrap();
    piped("cpio", &["--extract", "--quiet", "--directory", unpacked.path().to_str().unwrap()], &image);
    assert_eq!(std::fs::read(unpacked.path().join("init")).unwrap(), b"both");
    // And what it writes is read.
    let script = "cd $0 && printf '%s\\n' init bin/b bin bin/a | cpio --create --format=newc --quiet";
    let again = piped("sh", &["-c", script, unpacked.path().to_str().unwrap()], b"");
    assert_eq!(piped("cpio", &["--list", "--quiet"], &made(&again)), b"bin\nbin/a\nbin/b\ninit\n");
}
