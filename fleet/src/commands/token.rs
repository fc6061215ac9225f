//! `token`: who may ask and change over HTTP.

use crate::answer::print;
use crate::cli::{Token, TokenCommand};
use crate::failure::Cause;
use crate::moment::Moment;
use crate::secret::Secret;
use crate::store::{Operator, Store};

pub(super) fn run(args: &Token, json: bool) -> Result<(), Cause> {
    let store = Store::open(&args.data.folder)?;
    match &args.what {
        TokenCommand::Add { name } => add(&store, name),
        TokenCommand::List => {
            list(&store.operators()?, json);
            Ok(())
        }
        TokenCommand::Remove { name } if store.remove_operator(name)? => Ok(()),
        TokenCommand::Remove { name } => Err(Cause::Unknown(format!("token of {name}"))),
    }
}

fn add(store: &Store, name: &str) -> Result<(), Cause> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Cause::Usage("a token needs a name, of printable characters".to_owned()));
    }
    let token = Secret::new().map_err(Cause::Random)?;
    if !store.add_operator(name, &token.hash(), Moment::now())? {
        return Err(Cause::Refused(format!("{name} has a token: remove it first")));
    }
    print(&format!("{token}\n"));
    Ok(())
}

fn list(operators: &[Operator], json: bool) {
    if json {
        return print(&format!("{}\n", serde_json::json!(operators)));
    }
    let line = |operator: &Operator| format!("{}\tsince {}\n", operator.name, operator.since.time());
    print(&operators.iter().map(line).collect::<String>());
}
