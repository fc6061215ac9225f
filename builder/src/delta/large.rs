//! The cheapest way to make a content too long for a suffix array, as it is. Nothing of its length is held in memory: it
//! lies in a scratch file, and its pieces are made one at a time, once to measure them and once to write them. What is made
//! by its unpacked form, and archives of a tree's files, do not come here: those are held whole, however long.

use edeploy_format::delta::View;

use super::choose::{Effort, PIECE};
use super::cut::{self, Cut, Cuts};
use super::rolling;
use super::runs::Run;

/// How it is made.
pub struct Large<'a> {
    new: &'a [u8],
    runs: Vec<Run>,
    /// Its base; none if it is sent whole.
    pub base: Option<(View, &'a [u8])>,
    /// About so many bytes of the delta.
    pub cost: usize,
}

/// The way that costs less: from the base, or whole.
#[must_use]
pub fn best<'a>(new: &'a [u8], base: Option<(View, &'a [u8])>, effort: Effort) -> Large<'a> {
    let whole = vec![Run { source: 0, base: 0, at: 0, add: 0, insert: new.len() }];
    let mut best = Large { new, runs: whole, base: None, cost: usize::MAX };
    if let Some((view, old)) = base {
        let patch = Large { new, runs: rolling::runs(old, new), base: Some((view, old)), cost: 0 };
        let cost = patch.measured(usize::MAX, effort);
        let whole = if cost < new.len() / effort.enough { usize::MAX } else { best.measured(cost, effort) };
        if cost < whole {
            return Large { cost, ..patch };
        }
        best.cost = whole;
    } else {
        best.cost = best.measured(usize::MAX, effort);
    }
    best
}

impl<'a> Large<'a> {
    /// Its pieces.
    pub fn cuts(&self) -> Cuts<'a> {
        let sources = self.base.iter().map(|(_, base)| *base).collect();
        Cuts::new(self.runs.clone(), sources, self.new, PIECE)
    }

    /// What its pieces cost, each compressed alone; no more of them are looked at than it takes to pass `most`.
    fn measured(&self, most: usize, effort: Effort) -> usize {
        let mut cost = 0;
        for one in self.cuts() {
            cost += measured(&one, effort);
            if cost > most {
                break;
            }
        }
        cost
    }
}

fn measured(one: &Cut, effort: Effort) -> usize {
    let streams = cut::streams(&std::iter::once(one));
    zstd::bulk::compress(&streams, effort.measure).map_or(streams.len(), |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::noise;
    use edeploy_format::delta::patch::Patch;
    use edeploy_format::digest::Digest;

    #[test]
    fn it_is_made_of_the_base_where_that_is_less_and_sent_whole_where_not() {
        let old = noise(1, 1 << 19);
        let new = [&old[5000..], b"something new", &old[..5000]].concat();
        let other = noise(2, 1 << 19);
        let view = View::from(Digest::of(&old));
        for effort in [Effort::SMALL, Effort::FAST] {
            let found = best(&new, Some((view.clone(), &old)), effort);
            assert!(found.base.is_some() && found.cost < 40_000, "{}", found.cost);
            let (mut made, mut pieces) = (Vec::new(), 0);
            for cut in found.cuts() {
                let patch = Patch { control: &cut.control, difference: &cut.difference, extra: &cut.extra };
                patch.apply(&old, &mut made).unwrap();
                assert!(cut.proof.is_none() && cut.streams() <= PIECE);
                pieces += 1;
            }
            assert_eq!((pieces, made.len()), (1, new.len()));
            assert!(made == new);
            for base in [None, Some((view.clone(), &other[..]))] {
                let whole = best(&new, base, effort);
                assert!(whole.base.is_none() && whole.cost >= new.len());
                assert!(whole.cuts().flat_map(|cut| cut.extra).eq(new.iter().copied()));
            }
        }
    }
}
