//! `detect`: the machine's hardware, or the disk that a hint means.

use std::path::Path;

use edeploy_format::exit::Exit;
use edeploy_format::fleet::Hint;
use serde_json::json;

use crate::cli::{Common, Detect};
use crate::detect;
use crate::failure::Failure;

/// The machine that this program runs on.
const ROOT: &str = "/";

pub(super) fn run(common: &Common, asked: &Detect) -> Result<Exit, Failure> {
    match &asked.hint {
        Some(hint) => choose(common, hint)?,
        None => list(common, asked)?,
    }
    Ok(Exit::Done)
}

fn list(common: &Common, asked: &Detect) -> Result<(), Failure> {
    let mut hardware = detect::hardware(Path::new(ROOT));
    if !asked.lldp.is_zero() {
        hardware.extend(detect::neighbours(asked.lldp));
    }
    let lines: Vec<String> = hardware.iter().map(|line| line.join(" ")).collect();
    super::answer(common, &json!(hardware), &lines)
}

fn choose(common: &Common, hint: &Hint) -> Result<(), Failure> {
    let path = detect::hint::choose(Path::new(ROOT), hint)?;
    let path = path.to_string_lossy();
    let name = path.strip_prefix("/dev/").unwrap_or(&path).replace('/', "!");
    super::answer(common, &json!({ "disk": name, "path": path }), &[format!("{name} {path}")])
}
