//! What the programs `gzip` and `lz4` write is opened and packed again to the same bytes; what is no such
//! file, or a damaged one, is refused.

use std::fs::File;
use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use super::*;

/// What a program writes for an input that is a regular file.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    let output = Command::new(program).args(arguments).stdin(file).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; install it: apt-get install {program}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", output.status);
    output.stdout
}

fn gzip(level: u8, input: &[u8]) -> Vec<u8> {
    run("gzip", &[&format!("-{level}n")], input)
}

fn lz4(input: &[u8]) -> Vec<u8> {
    run("lz4", &["-l", "-9", "-q", "-c"], input)
}

fn unpacked(form: &Form, packed: &[u8]) -> Result<Vec<u8>, RepackError> {
    let mut to = Vec::new();
    unpack(form, &mut &packed[..], &mut to).map(|()| to)
}

fn repacked(form: &Form, unpacked: &[u8]) -> Result<Vec<u8>, RepackError> {
    let mut to = Vec::new();
    repack(form, &mut &unpacked[..], &mut to).map(|()| to)
}

/// Opens a file, packs it again, and returns its form.
fn there_and_back(packed: &[u8], expected: &[u8], what: &str) -> String {
    let (form, content) = open(packed).unwrap_or_else(|| panic!("{what}: not opened"));
    assert!(content == expected, "{what}: other content");
    assert!(unpacked(&form, packed).unwrap() == content, "{what}: the stream has other content");
    assert!(repacked(&form, &content).unwrap() == packed, "{what}: other bytes");
    form.to_string()
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }
}

