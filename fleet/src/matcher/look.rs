//! A look ahead: may the spec lines that are left still find their lines?
//!
//! First each name keeps the values that all its spec lines could give it, and each spec line the hardware lines that
//! give such values, until nothing changes (arc consistency, Mackworth 1977). Then there must be a line for each, each
//! line once (bipartite matching by augmenting paths, Kuhn 1955). *No* is certain, *yes* is a hope.

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
pub(super) fn is_hopeful(problem: &Problem<'_>, bound: &[Option<u32>], taken: &[bool], first: usize) -> bool {
    let left = |spec: usize| -> Vec<usize> {
        let free = problem.fits[spec].iter().copied().filter(|&line| !taken[line]);
        free.filter(|&line| problem.agrees(spec, line, bound)).collect()
    };
    let mut fits: Vec<Vec<usize>> = (first..problem.fits.len()).map(left).collect();
    narrow(problem, first, &mut fits) && assign(&fits, taken.len())
}

/// Drops lines that give a name a value which another spec line cannot; *no* if none is left of a spec line.
fn narrow(problem: &Problem<'_>, first: usize, fits: &mut [Vec<usize>]) -> bool {
    loop {
        let mut values: Vec<Option<Values>> = vec![None; problem.names.len()];
        for (n, lines) in fits.iter().enumerate() {
            for (field, name) in problem.fields[first + n].iter().enumerate() {
                let Some(name) = name else { continue };
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
            lines.retain(|&line| {
                let mut named = problem.named(first + n, line);
                named.all(|(name, value)| values[name].as_ref().is_none_or(|all| all.has(value)))
            });
            if lines.is_empty() {
                return false;
            }
            changed |= lines.len() < before;
        }
        if !changed {
            return true;
        }
    }
}

/// Whether each spec line can have a line of its own.
fn assign(fits: &[Vec<usize>], lines: usize) -> bool {
    let mut owner = vec![None; lines];
    let mut seen = vec![usize::MAX; lines];
    (0..fits.len()).all(|spec| augment(spec, fits, &mut owner, &mut seen, spec))
}

/// Finds a line for `spec`, if others move; `round` marks the lines that were looked at.
fn augment(
    spec: usize,
    fits: &[Vec<usize>],
    owner: &mut [Option<usize>],
    seen: &mut [usize],
    round: usize,
) -> bool {
    // A free line first: most have one.
    if let Some(&line) = fits[spec].iter().find(|&&line| owner[line].is_none()) {
        owner[line] = Some(spec);
        return true;
    }
    for &line in &fits[spec] {
        if seen[line] == round {
            continue;
        }
        seen[line] = round;
        let Some(other) = owner[line] else { continue };
        if augment(other, fits, owner, seen, round) {
            owner[line] = Some(spec);
            return true;
        }
    }
    false
}
