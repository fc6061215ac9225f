use super::*;
use crate::digest::Digest;
use crate::path::TreePath;

fn head(entries: u64) -> Head {
    Head {
        role: "web".parse().unwrap(),
        version: "D12-1.0.0".parse().unwrap(),
        serial: 7,
        architecture: "amd64".parse().unwrap(),
        built: 1_780_000_000,
        kernel: TreePath::new("boot/vmlinuz").unwrap(),
        initrd: TreePath::new("boot/initrd.img").unwrap(),
        loader: TreePath::new("usr/lib/systemd/boot/efi/systemd-bootx64.efi").unwrap(),
        options: "console=ttyS0 panic=5".to_owned(),
        slot_size: 4 << 30,
        persistent: vec![TreePath::new("etc/hostname").unwrap()],
        ostree: None,
        updater: "0.1.0".to_owned(),
        entries,
        bytes: 3,
    }
}

fn record(path: &str, kind: Kind) -> Record {
    Record {
        path: TreePath::new(path).unwrap(),
        mode: 0o755,
        owner: Owner { uid: 0, gid: 33 },
        mtime: -1,
        xattrs: Vec::new(),
        kind,
    }
}

fn file() -> Kind {
    Kind::File { size: 3, digest: Digest::of(b"abc") }
}

fn sample() -> Vec<Record> {
    let first = TreePath::new("bin/a b").unwrap();
    let mut capable = record("bin/a b", file());
    capable.xattrs = vec![Xattr { name: "security.capability".to_owned(), value: vec![1, 0, 255] }];
    let mut linked = record("bin/b", Kind::HardLink { size: 3, digest: Digest::of(b"abc"), first });
    linked.xattrs = capable.xattrs.clone();
    vec![
        record("bin", Kind::Folder),
        capable,
        linked,
        record("bin-old", Kind::Symlink { target: "../a b\n".to_owned() }),
    ]
}

fn write(head: &Head, records: &[Record]) -> Result<(Vec<u8>, Digest), ManifestError> {
    let mut writer = Writer::new(Vec::new(), head)?;
    records.iter().try_for_each(|r| writer.record(r))?;
    writer.finish()
}

fn read(bytes: &[u8]) -> Result<(Head, Vec<Record>), ManifestError> {
    let mut reader = Reader::new(bytes)?;
    let records = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((reader.head().clone(), records))
}

#[test]
fn a_manifest_survives_its_text() {
    let (bytes, digest) = write(&head(4), &sample()).unwrap();
    assert_eq!(digest, Digest::of(&bytes));
    assert_eq!(read(&bytes).unwrap(), (head(4), sample()));
}

#[test]
fn a_record_is_found_again_by_its_offset() {
    let (bytes, _) = write(&head(4), &sample()).unwrap();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    reader.next_record().unwrap();
    let offset = usize::try_from(reader.offset()).unwrap();
    let second = reader.next_record().unwrap().unwrap();
    assert_eq!(record_at(&mut &bytes[offset..]).unwrap(), second);
}

#[test]
fn every_truncation_is_found() {
    let (bytes, _) = write(&head(4), &sample()).unwrap();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn disorder_orphans_and_duplicates_are_refused() {
    let folder = || record("bin", Kind::Folder);
    let cases = [
        vec![folder(), folder()],
        vec![record("b", file()), record("a", file())],
        vec![record("bin/a", file())],
        vec![record("bin", file()), record("bin/a", file())],
        vec![folder(), record("lib", Kind::Folder), record("bin/a", file())],
        vec![record(
            "a",
            Kind::HardLink { size: 0, digest: Digest::of(b""), first: TreePath::new("b").unwrap() },
        )],
    ];
    for records in cases {
        let result = write(&head(records.len() as u64), &records);
        assert!(matches!(result, Err(ManifestError::Order { .. })), "{records:?}");
    }
}

#[test]
fn nothing_may_lie_in_the_updaters_folder() {
    let records =
        ["usr", "usr/lib", "usr/lib/edeploy", "usr/lib/edeploy/slot"].map(|p| record(p, Kind::Folder));
    write(&head(4), &records).unwrap();
    let mut writer = Writer::new(Vec::new(), &head(5)).unwrap();
    records.iter().for_each(|r| writer.record(r).unwrap());
    let result = writer.record(&record("usr/lib/edeploy/slot/manifest", file()));
    assert!(matches!(result, Err(ManifestError::Reserved { number: 5, .. })));
}

#[test]
fn a_wrong_count_is_refused() {
    assert!(matches!(write(&head(5), &sample()), Err(ManifestError::Count { expected: 5, found: 4 })));
}

#[test]
fn options_that_the_kernel_would_cut_are_refused_on_both_sides() {
    let head = |length| Head { options: "x".repeat(length), ..head(0) };
    write(&head(1684), &[]).unwrap();
    let error = write(&head(1685), &[]).unwrap_err();
    let ManifestError::Head(error) = error else { panic!("{error}") };
    assert_eq!(
        error.to_string(),
        "head line `options`: the role's kernel arguments have 1685 bytes; beside the machine's own the kernel takes 1684"
    );
    assert_eq!(head(1685).to_string().parse::<Head>(), Err(error));
}

#[test]
fn a_head_has_one_form() {
    let text = head(4).to_string();
    assert_eq!(text.parse::<Head>(), Ok(head(4)));
    for (from, to) in
        [("serial 7", "serial +7"), ("serial 7", "serial 07"), ("7\n", "7\r\n"), ("bytes 3\n", "bytes 3\n\n")]
    {
        let text = text.replacen(from, to, 1);
        assert!(text.parse::<Head>().is_err(), "{text}");
    }
}

#[test]
fn malformed_lines_are_refused_with_the_field_named() {
    let good = "a f 0644 0 0 0 - 3 6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85 -";
    assert!(good.parse::<Record>().is_ok());
    for (from, to, name) in [
        (" f ", " x ", "type"),
        ("0644", "644", "mode"),
        ("0644", "17777", "mode"),
        ("0 0 0 -", "0 -1 0 -", "gid"),
        (" 3 ", " -3 ", "size"),
        (" 3 ", " +3 ", "size"),
        (" 3 ", " 03 ", "size"),
        ("0 0 0 -", "00 0 0 -", "uid"),
        ("0 0 0 -", "0 0 -0 -", "mtime"),
        ("0 0 0 -", "0 0 -2147483649 -", "mtime"),
        ("0 0 0 -", "0 0 15032385536 -", "mtime"),
        ("6437", "643", "digest"),
        ("85 -", "85 t", "target"),
        (" - 3", " user.b=00,user.a=00 3", "xattrs"),
        (" - 3", " user=00 3", "xattrs"),
    ] {
        let line = good.replacen(from, to, 1);
        assert!(matches!(line.parse::<Record>(), Err(RecordError::Field(n, _)) if n == name), "{line}");
    }
    for mtime in ["-2147483648", "15032385535"] {
        assert!(good.replacen("0 0 0", &format!("0 0 {mtime}"), 1).parse::<Record>().is_ok(), "{mtime}");
    }
    assert_eq!("a d".parse::<Record>(), Err(RecordError::Fields(2)));
    assert!(matches!("../a d 0755 0 0 0 - - - -".parse::<Record>(), Err(RecordError::Path(_))));
}
