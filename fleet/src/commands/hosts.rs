//! `hosts`: the machines that were seen.

use serde_json::{Value, json};

use crate::answer::print;
use crate::cli::Hosts;
use crate::failure::Cause;
use crate::moment::Moment;
use crate::store::{Host, Store};

pub(super) fn run(args: &Hosts, as_json: bool) -> Result<(), Cause> {
    let (store, now) = (Store::open(&args.data.folder)?, Moment::now());
    match &args.machine {
        Some(machine) => {
            let host =
                store.host(machine, now)?.ok_or_else(|| Cause::Unknown(format!("machine {machine}")))?;
            // What is known of one is no line.
            print(&format!("{:#}\n", json!(host)));
        }
        None if as_json => print(&format!("{}\n", json!(store.hosts(now)?))),
        None => print(&store.hosts(now)?.iter().map(line).collect::<String>()),
    }
    Ok(())
}

/// The fields of a machine, by tabs, in a line. What the machine said has no line and no escape sequence of its own.
fn line(host: &Host) -> String {
    let stage = host.stage.map_or(Value::Null, |stage| json!(stage));
    let mut line = format!(
        "{}\t{}\t{}\t{}",
        host.name,
        host.profile.as_deref().unwrap_or("-"),
        stage.as_str().unwrap_or("-"),
        plain(&host.summary)
    );
    if let Some(failure) = &host.failure {
        line += &format!("\tfailed: {}", plain(failure));
    }
    if host.permission.is_some() {
        line += "\tmay be installed";
    }
    line + "\n"
}

/// A text with its control characters written out.
fn plain(text: &str) -> String {
    let one = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_said_is_neither_a_line_nor_an_escape_sequence() {
        assert_eq!(plain("no disk\nweb2\t\u{1b}]0;x\u{9b}"), r"no disk\nweb2\t\u{1b}]0;x\u{9b}");
        assert_eq!(plain("größer"), "größer");
    }
}
