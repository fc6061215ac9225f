//! Part `verify`: reading every file of a slot against its signed manifest, caches cold, against hashing every file.

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk::{Device, Mounted, Slot};
use crate::error::Result;
use crate::folder;
use crate::ours;
use crate::parts::delta;
use crate::parts::machine::{self, Copy};
use crate::peers;
use crate::run::drop_caches;
use crate::trees::{self, PAIRS};

/// Measures on the newer tree of all pairs that were asked for, after an upgrade to it.
///
/// # Errors
/// When something fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let trees = trees::ready(bench)?;
    for pair in PAIRS {
        if !bench.wants(&pair.name()) {
            continue;
        }
        let site = ours::site(bench, &trees)?;
        let image = machine::installed(bench, &site, pair.role, pair.from)?;
        let site = delta::with_delta(bench, &site, pair)?;
        let copy = Copy::of(&bench.cli.work, &image)?;
        site.upgrade(copy.path(), pair.to)?;
        let mount = bench.path("mnt");
        let ways = vec![
            Way::new("ours", || {
                drop_caches()?;
                Ok(Outcome::timed(&site.host("verify", copy.path(), "b").measure()?))
            }),
            Way::new("b3sum", || {
                let mounted = Mounted::new(Device::slot(copy.path(), Slot::B)?, mount.clone(), "ro")?;
                drop_caches()?;
                let ended = peers::b3sum(mounted.folder()).measure()?;
                drop(mounted);
                Ok(Outcome::timed(&ended))
            }),
        ];
        bench.interleave(Part::Verify, &pair.name(), ways)?;
        folder::remove(&mount)?;
    }
    Ok(())
}
