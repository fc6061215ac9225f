//! Things that are alike: disks that differ in their name alone, say.
//!
//! Two values may be exchanged when that, with the values that occur in lines of the one alone (its slot, its serial),
//! turns the lines of the one into those of the other, each of which the same spec lines may take. Then an answer with
//! the one is an answer with the other, as long as no line of either is taken and no name stands for any of them.

use std::cell::RefCell;
use std::collections::HashMap;

use super::TooHard;
use super::budget::Budget;
use super::problem::Problem;

/// What is remembered at most: pairs of values, and the values in their exchanges.
const KNOWN: usize = 1 << 18;

/// Values and what stands in their place.
type Exchange = HashMap<u32, u32>;

/// A line without what is its own: a mark for the value itself, and for values that occur beside it alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Itself,
    Own,
    Other(u32),
}

/// What a line looks like, and the line.
type Shape = ([Part; 4], usize);

pub(super) struct Symmetry<'a> {
    problem: &'a Problem<'a>,
    budget: &'a Budget,
    /// For each value the lines it is in, of those that some spec line may take.
    places: Vec<Vec<usize>>,
    /// For each line the spec lines that may take it.
    takers: Vec<Vec<usize>>,
    known: RefCell<Known>,
}

/// What was found out of pairs of values.
#[derive(Default)]
struct Known {
    exchanges: HashMap<(u32, u32), Option<Exchange>>,
    /// Of [`KNOWN`].
    size: usize,
}

impl<'a> Symmetry<'a> {
    pub(super) fn new(problem: &'a Problem<'a>, budget: &'a Budget) -> Self {
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
        Self { problem, budget, places, takers, known: RefCell::default() }
    }

    /// Whether `line` leads where `failed` led.
    pub(super) fn same(
        &self,
        failed: usize,
        line: usize,
        bound: &[Option<u32>],
        taken: &[bool],
    ) -> Result<bool, TooHard> {
        let (one, other) = (self.problem.values[failed], self.problem.values[line]);
        let Some(field) = (0..4).find(|&field| one[field] != other[field]) else { return Ok(true) };
        let (from, to) = (one[field], other[field]);
        self.budget.spend(8 + bound.len())?;
        let mut known = self.known.borrow_mut();
        if !known.exchanges.contains_key(&(from, to)) {
            let exchange = self.exchange(from, to)?;
            let size = 1 + exchange.as_ref().map_or(0, HashMap::len);
            if known.size + size > KNOWN {
                *known = Known::default();
            }
            known.size += size;
            known.exchanges.insert((from, to), exchange);
        }
        let Some(Some(exchange)) = known.exchanges.get(&(from, to)) else { return Ok(false) };
        let exchanged = |value: u32| exchange.get(&value).copied().unwrap_or(value);
        if one.map(exchanged) != other || bound.iter().flatten().any(|value| exchange.contains_key(value)) {
            return Ok(false);
        }
        let places = [from, to].map(|value| &self.places[value as usize]);
        self.budget.spend(places[0].len() + places[1].len())?;
        Ok(!places.into_iter().flatten().any(|&at| taken[at]))
    }

    /// What has to be exchanged so that `from` and `to` are; `None` if they are not alike.
    fn exchange(&self, from: u32, to: u32) -> Result<Option<Exchange>, TooHard> {
        if self.places[from as usize].len() != self.places[to as usize].len() {
            return Ok(None);
        }
        let (one, other) = (self.shapes(from)?, self.shapes(to)?);
        let mut alike = true;
        for ((shape, line), (there, at)) in one.iter().zip(&other) {
            self.budget.spend(1 + self.takers[*line].len())?;
            alike = alike && shape == there && self.takers[*line] == self.takers[*at];
        }
        // With two lines of one shape it is open which is which.
        let clear = one.windows(2).all(|two| two[0].0 != two[1].0);
        Ok((alike && clear).then(|| self.pairs(&one, &other)).flatten())
    }

    /// Each value with the one in its place; `None` if one would have two.
    fn pairs(&self, one: &[Shape], other: &[Shape]) -> Option<Exchange> {
        let mut exchange = Exchange::new();
        for ((shape, line), (_, at)) in one.iter().zip(other) {
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
    fn shapes(&self, value: u32) -> Result<Vec<Shape>, TooHard> {
        let places = &self.places[value as usize];
        let part = |there: u32| {
            if there == value {
                return Ok(Part::Itself);
            }
            for line in &self.places[there as usize] {
                self.budget.spend(1)?;
                // They are in the order of the report.
                if places.binary_search(line).is_err() {
                    return Ok(Part::Other(there));
                }
            }
            Ok(Part::Own)
        };
        let shape = |&line: &usize| {
            // Finding and sorting it.
            self.budget.spend(16)?;
            let [class, item, attribute, last] = self.problem.values[line];
            Ok(([part(class)?, part(item)?, part(attribute)?, part(last)?], line))
        };
        let mut shapes: Vec<Shape> = places.iter().map(shape).collect::<Result<_, TooHard>>()?;
        shapes.sort_unstable();
        Ok(shapes)
    }
}
