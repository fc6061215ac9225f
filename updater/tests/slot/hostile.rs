//! Slots and packs that mean harm, or are broken as if they did.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use edeploy_ab::slot::{FillError, FramesError};
use edeploy_format::digest::Digest;
use edeploy_format::pack::Frame;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::support::{Disk, PACK, Published, Server, Version, assert_clean, fill, fill_from};

fn small() -> Version {
    let mut version = Version::new();
    version.folder("etc");
    version.file("etc/a", &[7; 6000]);
    version.file("etc/b", &[8; 6000]);
    version
}

/// What filling an empty slot ends with; also that no file of `version` exists with wrong content.
fn error(version: &Published, server: &Server) -> FillError {
    let disk = Disk::new();
    let slot = disk.mount();
    let error = fill_from(&slot, version, server, None).unwrap_err();
    for (path, byte) in [("etc/a", 7), ("etc/b", 8)] {
        if let Ok(content) = fs::read(slot.path(path)) {
            assert_eq!(content, [byte; 6000], "{path}");
        }
    }
    error
}

#[test]
fn every_flipped_bit_of_a_pack_is_found_before_decompression() {
    let version = small().publish();
    assert_eq!(version.frames.len(), 2);
    for n in 0..version.pack.len() {
        let mut pack = version.pack.clone();
        pack[n] ^= 1 << (n % 8);
        let frame = version.frames.iter().rev().find(|frame| frame.offset <= n as u64).unwrap();
        let error = error(&version, &Server::with(pack));
        let FillError::Frames(FramesError::Digest { path, at }) = error else { panic!("byte {n}: {error}") };
        assert_eq!((&*path, at), (PACK, frame.offset));
    }
}

#[test]
fn a_truncated_pack_is_named_with_its_frame() {
    let version = small().publish();
    let second = version.frames[1].offset;
    for n in 0..version.pack.len() {
        let error = error(&version, &Server::with(version.pack[..n].to_vec()));
        let FillError::Frames(FramesError::Read { at, .. }) = error else { panic!("{n} bytes: {error}") };
        assert_eq!(at, if (n as u64) < second { 0 } else { second });
    }
}

/// The first frame is replaced by one that decompresses to `bytes`, with an index that fits but for the length.
fn with_first_frame(bytes: &[u8]) -> (Published, Server) {
    let version = small().publish();
    let compressed = zstd::bulk::compress(bytes, 3).unwrap();
    let mut frames = version.frames.clone();
    let rest = version.pack[usize::try_from(frames[1].offset).unwrap()..].to_vec();
    frames[0].compressed = u32::try_from(compressed.len()).unwrap();
    frames[0].digest = Digest::of(&compressed);
    let server = Server::with([compressed, rest].concat());
    (version.with_frames(&frames), server)
}

#[test]
fn a_frame_that_decompresses_to_more_or_less_than_its_length_is_refused() {
    // 64 MiB of zeros are 6 kB on the wire: a bomb.
    for bytes in [vec![0; 64 << 20], vec![7; 6001], vec![7; 5999], Vec::new()] {
        let (version, server) = with_first_frame(&bytes);
        let error = error(&version, &server);
        let FillError::Frames(FramesError::Decompress { at: 0, length: 6000, .. }) = error else {
            panic!("{} bytes: {error}", bytes.len())
        };
    }
}

#[test]
fn a_content_that_is_not_the_manifests_is_refused() {
    let (version, server) = with_first_frame(&[9; 6000]);
    let error = error(&version, &server);
    assert!(matches!(&error, FillError::Content(path) if path.as_str() == "etc/a"), "{error}");
}

#[test]
fn a_pack_without_a_content_is_refused() {
    let version = small().publish();
    let server = Server::of(&version);
    let frames = version.frames[..1].to_vec();
    let error = error(&version.with_frames(&frames), &server);
    assert!(matches!(&error, FillError::Missing(path) if path.as_str() == "etc/b"), "{error}");
}

#[test]
fn pieces_out_of_order_overlapping_or_too_long_are_refused() {
    let mut version = Version::new();
    version.file("etc", &[1; 200_000]);
    let changes: [fn(&mut Vec<Frame>); 4] = [
        |frames| frames[1].pieces[0].offset += 1,
        |frames| frames[1].pieces[0].offset = 0,
        |frames| frames[0].pieces[0].offset = 1,
        |frames| frames.iter_mut().for_each(|frame| frame.pieces[0].content = Digest::of(&[1; 200_000])),
    ];
    for (n, change) in changes.iter().enumerate() {
        let published = version.publish();
        let (server, mut frames) = (Server::of(&published), published.frames.clone());
        change(&mut frames);
        let disk = Disk::new();
        let result = fill_from(&disk.mount(), &published.with_frames(&frames), &server, None);
        match result {
            Err(FillError::Order(path)) if n < 3 => assert_eq!(path.as_str(), "etc"),
            Ok(_) if n == 3 => {}
            other => panic!("change {n}: {other:?}"),
        }
    }
}

