//! Trees made here, and the manifests they give.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use edeploy_format::manifest::Reader;

fn head(survey: Survey) -> Head {
    let path = |text: &str| TreePath::new(text).unwrap();
    Head {
        role: "web".parse().unwrap(),
        version: "1".parse().unwrap(),
        serial: 1,
        architecture: "amd64".parse().unwrap(),
        built: 1,
        kernel: path("k"),
        initrd: path("i"),
        loader: path("l"),
        options: String::new(),
        slot_size: 1,
        persistent: vec![],
        ostree: None,
        updater: "0.1.0".to_owned(),
        entries: survey.entries,
        bytes: survey.bytes,
    }
}

fn records(root: &Path) -> Vec<Record> {
    let (bytes, digest) =
        write_manifest(root, &head(survey(root).unwrap()), &contents(root).unwrap(), Vec::new()).unwrap();
    assert_eq!(Digest::of(&bytes), digest);
    Reader::new(&bytes[..]).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn all_that_is_restored_stands_in_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("a")).unwrap();
    fs::write(root.join("a/file"), "content").unwrap();
    fs::write(root.join("a.c"), "content").unwrap();
    fs::hard_link(root.join("a/file"), root.join("z")).unwrap();
    symlink("over there", root.join("link")).unwrap();
    fs::set_permissions(root.join("a/file"), fs::Permissions::from_mode(0o4751)).unwrap();
    File::open(root.join("a/file")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    rustix::fs::lsetxattr(root.join("a/file"), "user.x", b"\0\xff", rustix::fs::XattrFlags::CREATE).unwrap();

    let found = records(root);
    let names: Vec<_> = found.iter().map(|r| r.path.as_str()).collect();
    assert_eq!(names, ["a", "a/file", "a.c", "link", "z"]);
    let (size, digest) = (7, Digest::of(b"content"));
    assert_eq!(found[1].kind, Kind::File { size, digest });
    assert_eq!((found[1].mode, found[1].mtime), (0o4751, 0));
    assert_eq!(found[1].xattrs, [Xattr { name: "user.x".to_owned(), value: b"\0\xff".to_vec() }]);
    assert_eq!(found[3].kind, Kind::Symlink { target: "over there".to_owned() });
    assert_eq!(found[4].kind, Kind::HardLink { size, digest, first: found[1].path.clone() });
    assert_eq!(survey(root).unwrap(), Survey { entries: 5, bytes: 14 });
}

#[test]
fn a_file_that_changes_before_its_record_is_written_ends_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let changes: [fn(&Path); 3] = [
        |file| File::create(file).map(drop).unwrap(),
        |file| fs::write(file, "CONTENT").unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for change in changes {
        for name in ["a", "b"] {
            fs::write(root.join(name), "content").unwrap();
            // The clock of files goes on in steps; what was written in the same step of it looks the same.
            let long_ago = std::time::UNIX_EPOCH;
            File::options().write(true).open(root.join(name)).unwrap().set_modified(long_ago).unwrap();
        }
        let (survey, contents) = (survey(root).unwrap(), contents(root).unwrap());
        change(&root.join("b"));
        let error = write_manifest(root, &head(survey), &contents, Vec::new()).unwrap_err();
        let ScanError::Read { path, source } = error else {
            assert!(matches!(error, ScanError::Manifest(_)), "a file less: {error}");
            continue;
        };
        assert_eq!((path.as_str(), source.to_string().as_str()), ("b", "the tree changed while it was read"));
    }
}

#[test]
fn each_of_many_files_has_its_own_digest() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..1027 {
        fs::write(folder.path().join(format!("{n:04}")), format!("{n}")).unwrap();
    }
    let found = records(folder.path());
    assert_eq!(found.len(), 1027);
    for (n, record) in found.iter().enumerate() {
        let text = format!("{n}");
        assert_eq!(record.content(), Some((text.len() as u64, Digest::of(text.as_bytes()))));
    }
}

