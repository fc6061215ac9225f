//! The cheapest way to make one content, by measured bytes; which of several bases is likest, by a quick look.

use edeploy_format::delta::View;
use edeploy_format::digest::Digest;
use edeploy_format::frames::FRAME_LIMIT;
use edeploy_format::repack::{self, Form};

use super::cut::{self, Cut, cut, whole};
use super::rolling;
use super::runs::{Run, runs};
use super::search::{Hashed, LONGEST, Sorted};

/// A piece takes no more of a frame than this.
pub const PIECE: usize = FRAME_LIMIT as usize;
/// What one more base costs in the index: its digest does not compress.
const BASE: usize = 33;
/// What a form costs there, about.
const FORM: usize = 12;

/// How small, and at what cost.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The zstd level of the frames.
    pub level: i32,
    /// The zstd level by which ways are compared.
    pub measure: i32,
    /// Whether the longest matches are looked for, or good ones quickly.
    pub sorted: bool,
    /// Whether packed contents are unpacked.
    pub opens: bool,
    /// So many bases are tried for one content.
    pub tried: usize,
    /// A patch that is this many times shorter than the content is taken, whatever another way would cost.
    pub enough: usize,
}

impl Effort {
    /// As small as it gets.
    pub const SMALL: Self =
        Self { level: 19, measure: 6, sorted: true, opens: true, tried: 2, enough: usize::MAX };
    /// In less time, and larger.
    pub const FAST: Self = Self { level: 3, measure: 1, sorted: false, opens: false, tried: 1, enough: 8 };
}

/// A content, and its unpacked form where it has one.
pub struct Opened<'a> {
    /// Which it is.
    pub content: Digest,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// How it is packed, and its unpacked form.
    pub unpacked: Option<(Form, Vec<u8>)>,
}

impl<'a> Opened<'a> {
    /// Looks for packed members in a content that is to be made.
    #[must_use]
    pub fn new(content: Digest, bytes: &'a [u8]) -> Self {
        let unpacked = repack::open(bytes);
        Self { content, bytes, unpacked }
    }

    /// Looks for packed members in a content that others are made from.
    #[must_use]
    pub fn base(content: Digest, bytes: &'a [u8]) -> Self {
        let unpacked = repack::open_to_unpack(bytes);
        Self { content, bytes, unpacked }
    }

    /// A content as it is.
    #[must_use]
    pub fn closed(content: Digest, bytes: &'a [u8]) -> Self {
        Self { content, bytes, unpacked: None }
    }

    fn plain(&self) -> (View, &[u8]) {
        (self.content.into(), self.bytes)
    }

    /// The unpacked form, else the content as it is.
    fn widest(&self) -> (View, &[u8]) {
        let form = self.unpacked.as_ref().map(|(form, _)| form.clone());
        let bytes = self.unpacked.as_ref().map_or(self.bytes, |(_, unpacked)| unpacked);
        (View { content: self.content, form }, bytes)
    }
}

/// How a content is made.
#[derive(Clone, Debug)]
pub struct Way {
    /// What its pieces make.
    pub view: View,
    /// Its pieces.
    pub cuts: Vec<Cut>,
    /// Its bases, by the numbers that the cuts know them by.
    pub sources: Vec<View>,
    /// About so many bytes of the delta.
    pub cost: usize,
}

impl Way {
    /// A way with what it costs, compressed at the zstd level `measure`.
    #[must_use]
    pub fn measured(view: View, cuts: Vec<Cut>, sources: Vec<View>, measure: i32) -> Self {
        let streams = cut::streams(&cuts.iter());
        let compressed = zstd::bulk::compress(&streams, measure).map_or(streams.len(), |bytes| bytes.len());
        let forms = sources.iter().chain([&view]).filter(|view| view.form.is_some()).count();
        let cost = compressed + sources.len() * BASE + forms * FORM;
        Self { view, cuts, sources, cost }
    }
}

