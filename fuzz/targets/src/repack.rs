//! The forms of packed files, and the codecs behind them.

use std::io::{Read, Write};

use edeploy_format::repack::{self, Codec, Form, Level, Part};
use flate2::read::DeflateDecoder;

use crate::input::Input;

/// Forms and contents are no longer here: what is longer takes longer, and does nothing else.
const MOST: usize = 1 << 16;

/// What is packed is unpacked to what it was, by this code and, where it is deflate, by another.
pub(crate) fn repack(data: &[u8]) {
    let mut input = Input(data);
    let codec = Level::new(input.byte() % 10).map_or(Codec::Lz4, Codec::Gzip);
    let content = input.0;
    if content.len() > MOST {
        return;
    }
    let Some(form) = Form::new(vec![Part::Packed { codec, length: content.len() as u64 }]) else { return };
    let mut packed = Vec::new();
    repack::repack(&form, &mut &*content, &mut packed).expect("a content can be packed");
    assert!(packed.len() <= content.len() + content.len() / 8 + 64, "{} of {}", packed.len(), content.len());
    let mut unpacked = Vec::new();
    repack::unpack(&form, &mut &*packed, &mut unpacked).expect("what was packed can be unpacked");
    assert_eq!(unpacked, content);
    if let Codec::Gzip(_) = codec {
        let (deflate, trailer) = packed.split_at(packed.len() - 8);
        let mut other = Vec::new();
        DeflateDecoder::new(deflate).read_to_end(&mut other).expect("another decoder reads it");
        assert_eq!(other, content);
        assert_eq!(trailer[4..], u32::try_from(content.len()).expect("short").to_le_bytes());
    }
}

/// What is unpacked is as long as its form says, and packed again it unpacks to the same. Forms have one text.
pub(crate) fn unpack(data: &[u8]) {
    let mut input = Input(data);
    let Ok(text) = std::str::from_utf8(input.until(b'\n')) else { return };
    let Ok(form) = text.parse::<Form>() else { return };
    assert_eq!(form.to_string(), text, "a form has one text");
    if form.length() > MOST as u64 {
        return;
    }
    let mut unpacked = Bounded(Vec::new(), form.length());
    if repack::unpack(&form, &mut input.0, &mut unpacked).is_err() {
        return;
    }
    let unpacked = unpacked.0;
    assert_eq!(unpacked.len() as u64, form.length());
    let (mut packed, mut again) = (Vec::new(), Vec::new());
    repack::repack(&form, &mut &*unpacked, &mut packed).expect("what was unpacked can be packed");
    repack::unpack(&form, &mut &*packed, &mut again).expect("and unpacked again");
    assert_eq!(again, unpacked);
}

/// A file is given a form only where that makes the same file again.
pub(crate) fn open(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    if let Some((form, unpacked)) = repack::open(data) {
        let mut packed = Vec::new();
        repack::repack(&form, &mut &*unpacked, &mut packed).expect("it was tried");
        assert_eq!(packed, data);
    }
    if let Some((form, unpacked)) = repack::open_to_unpack(data) {
        let mut again = Vec::new();
        repack::unpack(&form, &mut &*data, &mut again).expect("it was unpacked");
        assert_eq!(again, unpacked);
    }
}

/// Takes no more than it should be given.
struct Bounded(Vec<u8>, u64);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        assert!(self.0.len() as u64 <= self.1, "more than the form says");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
