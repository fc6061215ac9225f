//! Which hardware line each spec line takes, so that every name stands for one value.
//!
//! A hardware line serves one spec line. Spec lines are taken in their order, each with the first hardware line that
//! lets all later ones find theirs: the answer is the one that trying everything in order finds first, and there is one
//! whenever there is any. Trying everything takes longer than anybody waits where disks are alike, so three things
//! cut it short, none of which loses an answer: values that no later line can agree on are dropped, and so are choices
//! after which there are fewer lines than are needed ([`look`]); and a line that differs from one that failed only by a
//! change of names that changes nothing else need not be tried ([`symmetry`]). What is still too much when the
//! [`Budget`] is spent is told as such: the question is as hard as finding a graph in another one. All that grows with
//! the report is counted, and what is remembered of it is bounded: a hostile report costs a profile a second or so.

mod budget;
mod look;
mod problem;
mod symmetry;

use std::collections::BTreeMap;

use crate::hardware::Hardware;
use crate::spec::SpecLine;
pub use budget::{Budget, WORK};
use problem::Problem;
use symmetry::Symmetry;

/// So many of the lines that failed last are compared with the next one.
const COMPARED: usize = 64;
/// What a choice costs at least.
const CHOICE: usize = 100;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// For each spec line, the hardware line that it took, counted from 0.
    pub lines: Vec<usize>,
    /// What each name stands for.
    pub variables: BTreeMap<String, String>,
    /// Those of them that pick an entry of the configuration database.
    pub picks: BTreeMap<String, String>,
}

/// It was so much work that it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("given up: too many lines are alike")]
pub struct TooHard;

/// Matches, with the work that is left of a budget; `None` if there is no answer.
///
/// # Errors
/// [`TooHard`].
pub fn matched(budget: &Budget, hardware: &Hardware, spec: &[SpecLine]) -> Result<Option<Matched>, TooHard> {
    let problem = Problem::new(hardware, spec);
    let mut search = Search {
        problem: &problem,
        budget,
        symmetry: Symmetry::new(&problem, budget),
        bound: vec![None; problem.names.len()],
        taken: vec![false; hardware.lines.len()],
        chosen: Vec::new(),
    };
    let found = search.from(0)?;
    Ok(found.then(|| search.answer(hardware, spec)))
}

struct Search<'a> {
    problem: &'a Problem<'a>,
    budget: &'a Budget,
    symmetry: Symmetry<'a>,
    /// The value of each name, where it has one.
    bound: Vec<Option<u32>>,
    /// Which hardware lines are.
    taken: Vec<bool>,
    chosen: Vec<usize>,
}

impl Search<'_> {
    /// Finds lines for all spec lines from this one on.
    fn from(&mut self, spec: usize) -> Result<bool, TooHard> {
        if spec == self.problem.fits.len() {
            return Ok(true);
        }
        self.budget.spend(CHOICE)?;
        if !look::is_hopeful(self.problem, self.budget, &self.bound, &self.taken, spec)? {
            return Ok(false);
        }
        let mut failed = Vec::new();
        for &line in &self.problem.fits[spec] {
            self.budget.spend(1)?;
            if self.taken[line] || !self.problem.agrees(spec, line, &self.bound) {
                continue;
            }
            if self.is_like_one(&failed, line)? {
                continue;
            }
            let named = self.take(spec, line);
            if self.from(spec + 1)? {
                return Ok(true);
            }
            self.give_back(line, &named);
            failed.push(line);
        }
        Ok(false)
    }

    /// Whether the line leads where one of those that failed led.
    fn is_like_one(&self, failed: &[usize], line: usize) -> Result<bool, TooHard> {
        for &other in failed.iter().rev().take(COMPARED) {
            if self.symmetry.same(other, line, &self.bound, &self.taken)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives the line to the spec line; says which names got their value by it.
    fn take(&mut self, spec: usize, line: usize) -> Vec<usize> {
        self.taken[line] = true;
        self.chosen.push(line);
        let mut named = Vec::new();
        for (name, value) in self.problem.named(spec, line) {
            if self.bound[name].is_none() {
                self.bound[name] = Some(value);
                named.push(name);
            }
        }
        named
    }

    fn give_back(&mut self, line: usize, named: &[usize]) {
        self.taken[line] = false;
        self.chosen.pop();
        for &name in named {
            self.bound[name] = None;
        }
    }

    fn answer(&self, hardware: &Hardware, spec: &[SpecLine]) -> Matched {
        let mut answer = Matched { lines: self.chosen.clone(), ..Matched::default() };
        for (spec, &line) in spec.iter().zip(&self.chosen) {
            for (field, value) in spec.0.iter().zip(&hardware.lines[line].0) {
                let Some(variable) = &field.variable else { continue };
                answer.variables.insert(variable.name.clone(), value.clone());
                if variable.picks_entry {
                    answer.picks.insert(variable.name.clone(), value.clone());
                }
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests;
