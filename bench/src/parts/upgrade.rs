//! Part `upgrade`: a whole upgrade of a disk image from a delta in a local folder, all caches cold, against writing the
//! image of a slot as image-based updaters do, and against the least work by file: read the slot, write what changed.
//!
//! The image that is written is as large as the slot and has no holes: it is read from a raw file, and nothing is
//! downloaded, checked or unpacked.

use std::fs;
use std::path::Path;

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk::{Device, Mounted, Slot};
use crate::error::{Result, file};
use crate::folder;
use crate::ours;
use crate::parts::delta;
use crate::parts::machine::{self, Copy};
use crate::peers::image;
use crate::run::{Call, drop_caches};
use crate::trees::{Pair, Trees};

/// Measures a pair.
///
/// # Errors
/// When something fails.
pub(super) fn one(bench: &mut Bench, trees: &Trees, pair: Pair) -> Result<()> {
    let site = ours::site(bench, trees)?;
    let image = machine::installed(bench, &site, pair.role, pair.from)?;
    let site = delta::with_delta(bench, &site, pair)?;
    let (slot, changed) = (bench.path("slot.img"), bench.path("changed"));
    {
        let device = Device::slot(&image, Slot::A)?;
        Call::new("dd")
            .words("bs=4M conv=fsync status=none")
            .arg(operand("if", device.path()))
            .arg(operand("of", &slot))
            .run()?;
    }
    let plan = site.plan(&image, pair.to)?;
    let bytes = ours::number(&plan, "write")?.saturating_sub(ours::number(&plan, "copy")?);
    noise(&changed, bytes)?;
    let (work, mount) = (bench.cli.work.clone(), bench.path("mnt"));
    let ways = vec![
        Way::new("ours", || {
            let copy = Copy::of(&work, &image)?;
            drop_caches()?;
            let ended = site.upgrade(copy.path(), pair.to)?;
            Ok(Outcome::timed(&ended))
        }),
        Way::new("dd", || {
            let copy = Copy::of(&work, &image)?;
            let device = Device::slot(copy.path(), Slot::B)?;
            drop_caches()?;
            let ended = image::write(&slot, device.path()).measure()?;
            drop(device);
            Ok(Outcome::timed(&ended))
        }),
        Way::new("read-write", || {
            let copy = Copy::of(&work, &image)?;
            let from = Mounted::new(Device::slot(copy.path(), Slot::A)?, mount.clone(), "ro")?;
            let device = Device::slot(copy.path(), Slot::B)?;
            drop_caches()?;
            let ended = image::read_and_write(from.folder(), &changed, device.path()).measure()?;
            drop(device);
            drop(from);
            Ok(Outcome::sized(&ended, bytes))
        }),
    ];
    bench.interleave(Part::Upgrade, &pair.name(), ways)?;
    [&slot, &changed, &mount].into_iter().try_for_each(|path| folder::remove(path))
}

fn operand(name: &str, path: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(format!("{name}="));
    text.push(path);
    text
}

/// A file of so many bytes that nothing makes smaller.
fn noise(path: &Path, bytes: u64) -> Result<()> {
    let random = Path::new("/dev/urandom");
    let from = fs::File::open(random).map_err(file("opening", random))?;
    let mut to = fs::File::create(path).map_err(file("making", path))?;
    std::io::copy(&mut std::io::Read::take(from, bytes), &mut to).map_err(file("writing", path))?;
    to.sync_all().map_err(file("writing", path))
}
