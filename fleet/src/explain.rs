//! Why a machine matches a profile or does not, line by line.
//!
//! Where it does not, the longest beginning of the spec lines that can be matched is shown with what it took, and the
//! line after it with the reason: whatever the lines before take, it cannot be added. Lines after that one were not
//! judged.

use std::fmt;

use serde::Serialize;

use crate::hardware::{Hardware, Line, shortened};
use crate::matcher::{Budget, Matched, TooHard, matched};
use crate::spec::{Spec, SpecLine};

/// So many hardware lines are shown as examples of why a line fails.
const EXAMPLES: usize = 3;

/// How a profile was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The spec lines that were matched, and the line that each took.
    pub taken: Vec<(String, Line)>,
    /// What was found: of all lines, or of those in `taken`.
    pub found: Matched,
    /// The line that cannot be added; `None` when all match, and when which it is was too much to find out.
    pub failed: Option<Failed>,
    /// How many lines come after it; where it is not known, all lines.
    pub unjudged: usize,
}

/// A spec line that cannot be added to those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Which, from 1 on.
    pub line: usize,
    /// As it was written.
    pub spec: String,
    /// Why.
    pub reason: String,
    /// Hardware lines that come nearest, each with what is wrong with it.
    pub nearest: Vec<String>,
}

impl Explained {
    /// Whether all lines match.
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.failed.is_none() && self.unjudged == 0
    }
}

/// Judges a profile, with all the work that is left of a budget.
///
/// # Errors
/// [`TooHard`] if it is not known whether it matches. That it does not is told also where the reason is too much.
pub fn explain(budget: &Budget, hardware: &Hardware, spec: &Spec) -> Result<Explained, TooHard> {
    explain_by(&|lines| matched(budget, hardware, lines), hardware, &spec.lines)
}

/// How lines are matched.
type Judge<'a> = &'a dyn Fn(&[SpecLine]) -> Result<Option<Matched>, TooHard>;

fn explain_by(judge: Judge<'_>, hardware: &Hardware, lines: &[SpecLine]) -> Result<Explained, TooHard> {
    if let Some(found) = judge(lines)? {
        return Ok(explained(hardware, lines, found, None));
    }
    Ok(match beginning(judge, lines) {
        Ok((can, found)) => {
            let failed = failed(hardware, lines, can, &found);
            explained(hardware, lines, found, Some(failed))
        }
        Err(TooHard) => explained(hardware, lines, Matched::default(), None),
    })
}

/// How many of the lines can be matched, as all cannot, and what they take.
fn beginning(judge: Judge<'_>, lines: &[SpecLine]) -> Result<(usize, Matched), TooHard> {
    // What a beginning can have, a shorter one can: the longest is found by halving.
    let (mut can, mut cannot, mut found) = (0, lines.len(), Matched::default());
    while cannot - can > 1 {
        let middle = usize::midpoint(can, cannot);
        match judge(&lines[..middle])? {
            Some(better) => (can, found) = (middle, better),
            None => cannot = middle,
        }
    }
    Ok((can, found))
}

fn explained(hardware: &Hardware, spec: &[SpecLine], found: Matched, failed: Option<Failed>) -> Explained {
    let taken: Vec<(String, Line)> = spec
        .iter()
        .zip(&found.lines)
        .map(|(line, &at)| (line.to_string(), hardware.lines[at].clone()))
        .collect();
    let unjudged = spec.len() - taken.len() - usize::from(failed.is_some());
    Explained { taken, found, failed, unjudged }
}

/// Why line `at` cannot be added to those before, which took what was `found`.
fn failed(hardware: &Hardware, spec: &[SpecLine], at: usize, found: &Matched) -> Failed {
    let line = &spec[at];
    let fits: Vec<usize> =
        (0..hardware.lines.len()).filter(|&n| misfits(line, &hardware.lines[n]).is_empty()).collect();
    let (reason, nearest) = if fits.is_empty() {
        ("no line of the machine fits it".to_owned(), nearest(hardware, line))
    } else {
        let lines =
            if fits.len() == 1 { "1 line fits".to_owned() } else { format!("{} lines fit", fits.len()) };
        let in_the_way =
            |&n: &usize| format!("{}: {}", hardware.lines[n], in_the_way(hardware, line, n, found));
        let examples = fits.iter().take(EXAMPLES).map(in_the_way).collect();
        (format!("{lines} it alone, none beside the lines above"), examples)
    };
    Failed { line: at + 1, spec: line.to_string(), reason, nearest }
}

/// The fields of a spec line that a hardware line does not fit.
fn misfits(spec: &SpecLine, line: &Line) -> Vec<usize> {
    (0..4).filter(|&field| !spec.0[field].test.holds(&line.0[field])).collect()
}

