//! `verify`: is the running slot what was signed?

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::Head;
use serde_json::json;

use crate::cli::Common;
use crate::failure::Failure;
use crate::progress::size;
use crate::slot::Verifying;
use crate::trust::{Store, Trusted};

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = super::look(common)?;
    let (manifest, kept) = (installed.manifest()?, installed.kept()?);
    must_be_signed(&installed.slot_store(), &installed.head, installed.options.manifest)?;
    let mut drifts = common.json.then(|| super::Stream::begin("drift")).transpose()?;
    let verifying =
        Verifying { slot: &installed.tree, manifest: &manifest, kept: &kept, progress: &*progress };
    let mut told = Ok(());
    let sum = verifying.run(&mut |drift| {
        if told.is_err() {
            return;
        }
        told = match &mut drifts {
            Some(drifts) => drifts
                .item(&json!({ "path": drift.path, "what": drift.what.word(), "text": drift.to_string() })),
            None => super::put(&format!("{drift}\n")),
        };
    })?;
    told?;
    let clean = sum.drifts == 0;
    let json = json!({
        "version": installed.head.version, "slot": installed.slot().to_string(), "clean": clean,
        "paths": sum.paths, "bytes": sum.bytes, "kept": sum.kept,
    });
    let (version, paths, bytes) = (&installed.head.version, sum.paths, size(sum.bytes));
    let line = match sum.drifts {
        0 => format!("{version} is as it was signed: {paths} paths, {bytes}; {} left alone", sum.kept),
        n => format!("{version} differs from what was signed in {n} places"),
    };
    match drifts {
        Some(drifts) => drifts.end(&json)?,
        None => super::answer(common, &json, &[line])?,
    }
    Ok(if clean { Exit::Done } else { Exit::Differs })
}

/// Whether the metadata that a slot was filled by signs the manifest it was booted with.
pub(crate) fn must_be_signed(store: &Store, head: &Head, booted: Digest) -> Result<(), Failure> {
    let untrusted = |e: Failure| Failure::new(Exit::Untrusted, format!("the metadata kept in the slot: {e}"));
    let kept = Trusted::kept(store, &head.role).and_then(|kept| kept.find(&head.version));
    let signed = kept.map_err(|e| untrusted(e.into()))?.identity.contents.blake3;
    if signed == booted {
        return Ok(());
    }
    let (signed, booted) = (signed.short(), booted.short());
    let text = format!(
        "the slot's metadata signs manifest {signed} as {}, it was booted with {booted}",
        head.version
    );
    Err(Failure::new(Exit::Untrusted, text))
}
