//! What the fleet reads: values of Python, spec lines with a hardware report, models.

use std::collections::BTreeMap;
use std::fmt::Write;

use edeploy_fleet::explain::explain;
use edeploy_fleet::generate::{Entries, MOST};
use edeploy_fleet::hardware::Hardware;
use edeploy_fleet::literal::Literal;
use edeploy_fleet::matcher::{Budget, WORK, matched};
use edeploy_fleet::spec::{Spec, SpecLine};

use crate::input::Input;

/// The reader of Python takes nothing that is nested deeper; that of JSON does.
const DEEPEST: usize = 64;
/// Longer reports and profiles are not held against trying everything.
const LINES: [usize; 2] = [6, 4];
/// So many of the first and last entries that a model gives are made.
const MADE: u64 = 50;

/// What is read is the same when it is written and read again.
pub(crate) fn literal(data: &[u8]) {
    let Ok(read) = Literal::read(data) else { return };
    let mut written = String::new();
    if write(&read, &mut written) > DEEPEST {
        return;
    }
    assert_eq!(Literal::read(written.as_bytes()), Ok(read), "{written}");
}

/// Writes a value as Python; how deep it is.
fn write(value: &Literal, to: &mut String) -> usize {
    match value {
        Literal::List(members) => write_all("[", members, "]", to),
        Literal::Tuple(members) => write_all("(", members, ")", to),
        Literal::Call(name, arguments) => write_all(&format!("{name}("), arguments, ")", to),
        Literal::Dict(members) => {
            to.push('{');
            let mut deepest = 0;
            for (key, value) in members {
                deepest = deepest.max(write(key, to));
                to.push(':');
                deepest = deepest.max(write(value, to));
                to.push(',');
            }
            to.push('}');
            deepest + 1
        }
        Literal::Text(text) => {
            to.push('\'');
            text.chars().for_each(|c| write!(to, "\\U{:08x}", u32::from(c)).expect("memory"));
            to.push('\'');
            0
        }
        Literal::Float(number) if number.is_infinite() => {
            to.push_str(if *number > 0.0 { "1e999" } else { "-1e999" });
            0
        }
        Literal::None | Literal::Bool(_) | Literal::Int(_) | Literal::Float(_) => {
            to.push_str(&value.text().expect("a simple value"));
            0
        }
    }
}

fn write_all(open: &str, members: &[Literal], close: &str, to: &mut String) -> usize {
    to.push_str(open);
    let mut deepest = 0;
    for member in members {
        deepest = deepest.max(write(member, to));
        to.push(',');
    }
    to.push_str(close);
    deepest + 1
}

/// A profile takes the lines that trying everything in order takes, and its explanation says the same.
pub(crate) fn spec(data: &[u8]) {
    let mut input = Input(data);
    let hardware = Hardware::read(input.until(0));
    let spec = Spec::read(input.0);
    let (Ok(hardware), Ok(spec)) = (hardware, spec) else { return };
    if hardware.lines.len() > LINES[0] || spec.lines.len() > LINES[1] {
        return;
    }
    let found = matched(&Budget::of(WORK), &hardware, &spec.lines).expect("so few lines are not too hard");
    let mut chosen = Vec::new();
    let any = by_trying(&hardware, &spec.lines, &mut BTreeMap::new(), &mut chosen);
    assert_eq!(found.map(|found| found.lines), any.then_some(chosen));
    let explained = explain(&Budget::of(WORK), &hardware, &spec).expect("so few lines are not too hard");
    assert_eq!(explained.is_match(), any);
    assert_eq!(explained.taken.len() + usize::from(!any) + explained.unjudged, spec.lines.len());
    let _ = explained.to_string();
}

fn by_trying<'a>(
    hardware: &'a Hardware,
    spec: &'a [SpecLine],
    names: &mut BTreeMap<&'a str, &'a str>,
    chosen: &mut Vec<usize>,
) -> bool {
    let Some(asked) = spec.get(chosen.len()) else { return true };
    for (n, line) in hardware.lines.iter().enumerate() {
        let before = names.clone();
        let fits = !chosen.contains(&n)
            && asked.0.iter().zip(&line.0).all(|(field, value)| {
                let name = field.variable.as_ref().map(|variable| &*variable.name);
                field.test.holds(value)
                    && name.is_none_or(|name| *names.entry(name).or_insert(value) == value)
            });
        chosen.push(n);
        if fits && by_trying(hardware, spec, names, chosen) {
            return true;
        }
        chosen.pop();
        *names = before;
    }
    false
}

/// A model gives no more entries than it may, each with the keys of the first.
pub(crate) fn cmdb(data: &[u8]) {
    let Ok(literal) = Literal::read(data) else { return };
    let Ok(entries) = Entries::of(&literal) else { return };
    let count = entries.count();
    if literal.members().is_some() {
        return;
    }
    assert!(count <= MOST);
    let made = (0..count.min(MADE)).chain(count.saturating_sub(MADE)..count).map(|n| entries.at(n));
    let keys: Vec<Vec<String>> = made.map(|entry| entry.into_iter().map(|(key, _)| key).collect()).collect();
    assert!(keys.windows(2).all(|two| two[0] == two[1]));
}
