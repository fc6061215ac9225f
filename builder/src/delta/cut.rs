//! Runs become patches, cut so that each fits a frame.

use edeploy_format::delta::BASES;
use edeploy_format::delta::patch::Step;
use edeploy_format::digest::Digest;

use super::runs::Run;

/// How some bytes of a content are made, as the streams of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where in the content they begin.
    pub offset: u64,
    /// Their digest, unless they are all of the content.
    pub proof: Option<Digest>,
    /// The steps.
    pub control: Vec<u8>,
    /// What is added to the base.
    pub difference: Vec<u8>,
    /// What is inserted.
    pub extra: Vec<u8>,
    /// Which of the sources are its bases, one address space in this order.
    pub sources: Vec<usize>,
}

impl Cut {
    fn new(offset: usize) -> Self {
        let (control, difference, extra, sources) = Default::default();
        Self { offset: offset as u64, proof: None, control, difference, extra, sources }
    }

    /// So many bytes it makes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.difference.len() + self.extra.len()
    }

    /// So many bytes of a frame it takes.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.control.len() + self.length()
    }
}

/// The streams of cuts that share a frame: all controls, then all differences, then what is inserted.
#[must_use]
pub fn streams<'a>(cuts: &(impl Iterator<Item = &'a Cut> + Clone)) -> Vec<u8> {
    let all = |stream: fn(&Cut) -> &[u8]| cuts.clone().map(stream);
    let streams = all(|cut| &cut.control).chain(all(|cut| &cut.difference)).chain(all(|cut| &cut.extra));
    streams.collect::<Vec<_>>().concat()
}

/// The longest step: three numbers of ten bytes.
const STEP: usize = 30;

/// Cuts `new` into pieces that are inserted as they are, of at most `limit` bytes.
#[must_use]
pub fn whole(new: &[u8], limit: usize) -> Vec<Cut> {
    let cut = |(n, bytes): (usize, &[u8])| Cut {
        proof: (bytes.len() < new.len()).then(|| Digest::of(bytes)),
        extra: bytes.to_vec(),
        ..Cut::new(n * limit)
    };
    new.chunks(limit).enumerate().map(cut).collect()
}

/// Cuts the `runs` of `sources` that make `new` into pieces that take at most `limit` bytes of a frame each, and
/// have at most [`BASES`] bases.
#[must_use]
pub fn cut(runs: &[Run], sources: &[&[u8]], new: &[u8], limit: usize) -> Vec<Cut> {
    Cuts::new(runs.to_vec(), sources.to_vec(), new, limit).collect()
}

/// The pieces that [`cut`] gives, one at a time.
pub struct Cuts<'a> {
    runs: std::vec::IntoIter<Run>,
    /// What is left of the run before.
    rest: Run,
    sources: Vec<&'a [u8]>,
    new: &'a [u8],
    limit: usize,
    done: Option<Cut>,
    open: Cut,
    /// The last step of the open cut: where it goes from there is not known yet.
    last: Step,
    /// Where in the bases of the open cut its steps have come to.
    at: usize,
}

impl Iterator for Cuts<'_> {
    type Item = Cut;

    fn next(&mut self) -> Option<Cut> {
        while self.done.is_none() {
            let rest = self.rest;
            if rest.add + rest.insert > 0 {
                let part = self.part(rest);
                self.step(part);
                self.rest = Run {
                    base: rest.base + part.add,
                    at: rest.at + part.add + part.insert,
                    add: rest.add - part.add,
                    insert: rest.insert - part.insert,
                    ..rest
                };
            } else if let Some(run) = self.runs.next() {
                self.rest = run;
            } else {
                self.close(self.new.len());
                break;
            }
        }
        self.done.take()
    }
}

impl<'a> Cuts<'a> {
    /// None is made yet.
    #[must_use]
    pub fn new(runs: Vec<Run>, sources: Vec<&'a [u8]>, new: &'a [u8], limit: usize) -> Self {
        let rest = Run { source: 0, base: 0, at: 0, add: 0, insert: 0 };
        let (runs, done, open, last) = (runs.into_iter(), None, Cut::new(0), Step::default());
        Self { runs, rest, sources, new, limit, done, open, last, at: 0 }
    }

    /// As much of the run as there is room for in the open cut.
    fn part(&mut self, run: Run) -> Run {
        let has_base = run.add == 0 || self.open.sources.contains(&run.source);
        let full = self.open.streams() + 4 * STEP >= self.limit;
        if full || !has_base && self.open.sources.len() == BASES {
            self.close(run.at);
        }
        let room = self.limit - self.open.streams() - 3 * STEP;
        let add = run.add.min(room);
        // What follows is inserted only behind all that is added.
        let insert = if add == run.add { run.insert.min(room - add) } else { 0 };
        Run { add, insert, ..run }
    }

