//! Packs of trees made here, unpacked again.

use std::fs;

use edeploy_format::manifest::Head;
use edeploy_format::pack::IndexReader;

use super::*;
use crate::scan;

/// Packs the tree below `root` as a role version; gives pack, index and the sums.
fn packed(root: &Path) -> (Vec<u8>, Vec<u8>, Packed) {
    packed_after(root, &Earlier::default())
}

fn packed_after(root: &Path, earlier: &Earlier) -> (Vec<u8>, Vec<u8>, Packed) {
    let (mut pack, mut index) = (Vec::new(), Vec::new());
    let sum = write(root, &plan(root), &mut pack, &mut index, earlier, |_| ()).unwrap();
    (pack, index, sum)
}

/// The plan of the tree below `root` as a role version.
fn plan(root: &Path) -> Plan {
    let survey = scan::survey(root).unwrap();
    let head: Head = format!(
        "edeploy-manifest 1\nrole web\nversion 1\nserial 1\narchitecture amd64\nbuilt 1\nkernel k\ninitrd i\n\
         loader l\noptions =\nslot-size 1\nostree -\nupdater 0.1.0\nentries {}\nbytes {}\n",
        survey.entries, survey.bytes
    )
    .parse()
    .unwrap();
    let (manifest, _) =
        scan::write_manifest(root, &head, &scan::contents(root).unwrap(), Vec::new()).unwrap();
    Plan::of(root, &mut Reader::new(&manifest[..]).unwrap()).unwrap()
}

/// What the pack holds: the contents in order, put together from their pieces.
fn unpacked(pack: &[u8], index: &[u8]) -> Vec<Vec<u8>> {
    let mut contents: Vec<Vec<u8>> = Vec::new();
    for frame in IndexReader::new(index).unwrap() {
        let frame = frame.unwrap();
        let compressed = &pack[frame.offset as usize..][..frame.compressed as usize];
        assert_eq!(Digest::of(compressed), frame.digest);
        let bytes = zstd::bulk::decompress(compressed, FRAME_LIMIT as usize).unwrap();
        assert_eq!(bytes.len(), frame.length as usize);
        let mut rest = &bytes[..];
        for piece in frame.pieces {
            if piece.offset == 0 {
                contents.push(Vec::new());
            }
            let content = contents.last_mut().unwrap();
            assert_eq!(content.len() as u64, piece.offset);
            content.extend(&rest[..piece.length as usize]);
            rest = &rest[piece.length as usize..];
        }
    }
    contents
}

#[test]
fn every_content_comes_back_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..2 * FRAME_LIMIT + 5).map(|n| (n % 251) as u8).collect();
    let medium = vec![7; SHARED as usize + 1];
    let full = vec![8; SHARED as usize];
    for (name, content) in [("a", &b"one"[..]), ("b", &large), ("c", b"one"), ("d", b""), ("e", b"two")] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::write(folder.path().join("f"), &medium).unwrap();
    fs::write(folder.path().join("g"), &full).unwrap();
    let (pack, index, sum) = packed(folder.path());
    let expected: [&[u8]; 5] = [b"one", &large, b"two", &medium, &full];
    assert_eq!(unpacked(&pack, &index), expected);
    let contents = expected.iter().map(|c| c.len() as u64).sum();
    assert_eq!(sum, Packed { compressed: pack.len() as u64, contents, frames: 7 });
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..300_u32 {
        fs::write(folder.path().join(n.to_string()), vec![n as u8; 9000 + n as usize]).unwrap();
    }
    assert_eq!(packed(folder.path()), packed(folder.path()));
}

#[test]
fn a_file_that_changes_under_the_build_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "before").unwrap();
    let head = "edeploy-manifest 1\nrole web\nversion 1\nserial 1\narchitecture amd64\nbuilt 1\nkernel k\ninitrd i\n\
                loader l\noptions =\nslot-size 1\nostree -\nupdater 0.1.0\nentries 1\nbytes 6\n";
    let contents = scan::contents(folder.path()).unwrap();
    let (manifest, _) =
        scan::write_manifest(folder.path(), &head.parse().unwrap(), &contents, Vec::new()).unwrap();
    for after in ["behind", "short"] {
        fs::write(folder.path().join("a"), after).unwrap();
        let plan = Plan::of(folder.path(), &mut Reader::new(&manifest[..]).unwrap()).unwrap();
        let (mut pack, mut index) = (Vec::new(), Vec::new());
        let error =
            write(folder.path(), &plan, &mut pack, &mut index, &Earlier::default(), |_| ()).unwrap_err();
        assert!(matches!(error, PackError::Changed(ref path) if path.as_str() == "a"), "{error}");
    }
}

