//! Part `build`: a tree into a repository, for the first time and again unchanged.
//!
//! Of ours it is all of `rolebuild build`: it also copies the tree, finishes it, writes manifest, pack and bill of
//! materials. Peers get the tree in place. Caches are warm.

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::error::Result;
use crate::folder;
use crate::ours::{self, Site};
use crate::peers::casync::Chunked;
use crate::peers::ostree::Repository;
use crate::run::Call;
use crate::trees::{self, PAIRS};

/// Measures on the newer tree of all pairs that were asked for.
///
/// # Errors
/// When something fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let trees = trees::ready(bench)?;
    for pair in PAIRS {
        if !bench.wants(&pair.name()) {
            continue;
        }
        let (tree, role) = (trees.folder(pair.to), ours::role(pair.role)?);
        let site = Site::at(bench, bench.path("build/site"));
        let [archive, bare] = ["archive", "bare"].map(|mode| bench.path(format!("build/{mode}")));
        let (chunks, squash) = (Chunked::at(bench.path("build/casync")), bench.path("build/squash"));
        folder::fresh(&bench.path("build"))?;
        let ostree = |path: &std::path::Path, mode: Option<&str>| -> Result<Outcome> {
            let repository = Repository::at(path.to_owned());
            if let Some(mode) = mode {
                repository.init(mode)?;
            }
            let ended = repository.commit("tree", &tree).measure()?;
            Ok(Outcome::sized(&ended, folder::bytes(path)?))
        };
        let mksquashfs = || {
            folder::remove(&squash)?;
            let call = Call::new("mksquashfs").args([&tree, &squash]);
            let ended = call.words("-quiet -no-progress -comp zstd -Xcompression-level 15").measure()?;
            Ok(Outcome::sized(&ended, folder::bytes(&squash)?))
        };
        let new = vec![
            Way::new("ours", || {
                site.init()?;
                folder::remove(&site.builds())?;
                Ok(Outcome::timed(&site.build(role, pair.to, &tree)?))
            }),
            Way::new("ostree-archive", || ostree(&archive, Some("archive"))),
            Way::new("ostree-bare", || ostree(&bare, Some("bare"))),
            Way::new("casync", || Ok(Outcome::timed(&chunks.make(&tree)?))),
            Way::seldom("mksquashfs", 2, mksquashfs),
        ];
        bench.interleave(Part::Build, &format!("{} new", pair.to), new)?;
        let again = vec![
            Way::new("ours", || Ok(Outcome::timed(&site.build(role, pair.to, &tree)?))),
            Way::new("ostree-archive", || ostree(&archive, None)),
            Way::new("ostree-bare", || ostree(&bare, None)),
            Way::new("casync", || Ok(Outcome::timed(&chunks.again(&tree)?))),
        ];
        // With some ways or rounds left out, what is built again may not be there.
        if [site.builds(), archive.clone(), bare.clone(), chunks.store()].iter().all(|path| path.exists()) {
            bench.interleave(Part::Build, &format!("{} again", pair.to), again)?;
        }
        folder::remove(&bench.path("build"))?;
    }
    Ok(())
}