#[test]
fn a_link_out_of_the_slot_is_replaced_and_never_followed() {
    let version = small().publish();
    let disk = Disk::new();
    let slot = disk.mount();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), "untouched").unwrap();
    for target in [outside.path(), std::path::Path::new("../../../../../.."), std::path::Path::new("/")] {
        let _ = fs::remove_dir_all(slot.path("etc"));
        symlink(target, slot.path("etc")).unwrap();
        fill(&slot, &version);
        assert_clean(&slot, &version);
        assert!(!slot.path("etc").is_symlink());
    }
    let inside = fs::read_dir(outside.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(inside, ["a"]);
    assert_eq!(fs::read(outside.path().join("a")).unwrap(), b"untouched");
}

#[test]
fn links_in_place_of_files_are_replaced_and_what_they_point_to_stays() {
    let version = small().publish();
    let disk = Disk::new();
    let slot = disk.mount();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), [7; 6000]).unwrap();
    fs::create_dir(slot.path("etc")).unwrap();
    symlink(outside.path(), slot.path("etc/a")).unwrap();
    symlink("loop", slot.path("etc/loop")).unwrap();
    symlink("b", slot.path("etc/b")).unwrap();
    fill(&slot, &version);
    assert_clean(&slot, &version);
    assert!(fs::metadata(slot.path("etc/a")).unwrap().is_file());
    assert_eq!(fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn whatever_else_a_slot_holds_is_removed() {
    let version = small().publish();
    let disk = Disk::new();
    let slot = disk.mount();
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, slot.path("fifo"), FileType::Fifo, mode, 0).unwrap();
    mknodat(CWD, slot.path("disk"), FileType::BlockDevice, mode, makedev(7, 0)).unwrap();
    drop(std::os::unix::net::UnixListener::bind(slot.path("socket")).unwrap());
    fs::create_dir(slot.path("etc")).unwrap();
    mknodat(CWD, slot.path("etc/a"), FileType::Fifo, mode, 0).unwrap();
    fs::write(slot.root().join(OsStr::from_bytes(b"not \xff UTF-8\n")), "x").unwrap();
    fs::write(slot.path("lost+found/#12"), "found").unwrap();
    let deep = format!("deep{}", "/d".repeat(1500));
    fs::create_dir_all(slot.path(&deep)).unwrap();
    fs::write(slot.path(&format!("{deep}/file")), "x").unwrap();
    let filled = fill(&slot, &version);
    assert_eq!(filled.removed, 6);
    assert_clean(&slot, &version);
    let mut left = fs::read_dir(slot.root()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    left.sort();
    assert_eq!(left, ["etc", "lost+found", "usr"]);
    disk.check(slot);
}

#[test]
fn the_longest_path_there_can_be_is_filled_verified_and_removed_and_so_are_many_folders() {
    let mut long = small();
    // 4095 bytes: 15 folders of 255, each with its slash, and a file of 255.
    let folders: Vec<String> = (1..=15).map(|n| vec!["d".repeat(255); n].join("/")).collect();
    for folder in &folders {
        long.folder(folder);
    }
    let path = format!("{}/{}", folders[14], "f".repeat(255));
    assert_eq!(path.len(), 4095);
    long.file(&path, b"down there");
    long.folder("many");
    for n in 0..1000 {
        long.folder(&format!("many/{n}"));
        long.file(&format!("many/{n}/file"), b"");
    }
    let (long, short) = (long.publish(), small().publish());
    let disk = Disk::new();
    let slot = disk.mount();
    fill(&slot, &long);
    assert_clean(&slot, &long);
    let filled = fill(&slot, &short);
    assert_eq!(filled.removed, 2);
    assert_clean(&slot, &short);
    disk.check(slot);
}

#[test]
fn a_wider_mode_or_a_set_user_id_bit_does_not_survive() {
    let version = small().publish();
    let disk = Disk::new();
    let slot = disk.mount();
    fill(&slot, &version);
    fs::set_permissions(slot.path("etc/a"), PermissionsExt::from_mode(0o6777)).unwrap();
    fs::set_permissions(slot.root(), PermissionsExt::from_mode(0o777)).unwrap();
    fill(&slot, &version);
    assert_clean(&slot, &version);
    assert_eq!(fs::metadata(slot.root()).unwrap().permissions().mode() & 0o7777, 0o755);
}
