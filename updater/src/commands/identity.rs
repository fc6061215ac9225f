//! `version`, `role`, `profile`: one line each.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::{Command, Common};
use crate::failure::Failure;

pub(super) fn run(common: &Common, which: &Command) -> Result<Exit, Failure> {
    let installed = super::look(common)?;
    let (name, value) = match which {
        Command::Role => ("role", installed.head.role.to_string()),
        Command::Profile => ("profile", installed.settings.profile.clone()),
        _ => ("version", installed.head.version.to_string()),
    };
    super::answer(common, &json!({ name: value }), std::slice::from_ref(&value))?;
    Ok(Exit::Done)
}