#[test]
fn a_device_node_socket_or_fifo_is_refused_with_its_path() {
    let make = |name: &str, kind, device| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dir")).unwrap();
        let mode = rustix::fs::Mode::from(0o600);
        let path = folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, device).expect("device nodes need root");
        survey(folder.path()).unwrap_err()
    };
    use rustix::fs::FileType;
    let null = rustix::fs::makedev(1, 3);
    for (kind, device, word) in [
        (FileType::Fifo, 0, "FIFO"),
        (FileType::Socket, 0, "socket"),
        (FileType::CharacterDevice, null, "character device"),
        (FileType::BlockDevice, null, "block device"),
    ] {
        let error = make("dir/thing", kind, device);
        assert!(error.to_string().starts_with(&format!("dir/thing is a {word}")), "{error}");
        assert_eq!(error.exit(), Exit::Input);
    }
}

#[test]
fn names_and_targets_that_are_not_utf8_are_refused_with_the_path() {
    let bad = std::ffi::OsStr::from_bytes(b"\xff");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dir")).unwrap();
    symlink(bad, folder.path().join("dir/link")).unwrap();
    let error = survey(folder.path()).unwrap_err();
    assert_eq!(error.to_string(), r#""dir/link" in its target is not UTF-8"#);
    fs::remove_file(folder.path().join("dir/link")).unwrap();
    fs::write(folder.path().join("dir").join(bad), "").unwrap();
    let error = survey(folder.path()).unwrap_err();
    assert_eq!(error.to_string(), r#""dir/\xFF" as a name is not UTF-8"#);
    assert_eq!(error.exit(), Exit::Input);
}

#[test]
fn a_time_that_no_slot_keeps_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dir")).unwrap();
    let file = File::create(folder.path().join("dir/old")).unwrap();
    let at = |seconds| std::time::UNIX_EPOCH - std::time::Duration::from_secs(seconds);
    file.set_modified(at((1 << 31) - 1)).unwrap();
    assert_eq!(records(folder.path())[1].mtime, -2_147_483_647);
    // Some file systems keep the year 1850, others what ext4 makes of it.
    for seconds in [1 << 31, 3_786_912_000] {
        file.set_modified(at(seconds)).unwrap();
        let error = survey(folder.path()).unwrap_err();
        assert!(
            error.to_string().starts_with("dir/old is of before 1901-12-13T20:45:53Z (mtime -"),
            "{error}"
        );
        assert!(error.to_string().ends_with("give it another time with touch"), "{error}");
        assert_eq!(error.exit(), Exit::Input);
    }
}

#[test]
fn a_time_to_come_however_far_becomes_that_of_the_build() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seconds) in [("in-2191", 7_000_000_000), ("in-2500", 16_725_225_600)] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        File::create(folder.path().join(name)).unwrap().set_modified(time).unwrap();
    }
    assert_eq!(records(folder.path()).iter().map(|record| record.mtime).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_walk_ahead_meets_what_a_walk_meets_and_ends_with_who_meets() {
    let folder = tempfile::tempdir().unwrap();
    // More than are handed on before somebody meets them.
    for n in 0..5000 {
        fs::write(folder.path().join(format!("{n:04}")), "").unwrap();
    }
    let root = folder.path();
    let paths = |how: &dyn Fn(&mut Vec<String>) -> Result<(), Refused>| {
        let mut met = Vec::new();
        let ended = how(&mut met);
        (met, ended.map_err(|refused| refused.to_string()))
    };
    let all = || {
        let keep = |met: &mut Vec<String>, entry: Entry| {
            met.push(entry.path.to_string());
            Ok(())
        };
        let plain = paths(&|met| walk(root, &mut |entry| keep(met, entry)));
        let ahead = paths(&|met| walk_ahead(root, &mut |entry| keep(met, entry)));
        assert!(
            plain == ahead,
            "{} and {} paths, {:?} and {:?}",
            plain.0.len(),
            ahead.0.len(),
            plain.1,
            ahead.1
        );
        plain
    };
    assert_eq!((all().0.len(), all().1), (5000, Ok(())));
    let mut left = 3;
    let few = walk_ahead(root, &mut |entry: Entry| {
        left -= 1;
        if left > 0 { Ok(()) } else { Err(Refused::Huge { path: entry.path.to_string(), size: 0 }) }
    });
    assert!(matches!(few, Err(Refused::Huge { path, .. }) if path == "0002"));
    File::create(root.join("4999")).unwrap().set_len(walk::FILE_LIMIT + 1).unwrap();
    let (met, ended) = all();
    assert!(met.len() == 4999 && ended.is_err(), "{ended:?}");
}
