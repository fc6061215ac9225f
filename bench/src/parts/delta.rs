//! Part `delta`: the bytes of an update made for one pair of versions, and what making them costs.
//!
//! Peers get the trees as Debian makes them. ostree also gets the finished trees, out of the repository that
//! `rolebuild` publishes. The delta of the product counts with its index. What a host also fetches with any way of
//! ours, manifest and index of the pack, is a case of its own.

use std::path::{Path, PathBuf};

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::error::Result;
use crate::folder;
use crate::ours::{self, Site};
use crate::peers::ostree::Repository;
use crate::peers::{archive, bsdiff};
use crate::trees::{self, PAIRS, Pair, Trees};

/// How often a peer is asked that takes minutes.
const SELDOM: usize = 2;

/// Measures all pairs that were asked for.
///
/// # Errors
/// When something fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let trees = trees::ready(bench)?;
    let site = ours::site(bench, &trees)?;
    for pair in PAIRS {
        if bench.wants(&pair.name()) {
            one(bench, &trees, &site, pair)?;
        } else if bench.wants(&pair.beside()) {
            let own = with_delta(bench, &site, pair)?;
            fetched(bench, &own, pair)?;
        }
    }
    Ok(())
}

/// A copy of the site in which the delta of a pair is published; the pair's own.
///
/// # Errors
/// When the delta cannot be made.
pub(super) fn with_delta(bench: &Bench, site: &Site, pair: Pair) -> Result<Site> {
    let copy = Site::at(bench, folder_of(bench, pair));
    if copy.folder().exists() && copy.delta_bytes(pair.role, pair.from, pair.to).is_ok() {
        return Ok(copy);
    }
    let copy = site.copy(folder_of(bench, pair))?;
    copy.delta(pair.role, pair.from, pair.to, &[])?;
    Ok(copy)
}

fn folder_of(bench: &Bench, pair: Pair) -> PathBuf {
    bench.path("deltas").join(pair.name())
}

fn one(bench: &mut Bench, trees: &Trees, site: &Site, pair: Pair) -> Result<()> {
    let [own, fast] = [folder_of(bench, pair), bench.path("deltas/fast")].map(|folder| site.copy(folder));
    let (own, fast) = (own?, fast?);
    let raw = raw(bench, trees, pair)?;
    let finished = Repository::at(own.folder().join("ostree"));
    let (out, folder) = (bench.path("out"), bench.path("bsdiff"));
    let names = [pair.from, pair.to].map(|version| format!("{}/{version}", pair.role));
    let [from, to] = [pair.from, pair.to].map(|name| (trees.folder(name), trees.archive(name)));
    let made = |site: &Site, more: &[&str]| {
        let ended = site.delta(pair.role, pair.from, pair.to, more)?;
        Ok(Outcome::sized(&ended, bytes(site, pair, &ended.stdout)?))
    };
    let work = &bench.cli.work.clone();
    let file = |ended: Result<crate::run::Ended>| Ok(Outcome::sized(&ended?, folder::bytes(&out)?));
    let mut ways = vec![
        Way::new("ours", || made(&own, &[])),
        Way::new("ours-fast", || made(&fast, &["--fast"])),
        Way::seldom("ostree", SELDOM, || {
            let kept = peers_delta(work, pair);
            let ended = raw.delta(pair.from, pair.to, &kept)?;
            Ok(Outcome::sized(&ended, folder::bytes(&kept)?))
        }),
        Way::seldom("ostree-finished", 1, || file(finished.delta(&names[0], &names[1], &out))),
        Way::seldom("xdelta3", 1, || file(archive::xdelta3(&from.1, &to.1, &out))),
        Way::seldom("zstd-3-patch", SELDOM, || file(archive::zstd_patch("-3", &from.1, &to.1, &out))),
        Way::seldom("rsync-batch", 1, || file(archive::rsync_batch(&from.0, &to.0, &out))),
        Way::seldom("bsdiff", 1, || {
            let (ended, bytes) = bsdiff::make(&from.0, &to.0, &folder)?;
            Ok(Outcome::sized(&ended, bytes))
        }),
    ];
    if pair == PAIRS[0] {
        // Minutes for each, and of little use: for one pair only.
        ways.extend([
            Way::seldom("zstd-19-patch", 1, || file(archive::zstd_patch("-19", &from.1, &to.1, &out))),
            Way::seldom("zstd-19-whole", 1, || file(archive::zstd_whole(&to.1, &out))),
        ]);
    }
    bench.interleave(Part::Delta, &pair.name(), ways)?;
    fetched(bench, &own, pair)?;
    for made in [fast.folder(), &out, &out.with_extension("sh"), &folder] {
        folder::remove(made)?;
    }
    Ok(())
}

/// The delta and its index; where none is published, as it would spare nothing, what hosts fetch of the pack.
fn bytes(site: &Site, pair: Pair, answer: &str) -> Result<u64> {
    let delta = &ours::parse(answer)?["deltas"][0];
    if delta["published"] == false {
        return ours::number(delta, "spares");
    }
    site.delta_bytes(pair.role, pair.from, pair.to)
}

/// What a host of ours that runs the older version fetches beside the delta: its texts come against those that it has,
/// where that is published. Signed metadata is not counted, it is the same few kilobytes for all.
fn fetched(bench: &mut Bench, site: &Site, pair: Pair) -> Result<()> {
    let mut bytes = site.object(pair.role, pair.to, "transition")?;
    for text in ["manifest", "pack-index"] {
        bytes += match site.object(pair.role, pair.to, &format!("{text}@{}", pair.from))? {
            0 => site.object(pair.role, pair.to, text)?,
            against => against,
        };
    }
    let ours = Way::seldom("ours", 1, move || Ok(Outcome::counted(bytes)));
    bench.interleave(Part::Delta, &pair.beside(), vec![ours])
}

/// Where the static delta of a pair is kept: minutes to make, and part `apply` needs it.
pub(super) fn peers_delta(work: &Path, pair: Pair) -> PathBuf {
    work.join("ostree-deltas").join(pair.name())
}

/// A repository of ostree with the trees as Debian makes them.
pub(super) fn raw(bench: &Bench, trees: &Trees, pair: Pair) -> Result<Repository> {
    let folder = bench.path("ostree");
    let repository = Repository::at(folder.clone());
    if !folder.exists() {
        repository.init("archive")?;
    }
    for name in [pair.from, pair.to] {
        if !repository.has(name) {
            bench.tell(&format!("committing {name} to ostree"));
            repository.commit(name, &trees.folder(name)).run()?;
        }
    }
    Ok(repository)
}
