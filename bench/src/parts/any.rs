//! Part `any`: the bytes fetched where nothing was made for this pair of versions: frames of the pack, and of the delta of
//! the version from itself that every version is published with, against chunks.

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::error::Result;
use crate::ours;
use crate::parts::machine;
use crate::peers::casync::Chunked;
use crate::trees::{self, PAIRS};
use crate::{finished, folder};

/// Measures all pairs that were asked for.
///
/// # Errors
/// When something fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let trees = trees::ready(bench)?;
    let site = ours::site(bench, &trees)?;
    for pair in PAIRS {
        if !bench.wants(&pair.name()) {
            continue;
        }
        let image = machine::installed(bench, &site, pair.role, pair.from)?;
        let tidy = bench.path("casync");
        let chunks = |from: &std::path::Path, to: &std::path::Path| -> Result<Outcome> {
            let (old, new) = (Chunked::at(tidy.join("old")), Chunked::at(tidy.join("new")));
            old.make(from)?;
            let ended = new.make(to)?;
            Ok(Outcome::sized(&ended, new.fetched_after(&old)?))
        };
        let [from, to] = [pair.from, pair.to].map(|name| finished::tree(bench, &site, pair.role, name));
        let (from, to) = (from?, to?);
        let ways = vec![
            Way::seldom("ours", 1, || {
                let plan = site.plan(&image, pair.to)?;
                let own = format!("delta-index@{}", pair.to);
                // A machine does not ask for it where it would make nothing.
                let own = (ours::number(&plan, "by_delta")? > 0).then_some(&own[..]);
                let mut bytes = ours::number(&plan, "download")?;
                for object in ["manifest", "pack-index"].into_iter().chain(own) {
                    bytes += site.object(pair.role, pair.to, object)?;
                }
                Ok(Outcome::counted(bytes))
            }),
            Way::seldom("casync", 1, || chunks(&trees.folder(pair.from), &trees.folder(pair.to))),
            Way::seldom("casync-finished", 1, || chunks(&from, &to)),
        ];
        bench.interleave(Part::Any, &pair.name(), ways)?;
        folder::remove(&tidy)?;
    }
    Ok(())
}
