//! The question in numbers: values and names counted, and which hardware lines each spec line may take at all.

use std::collections::HashMap;

use crate::hardware::Hardware;
use crate::spec::SpecLine;

/// The question.
pub(super) struct Problem<'a> {
    /// Each hardware line, a number for each value: equal ones have the same.
    pub(super) values: Vec<[u32; 4]>,
    /// How many values there are.
    pub(super) count: usize,
    /// The names.
    pub(super) names: Vec<&'a str>,
    /// For each spec line the name in each of its fields, where it has one.
    pub(super) fields: Vec<[Option<usize>; 4]>,
    /// For each spec line the hardware lines that it could take if it were the only one, in their order.
    pub(super) fits: Vec<Vec<usize>>,
}

impl<'a> Problem<'a> {
    pub(super) fn new(hardware: &'a Hardware, spec: &'a [SpecLine]) -> Self {
        let mut numbers = HashMap::new();
        let mut number = |value: &'a str| {
            let next = numbers.len() as u32;
            *numbers.entry(value).or_insert(next)
        };
        let values: Vec<[u32; 4]> =
            hardware.lines.iter().map(|line| std::array::from_fn(|field| number(&line.0[field]))).collect();
        let (mut names, mut fields) = (Vec::new(), Vec::new());
        for line in spec {
            fields.push(std::array::from_fn(|n| {
                let name = &*line.0[n].variable.as_ref()?.name;
                Some(names.iter().position(|other| *other == name).unwrap_or_else(|| {
                    names.push(name);
                    names.len() - 1
                }))
            }));
        }
        let mut problem = Self { values, count: numbers.len(), names, fields, fits: Vec::new() };
        let nothing = vec![None; problem.names.len()];
        for (n, line) in spec.iter().enumerate() {
            let holds = |&at: &usize| {
                let fields = line.0.iter().zip(&hardware.lines[at].0);
                fields.into_iter().all(|(field, value)| field.test.holds(value))
            };
            let fits = (0..hardware.lines.len()).filter(holds);
            let fits = fits.filter(|&at| problem.agrees(n, at, &nothing)).collect();
            problem.fits.push(fits);
        }
        problem
    }

    /// The names of a spec line with the values that a hardware line would give them.
    pub(super) fn named(&self, spec: usize, line: usize) -> impl Iterator<Item = (usize, u32)> {
        self.fields[spec].into_iter().zip(self.values[line]).filter_map(|(name, value)| Some((name?, value)))
    }

    /// Whether the line gives each name the value it has, and none two.
    pub(super) fn agrees(&self, spec: usize, line: usize, bound: &[Option<u32>]) -> bool {
        self.named(spec, line).all(|(name, value)| {
            bound[name].is_none_or(|bound| bound == value)
                && self.named(spec, line).all(|(other, there)| other != name || there == value)
        })
    }
}
