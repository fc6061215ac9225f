//! Runs become patches, cut so that each fits a frame.

use edeploy_format::delta::patch::Step;

use super::runs::Run;

/// How some bytes of a content are made, as the streams of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Where in the content they begin.
    pub offset: u64,
    /// The steps.
    pub control: Vec<u8>,
    /// What is added to the base.
    pub difference: Vec<u8>,
    /// What is inserted.
    pub extra: Vec<u8>,
}

impl Cut {
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

/// The longest step: three numbers of ten bytes.
const STEP: usize = 30;

/// Cuts `new` into pieces that are inserted as they are, of at most `limit` bytes.
#[must_use]
pub fn whole(new: &[u8], limit: usize) -> Vec<Cut> {
    let cut = |(n, bytes): (usize, &[u8])| Cut {
        offset: (n * limit) as u64,
        extra: bytes.to_vec(),
        ..Cut::default()
    };
    new.chunks(limit).enumerate().map(cut).collect()
}

/// Cuts the `runs` that make `new` from `base` into pieces that take at most `limit` bytes of a frame each.
#[must_use]
pub fn cut(runs: &[Run], base: &[u8], new: &[u8], limit: usize) -> Vec<Cut> {
    let mut cutting = Cutting { base, new, limit, done: Vec::new(), open: Cut::default(), at: 0 };
    for (run, next) in runs.iter().zip(runs.iter().skip(1).map(Some).chain([None])) {
        let mut rest = *run;
        while rest.add + rest.insert > 0 {
            let part = cutting.part(rest);
            let ended = part.add + part.insert == rest.add + rest.insert;
            rest = Run {
                base: rest.base + part.add,
                at: rest.at + part.add + part.insert,
                add: rest.add - part.add,
                insert: rest.insert - part.insert,
            };
            let then = if ended { next.map_or(rest.base, |next| next.base) } else { rest.base };
            cutting.step(part, then);
        }
    }
    cutting.close(0);
    cutting.done
}

struct Cutting<'a> {
    base: &'a [u8],
    new: &'a [u8],
    limit: usize,
    done: Vec<Cut>,
    open: Cut,
    /// Where in the base the open cut's steps have come to.
    at: usize,
}

impl Cutting<'_> {
    /// As much of the run as there is room for in the open cut.
    fn part(&mut self, run: Run) -> Run {
        if self.open.streams() + 2 * STEP >= self.limit {
            self.close(run.at);
        }
        let room = self.limit - self.open.streams() - 2 * STEP;
        let add = run.add.min(room);
        // What follows is inserted only behind all that is added.
        let insert = if add == run.add { run.insert.min(room - add) } else { 0 };
        Run { add, insert, ..run }
    }

    /// Appends a step, after which the base stands at `then`.
    fn step(&mut self, run: Run, then: usize) {
        if self.at != run.base {
            let seek = run.base.cast_signed() as i64 - self.at.cast_signed() as i64;
            Step { add: 0, insert: 0, seek }.write(&mut self.open.control);
        }
        let end = run.base + run.add;
        let seek = then.cast_signed() as i64 - end.cast_signed() as i64;
        Step { add: run.add as u64, insert: run.insert as u64, seek }.write(&mut self.open.control);
        let (made, extra) = self.new[run.at..][..run.add + run.insert].split_at(run.add);
        let differences = made.iter().zip(&self.base[run.base..end]).map(|(new, old)| new.wrapping_sub(*old));
        self.open.difference.extend(differences);
        self.open.extra.extend_from_slice(extra);
        self.at = then;
    }

    fn close(&mut self, next: usize) {
        let open = std::mem::take(&mut self.open);
        if open.length() > 0 {
            self.done.push(open);
        }
        self.open.offset = next as u64;
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use edeploy_format::delta::patch::Patch;

    use super::*;
    use crate::delta::runs::Searched;

    fn made(cuts: &[Cut], base: &[u8], limit: usize) -> Vec<u8> {
        let mut made = Vec::new();
        for cut in cuts {
            assert_eq!(cut.offset, made.len() as u64);
            assert!(cut.streams() <= limit && cut.length() > 0, "{} of {limit}", cut.streams());
            let patch = Patch { control: &cut.control, difference: &cut.difference, extra: &cut.extra };
            patch.apply(&base, &mut made).unwrap();
        }
        made
    }

    #[test]
    fn pieces_of_any_size_make_the_content() {
        let base: Vec<u8> = (0..4000_u32).map(|n| (n * n / 7).to_le_bytes()[0]).collect();
        let mut new = [&base[1000..3000], b"something new, and then ", &base[..2500]].concat();
        new.iter_mut().step_by(97).for_each(|byte| *byte ^= 1);
        let runs = Searched::new(&base).runs(&new);
        for limit in [100, 101, 256, 1000, 1 << 20] {
            assert_eq!(made(&cut(&runs, &base, &new, limit), &base, limit), new, "{limit}");
            assert_eq!(made(&whole(&new, limit), &base, limit), new, "{limit}");
        }
    }

    #[test]
    fn the_same_content_is_zeros() {
        let base = vec![7; 100];
        let cuts = cut(&Searched::new(&base).runs(&base), &base, &base, 1000);
        assert_eq!((cuts.len(), &cuts[0].difference, cuts[0].extra.len()), (1, &vec![0; 100], 0));
    }
}
