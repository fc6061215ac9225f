//! The build side: finds the members of a file, and keeps those that can be packed again bit by bit.
//!
//! A member may begin anywhere: a kernel image has its payload behind its boot code, an initrd often has
//! microcode before it. So all magic numbers are tried; what is none of a member soon fails to unpack.

use std::io::{self, Write};

use super::form::{Codec, Form, Level, PARTS_LIMIT, Part, UNPACKED_LIMIT};
use super::history::History;
use super::input::Input;
use super::{gzip, lz4, repack};

const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const LZ4: [u8; 4] = lz4::MAGIC.to_le_bytes();

/// The form of a file and its unpacked form; `None` where it holds no member that we can pack again.
#[must_use]
pub fn open(packed: &[u8]) -> Option<(Form, Vec<u8>)> {
    parts(packed, true)
}

/// As [`open`], for who will only unpack it: whether a member can be packed again does not matter, which takes most of
/// the time.
#[must_use]
pub fn open_to_unpack(packed: &[u8]) -> Option<(Form, Vec<u8>)> {
    parts(packed, false)
}

fn parts(packed: &[u8], again: bool) -> Option<(Form, Vec<u8>)> {
    let (mut parts, mut unpacked) = (Vec::new(), Vec::new());
    let (mut copied, mut at) = (0, 0);
    // A member brings two parts at most, and a raw one may follow the last.
    while at < packed.len() && parts.len() + 3 <= PARTS_LIMIT {
        let room = UNPACKED_LIMIT.saturating_sub((unpacked.len() + packed.len()) as u64);
        let Some(member) = member(&packed[at..], room, again) else {
            at += 1;
            continue;
        };
        let begin = at + member.head;
        raw(&packed[copied..begin], &mut parts, &mut unpacked);
        parts.push(Part::Packed { codec: member.codec, length: member.unpacked.len() as u64 });
        unpacked.extend_from_slice(&member.unpacked);
        at = begin + member.length;
        copied = at;
    }
    if parts.is_empty() {
        return None;
    }
    raw(&packed[copied..], &mut parts, &mut unpacked);
    Some((Form::new(parts)?, unpacked))
}

fn raw(bytes: &[u8], parts: &mut Vec<Part>, unpacked: &mut Vec<u8>) {
    if !bytes.is_empty() {
        parts.push(Part::Raw { length: bytes.len() as u64 });
        unpacked.extend_from_slice(bytes);
    }
}

struct Member {
    /// How many raw bytes stand before it.
    head: usize,
    codec: Codec,
    /// How long it is when packed.
    length: usize,
    unpacked: Vec<u8>,
}

/// The member that begins here.
fn member(bytes: &[u8], room: u64, again: bool) -> Option<Member> {
    if bytes.starts_with(&LZ4) {
        let (length, unpacked) = unpack_lz4(bytes, room)?;
        return (!again || same(&bytes[..length], Codec::Lz4, &unpacked)).then_some(Member {
            head: 0,
            codec: Codec::Lz4,
            length,
            unpacked,
        });
    }
    let head = if bytes.starts_with(&GZIP) { gzip_head(bytes)? } else { return None };
    let body = &bytes[head..];
    let (length, unpacked) = unpack_gzip(body, room)?;
    // The header says whether it was the best or the quickest level, and nothing of the others.
    let guess = match bytes[8] {
        2 => 9,
        4 => 1,
        _ => 6,
    };
    let levels = [guess, 9, 6, 1, 8, 7, 5, 4, 3, 2].into_iter().filter_map(Level::new);
    let codec = levels.map(Codec::Gzip).find(|codec| !again || same(&body[..length], *codec, &unpacked))?;
    Some(Member { head, codec, length, unpacked })
}

/// How long the header of a gzip member is (RFC 1952, section 2.3).
fn gzip_head(bytes: &[u8]) -> Option<usize> {
    const CHECKED: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const RESERVED: u8 = 0xe0;
    let flags = *bytes.get(3)?;
    let mut head = 10;
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let length = bytes.get(head..)?.first_chunk::<2>()?;
        head += 2 + usize::from(u16::from_le_bytes(*length));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            head += bytes.get(head..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    head += if flags & CHECKED != 0 { 2 } else { 0 };
    (head < bytes.len()).then_some(head)
}

/// What a member holds, and how long it is.
fn unpack_gzip(mut bytes: &[u8], room: u64) -> Option<(usize, Vec<u8>)> {
    let mut unpacked = Vec::new();
    let mut from = Input::new(&mut bytes);
    let mut to = History::new(&mut unpacked, room);
    gzip::unpack(&mut from, &mut to).ok()?;
    let length = usize::try_from(from.taken()).ok()?;
    to.flush().ok()?;
    Some((length, unpacked)).filter(|(_, unpacked)| !unpacked.is_empty())
}

/// As [`unpack_gzip`]. Only a block that is not full says that it is the last; where there is none, it is the
/// last that can be read.
fn unpack_lz4(bytes: &[u8], room: u64) -> Option<(usize, Vec<u8>)> {
    let (mut length, mut unpacked) = (LZ4.len(), Vec::new());
    loop {
        let before = unpacked.len();
        let left = room.saturating_sub(before as u64).min(lz4::BLOCK);
        let mut rest = &bytes[length..];
        let mut from = Input::new(&mut rest);
        let mut to = History::new(&mut unpacked, left);
        let read = lz4::block(&mut from, &mut to).and_then(|()| to.flush());
        if read.is_err() {
            unpacked.truncate(before);
            break;
        }
        length += usize::try_from(from.taken()).ok()?;
        if ((unpacked.len() - before) as u64) < lz4::BLOCK {
            break;
        }
    }
    Some((length, unpacked)).filter(|(_, unpacked)| !unpacked.is_empty())
}

/// Whether the codec makes these very bytes of the content.
fn same(packed: &[u8], codec: Codec, mut unpacked: &[u8]) -> bool {
    let Some(form) = Form::new(vec![Part::Packed { codec, length: unpacked.len() as u64 }]) else {
        return false;
    };
    let mut expected = Expected(packed);
    repack(&form, &mut unpacked, &mut expected).is_ok() && expected.0.is_empty()
}

/// Fails at the first byte that is another.
struct Expected<'a>(&'a [u8]);

impl Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