    fn step(&mut self, run: Run) {
        let (made, extra) = self.new[run.at..][..run.add + run.insert].split_at(run.add);
        if run.add > 0 {
            let from = self.address(run.source) + run.base;
            self.last.seek = from.cast_signed() as i64 - self.at.cast_signed() as i64;
            self.write_last();
            let base = &self.sources[run.source][run.base..][..run.add];
            let differences = made.iter().zip(base).map(|(new, old)| new.wrapping_sub(*old));
            self.open.difference.extend(differences);
            self.at = from + run.add;
            self.last.add = run.add as u64;
        }
        self.open.extra.extend_from_slice(extra);
        self.last.insert += run.insert as u64;
    }

    /// Where a source begins in the bases of the open cut, of which it is one from now on.
    fn address(&mut self, source: usize) -> usize {
        let sources = &mut self.open.sources;
        if !sources.contains(&source) {
            sources.push(source);
        }
        sources.iter().take_while(|one| **one != source).map(|&one| self.sources[one].len()).sum()
    }

    fn write_last(&mut self) {
        let last = std::mem::take(&mut self.last);
        if last != Step::default() {
            last.write(&mut self.open.control);
        }
    }

    /// Ends the open cut; the next begins at `next` of what is made.
    fn close(&mut self, next: usize) {
        // Without a base all is inserted, and needs no step.
        if self.open.sources.is_empty() {
            self.last = Step::default();
        }
        self.write_last();
        let mut open = std::mem::replace(&mut self.open, Cut::new(next));
        let begin = usize::try_from(open.offset).expect("an offset in memory");
        if open.length() > 0 {
            let made = &self.new[begin..][..open.length()];
            open.proof = (made.len() < self.new.len()).then(|| Digest::of(made));
            self.done = Some(open);
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use edeploy_format::delta::patch::Patch;

    use super::*;
    use crate::delta::runs::runs;
    use crate::delta::search::Sorted;

    fn made(cuts: &[Cut], sources: &[&[u8]], limit: usize) -> Vec<u8> {
        let mut made = Vec::new();
        for cut in cuts {
            assert_eq!(cut.offset, made.len() as u64);
            assert!(cut.streams() <= limit && cut.length() > 0, "{} of {limit}", cut.streams());
            let patch = Patch { control: &cut.control, difference: &cut.difference, extra: &cut.extra };
            let bases: Vec<(u64, &[u8])> =
                cut.sources.iter().map(|&one| (sources[one].len() as u64, sources[one])).collect();
            assert!(bases.len() <= BASES);
            patch.apply(&bases, &mut made).unwrap();
        }
        made
    }

    #[test]
    fn pieces_of_any_size_make_the_content() {
        let base: Vec<u8> = (0..4000_u32).map(|n| (n * n / 7).to_le_bytes()[0]).collect();
        let mut new = [&base[1000..3000], b"something new, and then ", &base[..2500]].concat();
        new.iter_mut().step_by(97).for_each(|byte| *byte ^= 1);
        let runs = runs(&Sorted::new(&base), &new);
        for limit in [160, 161, 256, 1000, 1 << 20] {
            assert_eq!(made(&cut(&runs, &[&base], &new, limit), &[&base], limit), new, "{limit}");
            assert_eq!(made(&whole(&new, limit), &[], limit), new, "{limit}");
        }
    }

    #[test]
    fn the_same_content_is_zeros() {
        let base = vec![7; 100];
        let cuts = cut(&runs(&Sorted::new(&base), &base), &[&base], &base, 1000);
        assert_eq!((cuts.len(), &cuts[0].difference, cuts[0].extra.len()), (1, &vec![0; 100], 0));
    }

    #[test]
    fn a_piece_has_no_more_bases_than_it_may() {
        let sources: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; 50 + usize::from(n)]).collect();
        let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
        let (mut new, mut runs) = (Vec::new(), Vec::new());
        for (source, text) in sources.iter().enumerate().rev() {
            runs.push(Run { source, base: 3, at: new.len(), add: 40, insert: 5 });
            new.extend_from_slice(&text[3..43]);
            new.extend_from_slice(b"fresh");
        }
        let cuts = cut(&runs, &sources, &new, 1 << 20);
        assert_eq!(cuts.iter().map(|cut| cut.sources.len()).collect::<Vec<_>>(), [64, 64, 64, 8]);
        assert_eq!(made(&cuts, &sources, 1 << 20), new);
        assert_eq!(made(&cut(&runs, &sources, &new, 300), &sources, 300), new);
    }
}
