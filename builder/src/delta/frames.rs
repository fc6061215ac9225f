//! Pieces gathered into frames, compressed in parallel, written in order.

use std::io::{self, Write};

use edeploy_format::delta::{Frame, PIECES, Piece, View};
use edeploy_format::digest::Digest;

use super::cut::{self, Cut};
use crate::parallel;

/// A piece and its streams.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it belongs to.
    pub view: View,
    /// What proves it, when it is not all of it.
    pub proof: Option<Digest>,
    /// Its bases.
    pub bases: Vec<View>,
    /// Its streams.
    pub cut: Cut,
}

impl Part {
    /// What listing it takes, as a host counts it.
    fn count(&self) -> usize {
        self.view.count() + self.bases.iter().map(View::count).sum::<usize>()
    }
}

/// Gathers parts, and writes delta and index.
pub struct Frames<'a> {
    level: i32,
    limit: usize,
    delta: &'a mut dyn Write,
    index: &'a mut dyn Write,
    open: Vec<Part>,
    /// Bytes of the open frame's streams, and how much it lists.
    streams: usize,
    listed: usize,
    ready: Vec<Vec<Part>>,
    /// Bytes of the delta so far.
    compressed: u64,
}

impl<'a> Frames<'a> {
    /// Nothing yet: frames of at most `limit` bytes of streams, compressed at the zstd `level`.
    pub fn new(level: i32, limit: usize, delta: &'a mut dyn Write, index: &'a mut dyn Write) -> Self {
        let (open, ready) = (Vec::new(), Vec::new());
        Self { level, limit, delta, index, open, streams: 0, listed: 0, ready, compressed: 0 }
    }

    /// Adds a part, behind all before it.
    ///
    /// # Errors
    /// When delta or index cannot be written.
    pub fn add(&mut self, part: Part) -> io::Result<()> {
        self.streams += part.cut.streams();
        self.listed += part.count();
        if !self.open.is_empty() && (self.streams > self.limit || self.listed > PIECES) {
            (self.streams, self.listed) = (part.cut.streams(), part.count());
            self.ready.push(std::mem::take(&mut self.open));
            if self.ready.len() == 2 * parallel::threads() {
                self.flush()?;
            }
        }
        self.open.push(part);
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When delta or index cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            self.ready.push(std::mem::take(&mut self.open));
        }
        self.flush()?;
        self.delta.flush()?;
        self.index.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let level = self.level;
        let compressed = parallel::map(&self.ready, |parts| {
            let streams = cut::streams(&parts.iter().map(|part| &part.cut));
            zstd::bulk::compress(&streams, level).map(|bytes| (bytes, streams.len()))
        });
        for (parts, compressed) in self.ready.drain(..).zip(compressed) {
            let (bytes, length) = compressed?;
            let number = |n: usize| u32::try_from(n).expect("a frame's limit is below that");
            let frame = Frame {
                offset: self.compressed,
                compressed: number(bytes.len()),
                length: number(length),
                digest: Digest::of(&bytes),
                pieces: parts.iter().map(piece).collect(),
            };
            self.delta.write_all(&bytes)?;
            self.index.write_all(frame.to_string().as_bytes())?;
            self.compressed += bytes.len() as u64;
        }
        Ok(())
    }
}

fn piece(part: &Part) -> Piece {
    let number = |n: usize| u32::try_from(n).expect("a piece fits a frame");
    let Part { view, proof, bases, cut } = part;
    Piece {
        view: view.clone(),
        offset: cut.offset,
        length: number(cut.length()),
        control: number(cut.control.len()),
        difference: number(cut.difference.len()),
        proof: *proof,
        bases: bases.clone(),
    }
}
