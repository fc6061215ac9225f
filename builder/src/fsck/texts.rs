//! Texts that are compressed against those of an older version: each must make the text of its own.

use std::fs;
use std::io;

use edeploy_format::digest::Digest;
use edeploy_format::tuf::{Contents, Fault, TrustedRole};

use super::Report;
use super::contents::Part;
use crate::delta::published::text;
use crate::delta::texts::decompress;

/// Why one is wrong.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Metadata(#[from] Fault),
    #[error("it is compressed against another text than {0}")]
    Older(String),
    #[error("it does not make {0}")]
    Newer(String),
}

/// Checks all of a role; `part` gives a published object if it is sound.
pub(super) fn check(metadata: &TrustedRole, part: &dyn Fn(String) -> Option<Part>, report: &mut Report) {
    for (name, _) in metadata.targets() {
        let Some([whole, older]) = names(name) else { continue };
        if metadata.target(&older).is_none() {
            report.found(name, format!("{older} is not published"));
        }
        let texts = [&whole, &older].map(|name| {
            let (_, path) = part(name.clone())?;
            text(metadata, name.clone(), path).ok().map(|(_, text)| text)
        });
        let ([Some(newer), Some(of_older)], Some(object)) = (texts, part(name.to_owned())) else { continue };
        if let Err(wrong) = makes(metadata, &object, (&whole, &newer), (&older, &of_older)) {
            report.failed(name, &wrong);
        }
    }
}

/// Of `<role>@<to>@<object>@<from>`, where that is a text, that of the version and that of the older one.
fn names(name: &str) -> Option<[String; 2]> {
    let parts: Vec<&str> = name.split('@').collect();
    let [role, to, object @ ("manifest" | "pack-index"), from] = parts[..] else { return None };
    Some([format!("{role}@{to}@{object}"), format!("{role}@{from}@{object}")])
}

fn makes(
    metadata: &TrustedRole,
    (name, path): &Part,
    (newer_name, newer): (&str, &[u8]),
    (older_name, older): (&str, &[u8]),
) -> Result<(), Wrong> {
    let target = metadata.target(name).ok_or_else(|| Wrong::Newer(newer_name.to_owned()))?;
    let listed: Contents = target.custom(name)?;
    if listed != (Contents { blake3: Digest::of(older), size: older.len() as u64 }) {
        return Err(Wrong::Older(older_name.to_owned()));
    }
    // What zstd cannot read makes nothing.
    let made = decompress(&fs::read(path)?, older, newer.len() as u64).unwrap_or_default();
    if made == newer { Ok(()) } else { Err(Wrong::Newer(newer_name.to_owned())) }
}
