//! Part `load`: 1, 10, 50 and 200 hosts that upgrade at once from one static server.
//!
//! Each host is the real program on a disk image of its own, through loop devices, as every host is; all run on this
//! machine beside the server, and all images lie on its one disk. What is light is the tree: 8 MB, of which every tenth
//! file changes. By a delta, and from the pack. One host that fails, or one request that is refused, fails the part.

use std::path::{Path, PathBuf};

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk;
use crate::error::{Result, unexpected};
use crate::folder;
use crate::ours::{Role, Site};
use crate::parts::machine;
use crate::parts::tree::Tree;
use crate::run::{self, Call};
use crate::server::Server;

/// How many hosts there are at once.
pub const HOSTS: [usize; 4] = [1, 10, 50, 200];

/// The ways of this part, as they are shown.
pub const WAYS: [&str; 2] = ["ours-by-delta", "ours-without-delta"];

const ROLE: Role = Role { name: "many", slot: "128MiB", bare: true };
const VERSIONS: [&str; 2] = ["v1", "v2"];
/// Rounds at most: two hundred images are some gigabytes.
const MOST: usize = 3;

/// Measures all numbers of hosts that were asked for.
///
/// # Errors
/// When something fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.path("load");
    folder::fresh(&folder)?;
    let done = all(bench, &folder);
    folder::remove(&folder)?;
    done
}

fn all(bench: &mut Bench, folder: &Path) -> Result<()> {
    let plain = Site::at(bench, folder.join("plain"));
    let image = folder.join("machine.img");
    bench.tell("load: publishing two versions");
    let tree = Tree { root: folder.join("tree"), files: 1000, bytes: 8000 };
    tree.make()?;
    plain.init()?;
    plain.build(ROLE, VERSIONS[0], &tree.root)?;
    plain.publish(ROLE.name, VERSIONS[0])?;
    plain.install(ROLE.name, VERSIONS[0], &image, machine::DISK)?;
    tree.change()?;
    plain.build(ROLE, VERSIONS[1], &tree.root)?;
    plain.publish(ROLE.name, VERSIONS[1])?;
    let site = plain.copy(folder.join("site"))?;
    site.delta(ROLE.name, VERSIONS[0], VERSIONS[1], &[])?;
    for hosts in HOSTS {
        let case = hosts.to_string();
        if bench.wants(&case) {
            let way = |name, site| {
                let (image, folder) = (&image, folder);
                Way::seldom(name, MOST, move || at_once(site, image, folder, hosts))
            };
            let ways = vec![way(WAYS[0], &site), way(WAYS[1], &plain)];
            bench.interleave(Part::Load, &case, ways)?;
        }
    }
    Ok(())
}

/// So many hosts upgrade; what they cost together, and what was served.
fn at_once(site: &Site, image: &Path, folder: &Path, hosts: usize) -> Result<Outcome> {
    let machines = folder.join("machines");
    folder::fresh(&machines)?;
    let images: Vec<PathBuf> = (0..hosts).map(|n| machines.join(format!("{n}.img"))).collect();
    images.iter().try_for_each(|path| disk::copy(image, path))?;
    let server = Server::start(site.folder(), &folder.join("server"))?;
    let calls: Vec<Call> =
        images.iter().map(|path| site.upgrade_from(server.url(), path, VERSIONS[1])).collect();
    let ended = run::at_once(&calls)?;
    let answered = server.answered()?;
    if answered.refused > 0 {
        return Err(unexpected("the server", format!("{} requests were refused", answered.refused)));
    }
    folder::remove(&machines)?;
    Ok(Outcome { sample: Some(ended.sample), bytes: Some(answered.bytes), requests: Some(answered.requests) })
}
