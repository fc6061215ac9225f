//! Part `any`: the bytes fetched where nothing was made for this pair of versions: frames of the pack against chunks.

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
                let indexes =
                    ["manifest", "pack-index"].map(|object| site.object(pair.role, pair.to, object));
                let [manifest, index] = indexes;
                Ok(Outcome::counted(ours::number(&plan, "download")? + manifest? + index?))
            }),
            Way::seldom("casync", 1, || chunks(&trees.folder(pair.from), &trees.folder(pair.to))),
            Way::seldom("casync-finished", 1, || chunks(&from, &to)),
        ];
        bench.interleave(Part::Any, &pair.name(), ways)?;
        folder::remove(&tidy)?;
    }
    Ok(())
}
