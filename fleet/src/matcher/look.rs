//! A look ahead: may the spec lines that are left still find their lines?
//!
//! First each name keeps the values that all its spec lines could give it, and each spec line the hardware lines that
//! give such values, until nothing changes (arc consistency, Mackworth 1977). Then there must be a line for each, each
//! line once (bipartite matching by augmenting paths, Kuhn 1955). *No* is certain, *yes* is a hope.

use super::TooHard;
use super::budget::Budget;
use super::problem::Problem;

/// A set of values.
#[derive(Clone, PartialEq)]
struct Values(Vec<u64>);

impl Values {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn insert(&mut self, value: u32) {
        self.0[value as usize / 64] |= 1 << (value % 64);
    }

    fn has(&self, value: u32) -> bool {
        self.0[value as usize / 64] >> (value % 64) & 1 == 1
    }

    fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own &= other);
    }
}

/// Whether all spec lines from `first` on may still find their lines.
pub(super) fn is_hopeful(
    problem: &Problem<'_>,
    budget: &Budget,
    bound: &[Option<u32>],
    taken: &[bool],
    first: usize,
) -> Result<bool, TooHard> {
    // What is allocated for each name, spec line and hardware line.
    budget.spend(problem.names.len() + problem.fits.len() + taken.len() / 8)?;
    let left = |spec: usize| -> Result<Vec<usize>, TooHard> {
        budget.spend(problem.fits[spec].len())?;
        let free = problem.fits[spec].iter().copied().filter(|&line| !taken[line]);
        Ok(free.filter(|&line| problem.agrees(spec, line, bound)).collect())
    };
    let mut fits: Vec<Vec<usize>> = (first..problem.fits.len()).map(left).collect::<Result<_, _>>()?;
    Ok(narrow(problem, budget, first, &mut fits)? && assign(budget, &fits, taken.len())?)
}

/// Drops lines that give a name a value which another spec line cannot; *no* if none is left of a spec line.
fn narrow(
    problem: &Problem<'_>,
    budget: &Budget,
    first: usize,
    fits: &mut [Vec<usize>],
) -> Result<bool, TooHard> {
    loop {
        let mut values: Vec<Option<Values>> = vec![None; problem.names.len()];
        for (n, lines) in fits.iter().enumerate() {
            for (field, name) in problem.fields[first + n].iter().enumerate() {
                let Some(name) = name else { continue };
                budget.spend(lines.len() + problem.count / 64)?;
                let mut own = Values::none(problem.count);
                lines.iter().for_each(|&line| own.insert(problem.values[line][field]));
                match &mut values[*name] {
                    Some(all) => all.keep(&own),
                    none => *none = Some(own),
                }
            }
        }
        let mut changed = false;
        for (n, lines) in fits.iter_mut().enumerate() {
            let before = lines.len();
            budget.spend(before)?;
            lines.retain(|&line| {
                let mut named = problem.named(first + n, line);
                named.all(|(name, value)| values[name].as_ref().is_none_or(|all| all.has(value)))
            });
            if lines.is_empty() {
                return Ok(false);
            }
            changed |= lines.len() < before;
        }
        if !changed {
            return Ok(true);
        }
    }
}

/// Whether each spec line can have a line of its own.
fn assign(budget: &Budget, fits: &[Vec<usize>], lines: usize) -> Result<bool, TooHard> {
    let mut owner = vec![None; lines];
    let mut seen = vec![usize::MAX; lines];
    for spec in 0..fits.len() {
        if !augment(budget, spec, fits, &mut owner, &mut seen, spec)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Finds a line for `spec`, if others move; `round` marks the lines that were looked at.
fn augment(
    budget: &Budget,
    spec: usize,
    fits: &[Vec<usize>],
    owner: &mut [Option<usize>],
    seen: &mut [usize],
    round: usize,
) -> Result<bool, TooHard> {
    // A free line first: most have one.
    let free = fits[spec].iter().position(|&line| owner[line].is_none());
    budget.spend(free.unwrap_or(2 * fits[spec].len()))?;
    if let Some(free) = free {
        owner[fits[spec][free]] = Some(spec);
        return Ok(true);
    }
    for &line in &fits[spec] {
        if seen[line] == round {
            continue;
        }
        seen[line] = round;
        let Some(other) = owner[line] else { continue };
        if augment(budget, other, fits, owner, seen, round)? {
            owner[line] = Some(spec);
            return Ok(true);
        }
    }
    Ok(false)
}
