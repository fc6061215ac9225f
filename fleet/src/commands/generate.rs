//! `edeploy-fleet generate`: the entries of a model.

use serde_json::{Map, Value};

use super::read;
use crate::cli::Generate;
use crate::failure::Cause;
use crate::generate::entries;

/// The entries of a file.
pub(super) fn run(args: &Generate) -> Result<Vec<Map<String, Value>>, Cause> {
    let path = &args.model;
    entries(&read(path)?).map_err(|source| Cause::Generate { path: path.clone(), source })
}
