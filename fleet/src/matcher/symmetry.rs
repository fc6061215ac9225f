//! Things that are alike: disks that differ in their name alone, say.
//!
//! Two values may be exchanged when that, with the values that occur in lines of the one alone (its slot, its serial),
//! turns the lines of the one into those of the other, each of which the same spec lines may take. Then an answer with
//! the one is an answer with the other, as long as no line of either is taken and no name stands for any of them.

use std::cell::RefCell;
use std::collections::HashMap;

use super::problem::Problem;

/// Values and what stands in their place.
type Exchange = HashMap<u32, u32>;

/// A line without what is its own: a mark for the value itself, and for values that occur beside it alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Itself,
    Own,
    Other(u32),
}

pub(super) struct Symmetry<'a> {
    problem: &'a Problem<'a>,
    /// For each value the lines it is in, of those that some spec line may take.
    places: Vec<Vec<usize>>,
    /// For each line the spec lines that may take it.
    takers: Vec<Vec<usize>>,
    known: RefCell<HashMap<(u32, u32), Option<Exchange>>>,
}

impl<'a> Symmetry<'a> {
    pub(super) fn new(problem: &'a Problem<'a>) -> Self {
        let mut takers = vec![Vec::new(); problem.values.len()];
        for (spec, fits) in problem.fits.iter().enumerate() {
            fits.iter().for_each(|&line| takers[line].push(spec));
        }
        let mut places = vec![Vec::new(); problem.count];
        for (line, values) in problem.values.iter().enumerate().filter(|(line, _)| !takers[*line].is_empty())
        {
            for (n, &value) in values.iter().enumerate() {
                if !values[..n].contains(&value) {
                    places[value as usize].push(line);
                }
            }
        }
        Self { problem, places, takers, known: RefCell::default() }
    }

    /// Whether `line` leads where `failed` led.
    pub(super) fn same(&self, failed: usize, line: usize, bound: &[Option<u32>], taken: &[bool]) -> bool {
        let (one, other) = (self.problem.values[failed], self.problem.values[line]);
        let Some(field) = (0..4).find(|&field| one[field] != other[field]) else { return true };
        let (from, to) = (one[field], other[field]);
        let mut known = self.known.borrow_mut();
        let Some(exchange) = known.entry((from, to)).or_insert_with(|| self.exchange(from, to)) else {
            return false;
        };
        let exchanged = |value: u32| exchange.get(&value).copied().unwrap_or(value);
        one.map(exchanged) == other
            && !bound.iter().flatten().any(|value| exchange.contains_key(value))
            && [from, to].iter().all(|&value| !self.places[value as usize].iter().any(|&at| taken[at]))
    }

    /// What has to be exchanged so that `from` and `to` are; `None` if they are not alike.
    fn exchange(&self, from: u32, to: u32) -> Option<Exchange> {
        let (one, other) = (self.shapes(from), self.shapes(to));
        let alike = one.len() == other.len()
            && one
                .iter()
                .zip(&other)
                .all(|((shape, line), (there, at))| shape == there && self.takers[*line] == self.takers[*at]);
        // With two lines of one shape it is open which is which.
        let clear = one.windows(2).all(|two| two[0].0 != two[1].0);
        if !alike || !clear {
            return None;
        }
        let mut exchange = Exchange::new();
        for ((shape, line), (_, at)) in one.iter().zip(&other) {
            for field in (0..4).filter(|&field| !matches!(shape[field], Part::Other(_))) {
                let (a, b) = (self.problem.values[*line][field], self.problem.values[*at][field]);
                for (a, b) in [(a, b), (b, a)] {
                    if *exchange.entry(a).or_insert(b) != b {
                        return None;
                    }
                }
            }
        }
        Some(exchange)
    }

    /// The lines of a value, sorted by what they look like without what is its own.
    fn shapes(&self, value: u32) -> Vec<([Part; 4], usize)> {
        let places = &self.places[value as usize];
        let part = |there: u32| match there {
            there if there == value => Part::Itself,
            there if self.places[there as usize].iter().all(|line| places.contains(line)) => Part::Own,
            there => Part::Other(there),
        };
        let mut shapes: Vec<([Part; 4], usize)> =
            places.iter().map(|&line| (self.problem.values[line].map(part), line)).collect();
        shapes.sort_unstable();
        shapes
    }
}
