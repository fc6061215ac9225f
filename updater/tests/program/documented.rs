//! The table of the runbook, held against what the program does.

use crate::lab::Ran;

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

/// Asserts that the runbook has a row with this exit code and message, and that it is what was said; `…` in
/// the message stands for anything.
#[track_caller]
pub(crate) fn documented(ran: &Ran, code: i32, message: &str) {
    let row = format!("| {code} | `` {message} `` |");
    assert!(RUNBOOK.contains(&row), "the runbook has no row {row}");
    let (found, said) = ran.failed();
    assert_eq!(found, code, "{ran:?}");
    let mut rest = said;
    for (n, part) in message.split('…').enumerate() {
        let at = if n == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        let at = at.unwrap_or_else(|| panic!("said {said:?}, documented {message:?}"));
        rest = &rest[at + part.len()..];
    }
    assert!(rest.is_empty() || message.ends_with('…'), "said {said:?}, documented {message:?}");
}
