//! Manifests, indexes and patches.

use edeploy_format::delta::patch::{Patch, Step};
use edeploy_format::delta::{self, patches};
use edeploy_format::manifest::{Reader, Record, Writer};
use edeploy_format::pack;

use crate::input::Input;

/// So long may the streams of a frame be that are made up here.
const STREAMS: u32 = 1 << 16;

/// A manifest that is read to its end is the one text of what was read; so is a record alone.
pub(crate) fn manifest(data: &[u8]) {
    if let Some(record) = std::str::from_utf8(data).ok().and_then(|text| text.parse::<Record>().ok()) {
        assert_eq!(record.to_string().as_bytes(), data, "a record has one form");
    }
    let Ok(mut reader) = Reader::new(data) else { return };
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => break,
            Err(_) => return,
        }
    }
    let mut writer = Writer::new(Vec::new(), reader.head()).expect("a head that was read can be written");
    records.iter().for_each(|record| writer.record(record).expect("a record that was read can be written"));
    let (written, _) = writer.finish().expect("all were written");
    assert_eq!(written, data, "a manifest has one form");
}

/// The index of a pack that is read to its end is the one text of its frames.
pub(crate) fn pack_index(data: &[u8]) {
    let Ok(reader) = pack::IndexReader::new(data) else { return };
    let Ok(frames) = reader.collect::<Result<Vec<pack::Frame>, _>>() else { return };
    let text = frames.iter().fold(pack::index_head(), |text, frame| text + &frame.to_string());
    assert_eq!(text.as_bytes(), data, "an index has one form");
    for frame in &frames {
        let sum: u64 = frame.pieces.iter().map(|piece| u64::from(piece.length)).sum();
        assert_eq!(sum, u64::from(frame.length));
    }
}

/// The same of a delta; its streams can be cut as it says.
pub(crate) fn delta_index(data: &[u8]) {
    let Ok((head, reader)) = delta::IndexReader::new(data) else { return };
    let Ok(frames) = reader.collect::<Result<Vec<delta::Frame>, _>>() else { return };
    let text = frames.iter().fold(head.to_string(), |text, frame| text + &frame.to_string());
    assert_eq!(text.as_bytes(), data, "an index has one form");
    for frame in frames.iter().filter(|frame| frame.length <= STREAMS) {
        let streams = vec![0; frame.length as usize];
        for (piece, patch) in patches(frame, &streams) {
            assert_eq!(patch.control.len(), piece.control as usize);
            assert_eq!(patch.difference.len() + patch.extra.len(), piece.length as usize);
        }
    }
}

/// A patch makes as many bytes as its streams hold, or fails, and never more. Steps are read as they were written.
pub(crate) fn patch(data: &[u8]) {
    let mut input = Input(data);
    let (control, difference, base) = (input.byte(), input.byte(), input.byte());
    let control = input.take(control.into());
    let difference = input.take(difference.into());
    let base = input.take(base.into());
    let extra = input.0;
    let mut made = Vec::new();
    let applied = Patch { control, difference, extra }.apply(&base, &mut made);
    let most = difference.len() + extra.len();
    assert!(made.len() <= most, "{} bytes of {most}", made.len());
    if applied.is_ok() {
        assert_eq!(made.len(), most);
    }
    let mut input = Input(data);
    let step = Step { add: input.long(), insert: input.long(), seek: input.long().cast_signed() };
    let mut control = Vec::new();
    step.write(&mut control);
    assert!(control.len() <= 30);
    if step.add == 0 && step.insert == extra.len() as u64 && step.seek == 0 {
        let mut made = Vec::new();
        Patch { control: &control, difference: &[], extra }.apply(&base, &mut made).expect("one insertion");
        assert_eq!(made, extra);
    }
}
