//! Trees as hosts get them: what `rolebuild` published, in folders, for peers that take folders.

use std::fs::{self, File, FileTimes};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use edeploy_format::manifest::{Kind, Reader};

use crate::bench::Bench;
use crate::error::{Error, Result, file, unexpected};
use crate::folder;
use crate::ours::Site;
use crate::run::Call;

/// The tree of a version, checked out of the site's OSTree repository, with the times of its manifest.
///
/// # Errors
/// When ostree fails, or the manifest is not that of the tree.
pub fn tree(bench: &Bench, site: &Site, role: &str, version: &str) -> Result<PathBuf> {
    let to = bench.path("finished").join(version);
    if !to.exists() {
        let parent = bench.path("finished");
        fs::create_dir_all(&parent).map_err(file("making", &parent))?;
        let new = to.with_extension("new");
        folder::remove(&new)?;
        let call = Call::new("ostree").arg("checkout").option("--repo", site.folder().join("ostree"));
        call.arg(format!("{role}/{version}")).arg(&new).run()?;
        // OSTree keeps no times: a checkout has the time of day in folders, which would be changes to peers.
        Call::shell("find \"$1\" -print0 | xargs -0 touch -h -d @0").arg(&new).run()?;
        times(site, role, version, &new)?;
        fs::rename(&new, &to).map_err(file("renaming", &new))?;
    }
    Ok(to)
}

/// Gives files and folders the times that the manifest has. Links stay as they are: alike in all trees.
fn times(site: &Site, role: &str, version: &str, tree: &Path) -> Result<()> {
    let text = tree.with_extension("manifest");
    let packed = site.target(role, version, "manifest")?;
    Call::new("zstd").words("-q -d -f").arg(packed).arg("-o").arg(&text).run()?;
    let open = File::open(&text).map_err(file("opening", &text))?;
    let broken = |e: &dyn std::error::Error| -> Error { unexpected("the manifest", e.to_string()) };
    for record in Reader::new(BufReader::new(open)).map_err(|e| broken(&e))? {
        let record = record.map_err(|e| broken(&e))?;
        if matches!(record.kind, Kind::Symlink { .. }) {
            continue;
        }
        let path = tree.join(record.path.as_str());
        let time = UNIX_EPOCH + Duration::from_secs(u64::try_from(record.mtime).unwrap_or(0));
        let set = |open: File| open.set_times(FileTimes::new().set_modified(time).set_accessed(time));
        File::open(&path).and_then(set).map_err(file("dating", &path))?;
    }
    folder::remove(&text)
}