/// Lines that do not fit in one field alone, those first that fail in the last one.
fn nearest(hardware: &Hardware, spec: &SpecLine) -> Vec<String> {
    let mut near: Vec<(usize, &Line)> = hardware
        .lines
        .iter()
        .filter_map(|line| match misfits(spec, line)[..] {
            [field] => Some((field, line)),
            _ => None,
        })
        .collect();
    near.sort_by_key(|(field, _)| std::cmp::Reverse(*field));
    let told = |(field, line): &(usize, &Line)| {
        format!("{line}: {} is not {}", shortened(&line.0[*field]), spec.0[*field].text)
    };
    near.iter().take(EXAMPLES).map(told).collect()
}

/// Why a spec line cannot take a line that fits it alone, given what the lines before took.
fn in_the_way(hardware: &Hardware, spec: &SpecLine, at: usize, found: &Matched) -> String {
    for (field, value) in spec.0.iter().zip(&hardware.lines[at].0) {
        let bound = field
            .variable
            .as_ref()
            .and_then(|variable| found.variables.get(&variable.name).map(|bound| (&variable.name, bound)));
        if let Some((name, bound)) = bound.filter(|(_, bound)| *bound != value) {
            return format!("${name} is {}", shortened(bound));
        }
    }
    match found.lines.iter().position(|&taken| taken == at) {
        Some(line) => format!("taken by line {}", line + 1),
        None => "a name would stand for two values".to_owned(),
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (spec, line)) in self.taken.iter().enumerate() {
            writeln!(f, "  {:>3}  {spec}\n       = {line}", n + 1)?;
        }
        if let Some(Failed { line, spec, reason, nearest }) = &self.failed {
            writeln!(f, "  {line:>3}  {spec}\n       FAILED: {reason}")?;
            for near in nearest {
                writeln!(f, "       - {near}")?;
            }
        }
        if self.failed.is_none() && self.unjudged > 0 {
            writeln!(f, "       of its {} lines, which one fails is too much to find out", self.unjudged)?;
        } else if self.unjudged > 0 {
            writeln!(f, "       … and {} more lines, which were not judged", self.unjudged)?;
        }
        for (name, value) in &self.found.variables {
            let sign = if self.found.picks.contains_key(name) { "$$" } else { "$" };
            writeln!(f, "       {sign}{name} = {}", shortened(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::WORK;

    fn judged(spec: &str) -> String {
        let machine = "[('disk','sda','size','8'),('disk','sdb','size','20'),('disk','sdb','slot','2')]";
        let hardware = Hardware::read(machine.as_bytes()).unwrap();
        explain(&Budget::of(WORK), &hardware, &Spec::read(spec.as_bytes()).unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_match_shows_what_each_line_took() {
        assert_eq!(
            judged("[('disk','$$d','size','gt(10)')]"),
            "    1  disk $$d size gt(10)\n       = disk sdb size 20\n       $$d = sdb\n"
        );
    }

    #[test]
    fn a_line_that_nothing_fits_is_shown_with_what_comes_nearest() {
        assert_eq!(
            judged("[('disk','$d','size','lt(10)'),('disk','$e','size','gt(100)'),('x','y','z','w')]"),
            "    1  disk $d size lt(10)\n       = disk sda size 8\n    \
                 2  disk $e size gt(100)\n       FAILED: no line of the machine fits it\n       \
                    - disk sda size 8: 8 is not gt(100)\n       - disk sdb size 20: 20 is not gt(100)\n       \
                    … and 1 more lines, which were not judged\n       $d = sda\n"
        );
    }

    #[test]
    fn that_a_profile_does_not_match_is_told_also_where_the_reason_is_too_much() {
        let spec = Spec::read(b"[('a','b','c','d'),('e','f','g','h')]").unwrap().lines;
        let judge = |lines: &[SpecLine]| if lines.len() == 2 { Ok(None) } else { Err(TooHard) };
        let explained = explain_by(&judge, &Hardware::default(), &spec).unwrap();
        assert!(!explained.is_match());
        assert_eq!(explained.to_string(), "       of its 2 lines, which one fails is too much to find out\n");
        assert_eq!(explain_by(&|_| Err(TooHard), &Hardware::default(), &spec), Err(TooHard));
    }

    #[test]
    fn a_line_that_fits_alone_is_shown_with_what_is_in_its_way() {
        assert_eq!(
            judged("[('disk','$d','size','lt(10)'),('disk','$d','slot','$s')]"),
            "    1  disk $d size lt(10)\n       = disk sda size 8\n    \
                 2  disk $d slot $s\n       FAILED: 1 line fits it alone, none beside the lines above\n       \
                    - disk sdb slot 2: $d is sda\n       $d = sda\n"
        );
        let twice = judged("[('disk','$a','slot','$s'),('disk','$b','slot','$t')]");
        assert!(twice.contains("- disk sdb slot 2: taken by line 1\n"), "{twice}");
    }
}
