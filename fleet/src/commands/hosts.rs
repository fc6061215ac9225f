//! `hosts`: the machines that were seen.

use serde_json::{Value, json};

use crate::cli::Hosts;
use crate::failure::Cause;
use crate::store::{Host, Store};

pub(super) fn run(args: &Hosts, as_json: bool) -> Result<(), Cause> {
    let store = Store::open(&args.data.folder)?;
    match &args.machine {
        Some(machine) => {
            let host = store.host(machine)?.ok_or_else(|| Cause::Unknown(format!("machine {machine}")))?;
            // What is known of one is no line.
            println!("{:#}", json!(host));
        }
        None if as_json => println!("{}", json!(store.hosts()?)),
        None => store.hosts()?.iter().for_each(|host| println!("{}", line(host))),
    }
    Ok(())
}

fn line(host: &Host) -> String {
    let stage = host.stage.map_or(Value::Null, |stage| json!(stage));
    let mut line = format!(
        "{}\t{}\t{}\t{}",
        host.name,
        host.profile.as_deref().unwrap_or("-"),
        stage.as_str().unwrap_or("-"),
        host.summary
    );
    if let Some(failure) = &host.failure {
        line += &format!("\tfailed: {failure}");
    }
    if host.permission.is_some() {
        line += "\tmay be installed";
    }
    line
}
