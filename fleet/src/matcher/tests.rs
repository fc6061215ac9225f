//! What is matched, and that it is found fast where everything is alike.

use super::*;
use crate::spec::Spec;

fn hardware(source: &str) -> Hardware {
    Hardware::read(source.as_bytes()).unwrap()
}

fn matching(machine: &Hardware, spec: &str) -> Option<Matched> {
    let spec = Spec::read(spec.as_bytes()).unwrap();
    matched(&Budget::of(WORK), machine, &spec.lines).unwrap()
}

fn variables(machine: &str, spec: &str) -> Option<Vec<(String, String)>> {
    matching(&hardware(machine), spec).map(|found| found.variables.into_iter().collect())
}

fn pairs(of: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

const DISKS: &str = "[('disk','sda','size','8'),('disk','sdb','size','20'),('disk','sdb','slot','2'),
                      ('disk','sda','slot','1'),('cpu','logical','number','4')]";

#[test]
fn names_stand_for_one_value_in_all_lines() {
    let spec = "[('disk','$d','size','gt(10)'),('disk','$d','slot','$slot')]";
    assert_eq!(variables(DISKS, spec), pairs(&[("d", "sdb"), ("slot", "2")]));
    let spec = "[('disk','$d','size','gt(10)'),('disk','$d','slot','1')]";
    assert_eq!(variables(DISKS, spec), None);
}

#[test]
fn all_four_fields_may_be_names_or_functions() {
    let spec = "[('in(disk, cdrom)','$d','$what=regexp(^s)','ge(20)'),('$class','logical','$$how','$n')]";
    let found = matching(&hardware(DISKS), spec).unwrap();
    assert_eq!(found.lines, [1, 4]);
    assert_eq!(found.picks.into_iter().collect::<Vec<_>>(), [("how".to_owned(), "number".to_owned())]);
    assert_eq!(found.variables["what"], "size");
}

#[test]
fn a_line_serves_once_and_the_first_that_fits_is_taken() {
    let twice = "[('disk','$a','size','$x'),('disk','$b','size','$y')]";
    assert_eq!(variables(DISKS, twice), pairs(&[("a", "sda"), ("b", "sdb"), ("x", "8"), ("y", "20")]));
    let thrice = format!("{},('disk','$c','size','$z')]", twice.trim_end_matches(']'));
    assert_eq!(variables(DISKS, &thrice), None);
}

#[test]
fn an_early_choice_is_taken_back_when_a_later_line_needs_it() {
    // The first line could take either disk; the last leaves it but one.
    let spec = "[('disk','$a','size','$x'),('disk','$b','size','lt(10)'),('disk','$a','slot','$s')]";
    assert_eq!(variables(DISKS, spec), pairs(&[("a", "sdb"), ("b", "sda"), ("s", "2"), ("x", "20")]));
}

#[test]
fn a_name_twice_in_one_line_must_be_the_same_value() {
    let machine = "[('a','x','size','y'),('a','z','size','z')]";
    assert_eq!(variables(machine, "[('a','$n','size','$n')]"), pairs(&[("n", "z")]));
}

#[test]
fn no_spec_lines_match_any_machine() {
    assert_eq!(variables("[]", "[]"), pairs(&[]));
    assert_eq!(variables("[]", "[('a','b','c','d')]"), None);
}

/// So many disks that differ in name, slot and serial alone.
fn alike(disks: usize) -> Hardware {
    let disk = |n: usize| {
        format!(
            "('disk','d{n}','size','1000'),('disk','d{n}','vendor','X'),('disk','d{n}','slot','s{n}'),\
             ('disk','d{n}','serial','{n}'),"
        )
    };
    hardware(&format!("[{}]", (0..disks).map(disk).collect::<String>()))
}

/// What so many disks are asked for, each by name, size, vendor and slot; `last` is asked of the last.
fn asked(disks: usize, last: &str) -> Vec<SpecLine> {
    let disk = |n: usize| {
        let vendor = if n + 1 == disks { last } else { "X" };
        format!(
            "('disk','$d{n}','size','gt(10)'),('disk','$d{n}','vendor','{vendor}'),('disk','$d{n}','slot','$s{n}'),"
        )
    };
    Spec::read(format!("[{}]", (0..disks).map(disk).collect::<String>()).as_bytes()).unwrap().lines
}

#[test]
fn sixty_four_disks_that_are_alike_are_matched_and_refused_without_trying_everything() {
    let machine = alike(64);
    let found = matched(&Budget::of(WORK), &machine, &asked(64, "X"))
        .unwrap()
        .expect("there are as many as asked for");
    assert_eq!(found.variables["d63"], "d63");
    assert_eq!(matched(&Budget::of(WORK), &machine, &asked(65, "X")), Ok(None));
    assert_eq!(matched(&Budget::of(WORK), &machine, &asked(64, "Y")), Ok(None));
}