/// Contents of each kind, `length` bytes long.
fn contents(length: usize, seed: u64) -> [(&'static str, Vec<u8>); 6] {
    let mut random = Random(seed | 1);
    let noise: Vec<u8> = (0..length).map(|_| random.next(256) as u8).collect();
    let words: Vec<Vec<u8>> = (0..400)
        .map(|_| (0..2 + random.next(9)).map(|_| b'a' + random.next(20) as u8).chain([b' ']).collect())
        .collect();
    let mut text = Vec::new();
    let mut mixed = Vec::new();
    let mut pairs = Vec::new();
    while text.len() < length {
        text.extend_from_slice(&words[random.next(20).pow(2)]);
    }
    while mixed.len() < length {
        let n = 1 + random.next(900);
        match random.next(4) {
            0 => mixed.extend((0..n).map(|_| random.next(256) as u8)),
            1 => mixed.extend(std::iter::repeat_n(random.next(3) as u8, 5 * n)),
            2 => mixed.extend_from_slice(&text[..n.min(text.len())]),
            _ => {
                let begin = random.next(mixed.len() + 1);
                let end = mixed.len().min(begin + n);
                mixed.extend_from_within(begin..end);
            }
        }
    }
    while pairs.len() < length {
        pairs.push(random.next(2) as u8);
    }
    for content in [&mut text, &mut mixed] {
        content.truncate(length);
    }
    [
        ("noise", noise),
        ("text", text),
        ("mixed", mixed),
        ("pairs", pairs),
        ("zeros", vec![0; length]),
        ("period", (0..length).map(|i| (i % 251) as u8).collect()),
    ]
}

#[test]
fn every_level_of_gzip_is_packed_again_to_the_same_bytes() {
    let window = 32 << 10;
    let edges =
        [window - 262, window - 1, window, window + 1, 2 * window - 262, 2 * window, 3 * window - 262];
    let small = [1, 2, 3, 258, 259, 1000];
    for (i, length) in small.into_iter().chain(edges).enumerate() {
        for (kind, content) in contents(length, 77 + i as u64) {
            (1..=9).for_each(|level| gzip_and_back(level, kind, &content));
        }
    }
}

#[test]
fn large_members_of_gzip_are_packed_again_to_the_same_bytes() {
    // Not the kinds that take gzip itself seconds at its best levels.
    for (kind, content) in contents(1_200_000, 55).into_iter().filter(|(kind, _)| *kind != "pairs") {
        (1..=9).for_each(|level| gzip_and_back(level, kind, &content));
    }
}

fn gzip_and_back(level: u8, kind: &str, content: &[u8]) {
    let what = format!("gzip -{level} of {} bytes of {kind}", content.len());
    let packed = gzip(level, content);
    let (codec, length) = (Codec::Gzip(Level::new(level).unwrap()), content.len() as u64);
    let form = Form::new(vec![Part::Raw { length: 10 }, Part::Packed { codec, length }]).unwrap();
    let expected = [&packed[..10], content].concat();
    assert!(unpacked(&form, &packed).unwrap() == expected, "{what}: other content");
    assert!(repacked(&form, &expected).unwrap() == packed, "{what}: other bytes");
}

#[test]
fn lz4_frames_of_level_9_are_packed_again_to_the_same_bytes() {
    let lengths = [1, 4, 12, 13, 14, 17, 18, 100, 65535, 65536, 65537, 200_000];
    for (i, length) in lengths.into_iter().enumerate() {
        for (kind, content) in contents(length, 99 + i as u64) {
            lz4_and_back(kind, &content);
        }
    }
}

#[test]
fn lz4_frames_of_several_blocks_are_packed_again_to_the_same_bytes() {
    for length in [8 << 20, (8 << 20) + 1] {
        let quick = ["noise", "zeros", "mixed"];
        for (kind, content) in contents(length, 98).into_iter().filter(|(kind, _)| quick.contains(kind)) {
            lz4_and_back(kind, &content);
        }
    }
}

fn lz4_and_back(kind: &str, content: &[u8]) {
    let what = format!("lz4 of {} bytes of {kind}", content.len());
    let packed = lz4(content);
    let form: Form = format!("1,lz4-9:{}", content.len()).parse().unwrap();
    assert!(unpacked(&form, &packed).unwrap() == content, "{what}: other content");
    assert!(repacked(&form, content).unwrap() == packed, "{what}: other bytes");
    assert!(open(&packed).is_some_and(|(found, _)| found == form), "{what}: not opened");
}

#[test]
fn the_level_comes_from_the_header_or_by_trying() {
    let [.., (_, mixed), _, _, _] = contents(60_000, 5);
    for level in [1, 2, 5, 6, 8, 9] {
        let packed = gzip(level, &mixed);
        let form = there_and_back(&packed, &[&packed[..10], &mixed].concat(), "mixed");
        assert_eq!(form, format!("1,raw:10,gzip-{level}:60000"));
    }
}

#[test]
fn members_are_found_wherever_they_stand() {
    let [(_, noise), (_, text), (_, mixed), ..] = contents(40_000, 3);
    let named = {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("changelog"), &text).unwrap();
        let path = folder.path().join("changelog");
        run("gzip", &["-6", "-c", path.to_str().unwrap()], b"")
    };
    let kernel = [&noise[..512], &lz4(&mixed), &40_000_u32.to_le_bytes(), &named, &gzip(9, &mixed)].concat();
    let expected = [&noise[..512], &mixed, &40_000_u32.to_le_bytes(), &named[..20], &text].concat();
    let header = &gzip(9, b"")[..10];
    let form = there_and_back(&kernel, &[&expected, header, &mixed].concat(), "a kernel");
    assert_eq!(form, "1,raw:512,lz4-9:40000,raw:24,gzip-6:40000,raw:10,gzip-9:40000");
}

