use super::*;
use crate::frames::{COMPRESSED_LIMIT, FRAME_LIMIT};

const HEAD: Head = Head { from: Digest([1; 32]), to: Digest([2; 32]) };

fn piece(text: &[u8], offset: u64, length: u32, [control, difference]: [u32; 2], bases: &[&[u8]]) -> Piece {
    let proof = (offset > 0).then(|| Digest::of(b"made"));
    let bases = bases.iter().map(|base| Digest::of(base).into()).collect();
    Piece { view: Digest::of(text).into(), offset, length, control, difference, proof, bases }
}

fn frame(offset: u64, compressed: u32, pieces: Vec<Piece>) -> Frame {
    let length = pieces.iter().map(|piece| u32::try_from(piece.streams()).unwrap()).sum();
    Frame { offset, compressed, length, digest: Digest::of(b"frame"), pieces }
}

fn frames() -> Vec<Frame> {
    let mut unpacked = piece(b"d", 0, 3, [1, 1], &[b"x"]);
    unpacked.view.form = "1,raw:10,gzip-9:51234".parse().ok();
    unpacked.bases[0].form = "1,lz4-9:50000000".parse().ok();
    vec![
        frame(0, 10, vec![piece(b"a", 0, 5, [3, 2], &[b"x", b"y"]), piece(b"b", 0, 7, [0, 0], &[])]),
        frame(10, 9, vec![piece(b"c", 4096, 1, [4, 1], &[b"x"]), unpacked]),
    ]
}

fn text(frames: &[Frame]) -> String {
    frames.iter().fold(HEAD.to_string(), |text, frame| text + &frame.to_string())
}

fn read(text: &str) -> Result<Vec<Frame>, IndexError> {
    let (head, reader) = IndexReader::new(text.as_bytes())?;
    assert_eq!(head, HEAD);
    reader.collect()
}

#[test]
fn an_index_survives_its_text() {
    assert_eq!(read(&text(&frames())).unwrap(), frames());
    assert_eq!(read(&HEAD.to_string()).unwrap(), []);
}

#[test]
fn each_piece_finds_its_streams_in_the_frame() {
    let frame = &frames()[0];
    // Control of a, difference of a, what a and b insert.
    let found: Vec<_> = patches(frame, b"CCCDDaaabbbbbbb")
        .map(|(_, patch)| [patch.control, patch.difference, patch.extra].map(<[u8]>::to_vec))
        .collect();
    let expected: [[&[u8]; 3]; 2] = [[b"CCC", b"DD", b"aaa"], [b"", b"", b"bbbbbbb"]];
    assert_eq!(found, expected.map(|streams| streams.map(<[u8]>::to_vec)));
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let changed = |change: fn(&mut Vec<Frame>)| {
        let mut frames = frames();
        change(&mut frames);
        text(&frames)
    };
    let hostile = [
        changed(|frames| frames[0].length += 1),
        changed(|frames| frames[1].pieces[0].difference = 2),
        changed(|frames| frames[0].compressed = COMPRESSED_LIMIT + 1),
        changed(|frames| frames[0].compressed = 0),
        changed(|frames| frames[1] = frame(10, 9, Vec::new())),
        changed(|frames| frames[1] = frame(10, 9, vec![piece(b"c", 0, FRAME_LIMIT, [1, 0], &[])])),
    ];
    for text in hostile {
        assert!(matches!(read(&text), Err(IndexError::Lengths(..))), "{text}");
    }
}

#[test]
fn a_piece_has_no_more_bases_than_it_may() {
    let with = |bases: usize| text(&[frame(0, 9, vec![piece(b"c", 7, 2, [1, 0], &vec![&b"x"[..]; bases])])]);
    assert_eq!(read(&with(BASES)).unwrap().len(), 1);
    assert!(matches!(read(&with(BASES + 1)), Err(IndexError::Line(_, 5))));
}

#[test]
fn a_cut_or_a_wrong_line_is_found() {
    let whole = text(&frames());
    for cut in (0..whole.len()).filter(|&cut| !whole[..cut].ends_with('\n')) {
        assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
    }
    for (right, wrong) in [
        ("edeploy-delta 1", "edeploy-delta 2"),
        ("\nfrom ", "\nform "),
        ("\nto ", "\nTo "),
        (" 5 3 2 ", " 5 +3 2 "),
        ("+1,raw:", "+2,raw:"),
        ("+1,raw:", "+"),
    ] {
        assert!(read(&whole.replacen(right, wrong, 1)).is_err(), "{wrong}");
    }
}

#[test]
fn a_frame_lists_no_more_than_a_host_must_be_able_to() {
    // 64 bases, each with a form of 64 parts, and the piece itself.
    let form: Form = format!("1{}", ",lz4-9:1".repeat(64)).parse().unwrap();
    let base = View { content: Digest::of(b"x"), form: Some(form) };
    let one = |n: u64| Piece { bases: vec![base.clone(); BASES], ..piece(b"c", n, 1, [0, 0], &[]) };
    let with = |pieces: u64| text(&[frame(0, 9, (0..pieces).map(one).collect())]);
    let each = 1 + BASES * 65;
    assert_eq!(frames::Piece::count(&one(0)), each);
    let most = (PIECES / each) as u64;
    assert_eq!(read(&with(most)).unwrap().len(), 1);
    assert!(matches!(read(&with(most + 1)), Err(IndexError::Lengths(..))));
}