#[test]
fn frames_of_an_earlier_pack_are_taken_where_they_are_whole_and_the_same() {
    let (tree, builds) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = |name: &str, byte: u8| {
        fs::write(tree.path().join(name), vec![byte; SHARED as usize + 1]).unwrap();
    };
    ["a", "b", "c"].into_iter().zip(1..).for_each(|(name, byte)| content(name, byte));
    let (role, other) = ("web".parse().unwrap(), "web2".parse().unwrap());
    assert_eq!(packed_after(tree.path(), &Earlier::find(builds.path(), &role)), packed(tree.path()));

    // A pack whose first frame is compressed in another way, to know it again, and whose last is damaged.
    let (pack, index, _) = packed(tree.path());
    let frames: Vec<Frame> = IndexReader::new(&index[..]).unwrap().map(Result::unwrap).collect();
    let (mut marked, mut lines) = (Vec::new(), index_head());
    for (n, frame) in frames.iter().enumerate() {
        let bytes = &pack[frame.offset as usize..][..frame.compressed as usize];
        let plain = zstd::bulk::decompress(bytes, FRAME_LIMIT as usize).unwrap();
        let bytes = if n == 0 { zstd::bulk::compress(&plain, -5).unwrap() } else { bytes.to_vec() };
        let compressed = u32::try_from(bytes.len()).unwrap();
        lines += &Frame { compressed, digest: Digest::of(&bytes), ..frame.clone() }.to_string();
        marked.extend(bytes);
    }
    *marked.last_mut().unwrap() ^= 1;
    let folder = builds.path().join("web@1");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("pack"), &marked).unwrap();
    fs::write(folder.join("pack-index"), &lines).unwrap();

    content("b", 9);
    let earlier = Earlier::find(builds.path(), &role);
    let (again, index, _) = packed_after(tree.path(), &earlier);
    assert_eq!(unpacked(&again, &index), unpacked(&packed(tree.path()).0, &packed(tree.path()).1));
    let first = IndexReader::new(&index[..]).unwrap().next().unwrap().unwrap().compressed as usize;
    assert_eq!(again[..first], marked[..first]);
    assert_ne!(again, packed(tree.path()).0);
    assert_eq!(packed_after(tree.path(), &Earlier::find(builds.path(), &other)), packed(tree.path()));
}

#[test]
fn a_tree_that_is_the_one_before_it_has_its_pack_and_no_other_has() {
    let (tree, builds, out) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, length) in [("a", 5), ("b", FRAME_LIMIT as usize + 9), ("c", SHARED as usize + 1)] {
        fs::write(tree.path().join(name), vec![length as u8; length]).unwrap();
    }
    let folder = builds.path().join("web@1");
    fs::create_dir(&folder).unwrap();
    let (pack, index, sum) = packed(tree.path());
    let shared = || {
        let earlier = Earlier::find(builds.path(), &"web".parse().unwrap());
        let shared = earlier.share(&plan(tree.path()), out.path()).unwrap();
        let there = ["pack", "pack-index"].map(|name| out.path().join(name));
        let files = there.clone().map(|path| fs::read(path).unwrap_or_default());
        there.iter().for_each(|path| drop(fs::remove_file(path)));
        (shared, files)
    };
    let nothing = (None, [vec![], vec![]]);
    assert_eq!(shared(), nothing, "there is none");
    let lay = |pack: &[u8]| fs::write(folder.join("pack"), pack).unwrap();
    fs::write(folder.join("pack-index"), &index).unwrap();
    lay(&pack);
    assert_eq!(shared(), (Some(sum), [pack.clone(), index.clone()]));
    let mut bad = pack.clone();
    bad[3] ^= 1;
    lay(&bad);
    assert_eq!(shared(), nothing, "damaged");
    lay(&[&pack[..], b"more"].concat());
    assert_eq!(shared(), nothing, "longer");
    lay(&pack);
    fs::write(tree.path().join("d"), "more").unwrap();
    assert_eq!(shared(), nothing, "a file more");
    ["d", "c"].iter().for_each(|name| fs::remove_file(tree.path().join(name)).unwrap());
    assert_eq!(shared(), nothing, "a file less");
}

#[test]
fn contents_of_a_source_package_stand_together_and_end_a_frame_that_is_long_enough() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let database = "usr/lib/sysimage/dpkg";
    let status = |name: &str| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n")
    };
    write(&format!("{database}/status"), (status("one") + &status("two")).as_bytes());
    let long = LEAST as usize;
    for (n, package) in ["two", "one", "two", "one"].into_iter().enumerate() {
        let name = format!("usr/{n}");
        write(&name, &vec![n as u8 + 1; if n == 3 { long } else { 100 }]);
        let list = format!("{database}/info/{package}.list");
        let before = fs::read_to_string(folder.path().join(&list)).unwrap_or_default();
        write(&list, format!("{before}/{name}\n").as_bytes());
    }
    let (pack, index, _) = packed(folder.path());
    let frames: Vec<Frame> = IndexReader::new(&index[..]).unwrap().map(Result::unwrap).collect();
    let lengths: Vec<Vec<u32>> =
        frames.iter().map(|frame| frame.pieces.iter().map(|piece| piece.length).collect()).collect();
    // What no package has, then the files of each with the list of them.
    let status = u32::try_from((status("one") + &status("two")).len()).unwrap();
    assert_eq!(lengths, [vec![status, 100, long as u32, 14], vec![100, 100, 14]]);
    assert_eq!(unpacked(&pack, &index).len(), 7);
}