#[test]
fn what_cannot_be_packed_again_stays_closed() {
    let [(_, noise), (_, text), ..] = contents(40_000, 4);
    let zlib_like = {
        // A stored block where gzip would have compressed: a sound stream, and not its.
        let length = text.len() as u16;
        let head = [&gzip(9, b"")[..10], &[1], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
        [&head, &text[..], &gzip(9, &text)[gzip(9, &text).len() - 8..]].concat()
    };
    let mut wrong_sum = gzip(9, &text);
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    let whole = gzip(9, &text);
    for closed in
        [&b""[..], b"text", &noise, &gzip(9, b""), &zlib_like, &wrong_sum, &whole[..whole.len() - 1]]
    {
        assert!(open(closed).is_none(), "{} bytes", closed.len());
    }
    let fast = run("lz4", &["-l", "-1", "-q", "-c"], &text);
    assert!(open(&fast).is_none());
}

#[test]
fn more_members_than_a_form_holds_stay_packed() {
    let member = gzip(9, b"one of many");
    let (form, content) = open(&member.repeat(100)).unwrap();
    assert_eq!(form.parts().len(), PARTS_LIMIT - 1);
    assert_eq!(repacked(&form, &content).unwrap(), member.repeat(100));
}

#[test]
fn a_length_that_is_not_that_of_the_bytes_is_found() {
    let [_, (_, text), ..] = contents(9_000, 6);
    for (kind, packed, head) in [("gzip-9", gzip(9, &text), 10), ("lz4-9", lz4(&text), 0)] {
        let prefix = if head > 0 { format!("1,raw:{head},{kind}:") } else { format!("1,{kind}:") };
        let form = |length: u64| format!("{prefix}{length}").parse::<Form>().unwrap();
        let content = [&packed[..head], &text].concat();
        assert_eq!(unpacked(&form(9_000), &packed).unwrap(), content);
        for wrong in [1, 8_999, 9_001, 1 << 29, (1 << 30) - 10] {
            assert!(unpacked(&form(wrong), &packed).is_err(), "{kind} {wrong}");
            assert!(matches!(repacked(&form(wrong), &content), Err(RepackError::Length)), "{kind} {wrong}");
        }
        let longer = [&packed[..], b"x"].concat();
        assert!(matches!(unpacked(&form(9_000), &longer), Err(RepackError::Length)), "{kind}");
    }
}

#[test]
fn damaged_members_are_refused_or_have_another_content_and_never_grow_beyond_their_length() {
    struct Bounded(u64);
    impl Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len() as u64).expect("no more than the form says");
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let [_, _, (_, mixed), (_, pairs), ..] = contents(3_000, 8);
    let mut random = Random(9);
    for content in [mixed, pairs] {
        for packed in [gzip(9, &content), gzip(1, &content), lz4(&content)] {
            let (form, _) = open(&packed).unwrap();
            for cut in 0..packed.len() {
                assert!(unpacked(&form, &packed[..cut]).is_err(), "cut at {cut}");
            }
            for bit in 0..8 * packed.len() {
                let mut damaged = packed.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                if random.next(2) == 0 {
                    let at = random.next(damaged.len());
                    damaged[at] = random.next(256) as u8;
                }
                // Whatever comes of it, it comes without a panic and within bounds.
                let _ = unpack(&form, &mut &damaged[..], &mut Bounded(form.length()));
                if bit % 8 == 0 {
                    let _ = open(&damaged);
                }
            }
        }
    }
}

#[test]
fn noise_behind_a_magic_number_is_refused() {
    let mut random = Random(10);
    for _ in 0..3_000 {
        let noise: Vec<u8> = (0..random.next(400)).map(|_| random.next(256) as u8).collect();
        for magic in [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3][..], &[2, 0x21, 0x4c, 0x18, 200, 0, 0, 0]] {
            let file = [magic, &noise].concat();
            if let Some((form, content)) = open(&file) {
                assert_eq!(repacked(&form, &content).unwrap(), file);
            }
            for form in ["1,raw:10,gzip-9:65536", "1,lz4-9:65536"] {
                assert!(unpacked(&form.parse().unwrap(), &file).is_err());
            }
        }
    }
}

#[test]
fn a_damaged_text_is_another_form_or_none() {
    let text = "1,raw:10,gzip-9:51234,raw:3,lz4-9:50000000";
    for bit in 0..8 * text.len() {
        let mut damaged = text.as_bytes().to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(damaged) = std::str::from_utf8(&damaged)
            && let Ok(form) = damaged.parse::<Form>()
        {
            assert_eq!(form.to_string(), damaged);
        }
    }
}
