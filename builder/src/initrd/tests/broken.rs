//! What is no initrd, what is a broken one, and what nobody would make.

use super::*;

#[test]
fn what_is_no_initrd_is_not_touched() {
    for image in [&b"initrd"[..], b"", b"\0\0\0\0", b"\x89LZO\0\r\n\x1a\n", b"MZ a unified image", b" 070701"]
    {
        assert_eq!(plain(image).unwrap(), None, "{image:?}");
    }
}

#[test]
fn a_broken_archive_is_refused_with_its_place() {
    let whole = ordinary();
    let at = |offset: usize, bytes: &[u8]| {
        let mut image = whole.clone();
        image[offset..offset + bytes.len()].copy_from_slice(bytes);
        refusal(&image)
    };
    let said =
        |at: usize, what: &str| format!("its cpio archive, at byte {at} of what it unpacks to: {what}");
    let within = "it ends within a record";
    assert_eq!(at(54, b"ffffffff"), said(0, within), "size");
    assert_eq!(at(94, b"ffffffff"), said(0, within), "length of the name");
    assert_eq!(at(54, b"fffffffd"), said(0, within), "size, rounded up");
    assert_eq!(at(94, b"00000000"), said(0, "a name that is empty or does not end with its only NUL"));
    assert_eq!(at(94, b"00000001"), said(0, "a name that is empty or does not end with its only NUL"));
    assert_eq!(at(6, b"0000000g"), said(0, "a number that is none"));
    assert_eq!(at(14, b"00003000"), said(0, "a mode of no kind of file"));
    assert_eq!(at(0, b"070707"), said(0, "no header of the format newc"));
    assert_eq!(at(112, b"x"), said(112, "no header of the format newc"));
    for length in 6..whole.len() - 3 {
        let message = refusal(&whole[..length]);
        assert!(message.contains("it ends within a "), "{length}: {message}");
    }
}

#[test]
fn a_path_of_many_links_and_long_names_are_refused() {
    let circle = archive(&[symlink("a", "b"), symlink("b", "a"), file("a/x", "")]);
    assert!(
        refusal(&circle).ends_with("at byte 232 of what it unpacks to: a path through a circle of links")
    );
    let long = "x".repeat(4096);
    assert!(refusal(&archive(&[file(&long, "")])).ends_with("a name longer than a path can be"));
    assert!(
        refusal(&archive(&[symlink("a", &long)]))
            .ends_with("a link whose target is empty or longer than a path can be")
    );
}

#[test]
fn what_follows_a_good_part_must_be_one_too() {
    let packed = piped("gzip", &["-c"], &ordinary());
    let message = refusal(&[&packed, &b"no archive"[..]].concat());
    let place = packed.len();
    assert_eq!(
        message,
        format!("what stands at byte {place} is neither a cpio archive nor compressed by a known program")
    );
    let message = refusal(&piped("gzip", &["-c"], b"no archive at all"));
    assert_eq!(message, "its cpio archive, at byte 0 of what it unpacks to: it ends within a header");
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let bomb = piped("gzip", &["-c", "-9"], &vec![0; 20 << 20]);
    let lz4 = piped("lz4", &["-c", "-l"], &vec![0; 20 << 20]);
    // Each path goes through a link whose target is far longer.
    let target = "deep/".repeat(800);
    let names: Vec<String> = (0..300).map(|n| format!("l/{n}")).collect();
    let link = [symlink("l", &target)].into_iter();
    let paths = archive(&link.chain(names.iter().map(|name| file(name, ""))).collect::<Vec<_>>());
    assert!(paths.len() < 1 << 20);
    for image in [bomb, lz4, paths, archive(&[file("a", &"x".repeat(2 << 20))])] {
        let error = plain_within(&image, 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it unpacks to more than 1048576 bytes");
    }
}

#[test]
fn with_any_bit_flipped_it_is_refused_or_taken_once_and_for_all() {
    let records = [hard_link("a", 7, ""), hard_link("./b", 7, "x"), symlink("c", "b"), file("kernel/y", "z")];
    let both = [archive(&records[3..]), archive(&records)].concat();
    let packed = |program, args: &[&str]| (1, piped(program, args, &both));
    let lz4 = packed("lz4", &["-c", "-l"]);
    let xz = packed("xz", &["-c", "--format=lzma"]);
    for (bits, image) in [(8, both.clone()), packed("zstd", &["-c", "-q"]), packed("bzip2", &["-c"]), lz4, xz]
    {
        for (at, bit) in (0..image.len()).flat_map(|at| (0..bits).map(move |bit| (at, bit))) {
            let mut flipped = image.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(Some(taken)) = plain_within(&flipped, 1 << 20) {
                assert_eq!(plain(&taken).unwrap().unwrap(), taken, "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn records_of_any_kind_in_any_order_are_settled_at_once() {
    let names = ["a", "b", "a/b", "a/b/c", "b/a", "a-", "kernel", "kernel/x", "./a/../b/c", "."];
    let targets = ["b", "/a/b", "..", "kernel", "none/x"];
    let mut seed = 1_u32;
    let mut any = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as usize % below
    };
    let mut taken = 0;
    for _ in 0..5_000 {
        let mut image = Vec::new();
        for _ in 0..1 + any(3) {
            let records = (0..any(7)).map(|_| {
                let name = names[any(names.len())];
                match any(4) {
                    0 => folder(name),
                    1 => symlink(name, targets[any(targets.len())]),
                    2 => file(name, targets[any(targets.len())]),
                    _ => hard_link(name, any(2) as u32, ["", "x", "yy"][any(3)]),
                }
            });
            image.extend(archive(&records.collect::<Vec<_>>()));
        }
        // Circles of links are refused.
        if let Ok(Some(plain)) = plain(&image) {
            assert!(made(&plain) == plain, "{}", String::from_utf8_lossy(&image));
            taken += 1;
        }
    }
    assert!(taken > 4_000, "{taken}");
}

#[test]
fn a_checksum_counts_where_there_is_one() {
    let mut image = archive(&[file("a", "ab")]);
    image[..6].copy_from_slice(b"070702");
    assert!(refusal(&image).ends_with("data that its checksum does not match"));
    image[102..110].copy_from_slice(b"000000c3");
    assert_eq!(made(&image), made(&archive(&[file("a", "ab")])));
}
