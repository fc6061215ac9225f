//! `verify`: has anything in the running slot changed?

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::Common;
use crate::failure::Failure;
use crate::progress::size;
use crate::slot::Verifying;

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = super::look(common)?;
    let (manifest, kept) = (installed.manifest()?, installed.kept()?);
    let mut drifts = Vec::new();
    let verifying =
        Verifying { slot: &installed.tree, manifest: &manifest, kept: &kept, progress: &*progress };
    let mut told = Ok(());
    let sum = verifying.run(&mut |drift| {
        if common.json {
            drifts.push(json!({ "path": drift.path, "what": drift.what.word(), "text": drift.to_string() }));
        } else if told.is_ok() {
            told = super::put(&format!("{drift}\n"));
        }
    })?;
    told?;
    let clean = sum.drifts == 0;
    let json = json!({
        "version": installed.head.version, "slot": installed.slot().to_string(), "clean": clean,
        "paths": sum.paths, "bytes": sum.bytes, "kept": sum.kept, "drift": drifts,
    });
    let (version, paths, bytes) = (&installed.head.version, sum.paths, size(sum.bytes));
    let line = match sum.drifts {
        0 => format!("{version} is as it was signed: {paths} paths, {bytes}; {} left alone", sum.kept),
        n => format!("{version} differs from what was signed in {n} places"),
    };
    super::answer(common, &json, &[line])?;
    Ok(if clean { Exit::Done } else { Exit::Differs })
}
