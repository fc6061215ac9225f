//! `list`: what is published for this machine's role.

use edeploy_format::exit::Exit;
use edeploy_format::tuf::{Listed, Time};
use serde_json::json;

use crate::cli::Common;
use crate::failure::Failure;
use crate::installed::Installed;
use crate::journal::all_refused;
use crate::trust::Trusted;

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = super::look(common)?;
    let fetch = installed.site(common, &*progress)?;
    let expiry = super::now(installed.head.built, &*progress);
    let (stores, role) = (installed.stores(), &installed.head.role);
    let trusted = Trusted::current(&*fetch, &stores, role, expiry, None, &*progress)?;
    let versions = trusted.versions();
    let mut rows = Vec::new();
    let mut lines = vec![format!("{:<24} {:>6}  {:<20}  {}", "VERSION", "SERIAL", "BUILT", "HERE")];
    for published in &versions {
        let here = here(&installed, &trusted, published)?;
        let (version, identity) = (&published.version, &published.identity);
        let built = Time::new(identity.built).to_string();
        lines.push(
            format!("{version:<24} {:>6}  {built:<20}  {}", identity.serial, here.join(", "))
                .trim_end()
                .to_owned(),
        );
        rows.push(json!({
            "version": version, "serial": identity.serial, "architecture": identity.architecture,
            "built": identity.built, "manifest": identity.contents.blake3.to_string(), "here": here,
        }));
    }
    let json = json!({ "role": installed.head.role, "versions": rows, "min_serial": trusted.min_serial() });
    super::answer(common, &json, &lines)?;
    Ok(Exit::Done)
}

/// What this machine has to do with a version.
fn here(installed: &Installed, trusted: &Trusted, published: &Listed) -> Result<Vec<&'static str>, Failure> {
    let manifest = published.identity.contents.blake3;
    let mut words = Vec::new();
    if manifest == installed.options.manifest {
        words.push("running");
    }
    let other = installed.slot().other();
    let in_other = |l: &crate::esp::Listed| {
        l.whole().is_some_and(|e| e.options.slot == other && e.options.manifest == manifest)
    };
    if installed.esp()?.entries()?.iter().any(in_other) {
        words.push("other slot");
    }
    if all_refused(&installed.journal().read()?).contains(&manifest) {
        words.push("fallen back from");
    }
    if published.identity.serial < trusted.min_serial() {
        words.push("withdrawn");
    }
    Ok(words)
}