/// The way that costs least: whole, packed or not, or from the best of the `bases`.
#[must_use]
pub fn best(new: &Opened<'_>, bases: &[Opened<'_>], effort: Effort) -> Way {
    let (view, bytes) = new.widest();
    let side = if new.unpacked.is_some() { Opened::widest } else { Opened::plain };
    let sides: Vec<(View, &[u8])> = bases.iter().map(side).filter(|(_, base)| !base.is_empty()).collect();
    let mut patch = likest(bytes, &sides).map(|(base, old)| {
        let cuts = cut(&resembling(old, bytes, effort), &[old], bytes, PIECE);
        Way::measured(view.clone(), cuts, vec![base.clone()], effort.measure)
    });
    if let Some(patch) = patch.take_if(|patch| patch.cost < new.bytes.len() / effort.enough) {
        return patch;
    }
    let mut ways =
        vec![Way::measured(new.content.into(), whole(new.bytes, PIECE), Vec::new(), effort.measure)];
    if new.unpacked.is_some() {
        ways.push(Way::measured(view, whole(bytes, PIECE), Vec::new(), effort.measure));
    }
    ways.extend(patch);
    ways.into_iter().min_by_key(|way| way.cost).expect("one way at least: whole")
}

/// Of several bases the one that a quick look finds most of `new` in.
fn likest<'b, 'a>(new: &[u8], bases: &'b [(View, &'a [u8])]) -> Option<&'b (View, &'a [u8])> {
    let inserted = |(_, base): &&(View, &[u8])| match base.len().max(new.len()) {
        0..=LONGEST => runs(&Hashed::new(base), new).iter().map(|run| run.insert).sum(),
        _ => base.len().abs_diff(new.len()),
    };
    if bases.len() > 1 { bases.iter().min_by_key(inserted) } else { bases.first() }
}

/// The runs of `base` that make `new`.
fn resembling(base: &[u8], new: &[u8], effort: Effort) -> Vec<Run> {
    match base.len().max(new.len()) {
        0..=LONGEST if effort.sorted => runs(&Sorted::new(base), new),
        0..=LONGEST => runs(&Hashed::new(base), new),
        _ => rolling::runs(base, new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::noise;

    fn opened(bytes: &[u8]) -> Opened<'_> {
        Opened::new(Digest::of(bytes), bytes)
    }

    #[test]
    fn the_base_that_resembles_most_wins_and_none_beats_a_bad_one() {
        let (one, two) = (noise(1, 3000), noise(2, 3000));
        let new = [&one[..], b"more"].concat();
        let new = opened(&new);
        let bases = [opened(&two), opened(&one)];
        for effort in [Effort::SMALL, Effort::FAST] {
            let found = best(&new, &bases, effort);
            assert_eq!(found.sources, [View::from(bases[1].content)]);
            assert!(found.cost < 100, "{}", found.cost);
            assert!(best(&new, &bases[..1], effort).sources.is_empty());
        }
    }

    #[test]
    fn packed_contents_are_compared_unpacked() {
        let text: Vec<u8> = noise(3, 40_000).iter().map(|byte| b'a' + byte % 16).collect();
        let packed = |text: &[u8]| {
            let mut gzip = std::process::Command::new("gzip");
            let mut gzip = gzip.args(["-9n"]).stdin(std::process::Stdio::piped());
            gzip = gzip.stdout(std::process::Stdio::piped());
            let mut child = gzip.spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), text).unwrap();
            child.wait_with_output().unwrap().stdout
        };
        let (old, new) = (packed(&text), packed(&[b"news, ", &text[..]].concat()));
        let found = best(&opened(&new), &[opened(&old)], Effort::SMALL);
        assert!(found.cost < 200 && new.len() > 10_000, "{} of {}", found.cost, new.len());
        assert!(found.view.form.is_some() && found.sources[0].form.is_some());
    }
}