/// Disks in pairs, each of which names the other: lines that are left do not show that no answer is.
#[test]
fn what_only_trying_shows_is_tried_once_for_all_that_are_alike() {
    let line = |n: usize, m: usize| format!("('pair','p{n}','with','p{m}'),");
    let ring: String = (0..24).map(|n| line(n, n ^ 1)).collect();
    let machine = hardware(&format!("[{ring}]"));
    // A ring of three does not exist among pairs.
    let spec = "[('pair','$a','with','$b'),('pair','$b','with','$c'),('pair','$c','with','$a')]";
    assert_eq!(matching(&machine, spec), None);
}

/// A report of as many lines as one may have, in one cycle: no two are alike, and each choice fails late.
#[test]
fn a_report_in_one_long_cycle_is_given_up_before_it_costs_time_or_memory() {
    let line = |n: usize| format!("('pair','p{n}','with','p{}'),", (n + 1) % 20_000);
    let machine = hardware(&format!("[{}]", (0..20_000).map(line).collect::<String>()));
    let triangle = "[('pair','$a','with','$b'),('pair','$b','with','$c'),('pair','$c','with','$a')]";
    let triangle = Spec::read(triangle.as_bytes()).unwrap().lines;
    // A part of the work: tests are not optimised.
    assert_eq!(matched(&Budget::of(WORK / 25), &machine, &triangle), Err(TooHard));
    // Where all of them have two values in common, what is a value's own takes long to see.
    let line = |n: usize| format!("('pair','p{n}','with','{}'),", n % 2);
    let machine = hardware(&format!("[{}]", (0..20_000).map(line).collect::<String>()));
    let spec = "[('pair','$a','$x','0'),('pair','$a','$y','1')]";
    assert_eq!(matching(&machine, spec), None);
    let spec = "[('$x','$a','with','$n'),('$x','$b','with','$n'),('$y','$b','$z','$m'),('$y','$c','$z','2')]";
    assert_eq!(matching(&machine, spec), None);
}

/// Trying everything in order, for small questions: what [`matched`] must find.
fn by_trying(machine: &Hardware, spec: &[SpecLine]) -> Option<Vec<usize>> {
    fn go(problem: &Problem<'_>, bound: &mut Vec<Option<u32>>, chosen: &mut Vec<usize>) -> bool {
        let spec = chosen.len();
        if spec == problem.fits.len() {
            return true;
        }
        for &line in &problem.fits[spec] {
            if chosen.contains(&line) || !problem.agrees(spec, line, bound) {
                continue;
            }
            let before = bound.clone();
            problem.named(spec, line).for_each(|(name, value)| bound[name] = Some(value));
            chosen.push(line);
            if go(problem, bound, chosen) {
                return true;
            }
            chosen.pop();
            *bound = before;
        }
        false
    }
    let problem = Problem::new(machine, spec);
    let mut chosen = Vec::new();
    go(&problem, &mut vec![None; problem.names.len()], &mut chosen).then_some(chosen)
}

#[test]
fn what_is_cut_short_never_loses_or_changes_an_answer() {
    let mut seed = 7_u64;
    let mut roll = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    let (mut found, mut none) = (0, 0);
    for _ in 0..4000 {
        // Few values, so that much is alike.
        let lines: String = (0..3 + roll(6))
            .map(|_| format!("('c','{}','{}','{}'),", roll(3), ["s", "t"][roll(2) as usize], roll(3)))
            .collect();
        let asked = 2 + roll(3);
        let mut field = |values: &[&str]| match roll(4) {
            0 => values[roll(values.len() as u64) as usize].to_owned(),
            _ => format!("${}", ["a", "b", "c", "d"][roll(4) as usize]),
        };
        let spec: String = (0..asked)
            .map(|_| {
                let (item, attribute) = (field(&["0", "1", "2"]), field(&["s", "t"]));
                format!("('c','{item}','{attribute}','{}'),", field(&["0", "gt(0)"]))
            })
            .collect();
        let (lines, spec) = (format!("[{lines}]"), format!("[{spec}]"));
        let (machine, asked) = (hardware(&lines), Spec::read(spec.as_bytes()).unwrap());
        let expected = by_trying(&machine, &asked.lines);
        let answer = matched(&Budget::of(WORK), &machine, &asked.lines).unwrap().map(|answer| answer.lines);
        assert_eq!(answer, expected, "{lines} {spec}");
        if expected.is_some() { found += 1 } else { none += 1 }
    }
    assert!(found > 300 && none > 300, "{found} found, {none} not");
}
