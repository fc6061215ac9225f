//! Part `apply`: processor time and memory of turning a delta and an older tree into the newer one.
//!
//! Of ours it is the whole `upgrade`: it has no command that applies only. That is more than the peers do: it plans,
//! copies the tree to a slot of its own, reads it back cold against the manifest, and writes the ESP.

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk::{self, Device, Mounted};
use crate::error::Result;
use crate::folder;
use crate::ours;
use crate::parts::delta;
use crate::parts::machine::{self, Copy};
use crate::peers::casync::Chunked;
use crate::peers::ostree::Repository;
use crate::run::drop_caches;
use crate::trees::{Pair, Trees};

/// A host of peers: one file system with the older tree on it.
const HOST: &str = "4G";

/// Measures a pair.
///
/// # Errors
/// When something fails.
pub(super) fn one(bench: &mut Bench, trees: &Trees, pair: Pair) -> Result<()> {
    let site = ours::site(bench, trees)?;
    let image = machine::installed(bench, &site, pair.role, pair.from)?;
    let (site, plain) = (delta::with_delta(bench, &site, pair)?, site);
    let archive = delta::raw(bench, trees, pair)?;
    let (made, host) = (delta::peers_delta(&bench.cli.work, pair), bench.path("apply.img"));
    bench.tell(&format!("apply {}: making the host of ostree and casync", pair.name()));
    if !made.exists() {
        archive.delta(pair.from, pair.to, &made)?;
    }
    let commit = archive.commit_of(pair.to)?;
    let chunks = Chunked::at(bench.path("casync"));
    chunks.make(&trees.folder(pair.to))?;
    disk::make(&host, HOST)?;
    let mount = bench.path("mnt");
    {
        let mounted = Mounted::new(Device::whole(&host)?, mount.clone(), "rw")?;
        let bare = Repository::at(mounted.folder().join("repo"));
        bare.init("bare")?;
        bare.pull(&archive, pair.from)?;
        bare.checkout(pair.from, &mounted.folder().join("old"))?;
    }
    let work = bench.cli.work.clone();
    let on_host = |run: &dyn Fn(&Mounted) -> Result<Outcome>| -> Result<Outcome> {
        let copy = Copy::of(&work, &host)?;
        let mounted = Mounted::new(Device::whole(copy.path())?, mount.clone(), "rw")?;
        drop_caches()?;
        let outcome = run(&mounted);
        drop(mounted);
        outcome
    };
    let ostree = |mounted: &Mounted, options: &str| -> Result<Outcome> {
        let repo = Repository::at(mounted.folder().join("repo"));
        let call = repo.apply(&made, &commit, options, &mounted.folder().join("new"));
        Ok(Outcome::timed(&call.measure()?))
    };
    let upgrade = |site: &ours::Site| -> Result<Outcome> {
        let copy = Copy::of(&work, &image)?;
        drop_caches()?;
        Ok(Outcome::timed(&site.upgrade(copy.path(), pair.to)?))
    };
    let ways = vec![
        Way::new("ours", || upgrade(&site)),
        Way::new("ostree", || on_host(&|mounted| ostree(mounted, ""))),
        // As our slots are: no content shared between the older and the newer tree.
        Way::new("ostree-copy", || on_host(&|mounted| ostree(mounted, "--force-copy"))),
        Way::new("casync", || {
            on_host(&|mounted| {
                let [old, new] = ["old", "new"].map(|name| mounted.folder().join(name));
                Ok(Outcome::timed(&chunks.extract(&old, &new).measure()?))
            })
        }),
        Way::seldom("ours-without-delta", 2, || upgrade(&plain)),
    ];
    bench.interleave(Part::Apply, &pair.name(), ways)?;
    for path in [host, bench.path("casync"), bench.path("mnt")] {
        folder::remove(&path)?;
    }
    Ok(())
}
