//! Partitions of an image as the next boot mounts them: after the replay of their journals.

use std::path::Path;
use std::process::Command;

use edeploy_format::digest::Digest;

/// Lists the files of our own state, with what they hold, and the folders.
const LIST: &str = "cd \"$1/lib/edeploy\" && find . -printf '%y %m %p\\n' | LC_ALL=C sort && \
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum";

/// Mounts a piece of an image (beginning and length in bytes) for writing, so that the kernel replays its
/// journal, runs a script of the shell whose `$1` is the mount point, and unmounts it; what the script says.
///
/// All of it happens in a mount namespace of its own, which takes the mount and the loop device with it.
///
/// # Errors
/// All that was said, if it does not mount or the script fails.
///
/// # Panics
/// If there is no `unshare`.
pub fn mounted(image: &Path, (at, size): (u64, u64), script: &str) -> Result<String, String> {
    let point = image.with_extension("mnt");
    std::fs::create_dir_all(&point).expect("a mount point");
    let whole = format!(
        "set -e; mount -t ext4 -o loop,offset={at},sizelimit={size} \"$0\" \"$1\"; ( {script} ); umount \"$1\""
    );
    let args = ["--mount", "--propagation", "private", "sh", "-c"];
    let ended = Command::new("unshare").args(args).arg(whole).arg(image).arg(&point).output();
    let ended = ended.expect("unshare of util-linux");
    std::fs::remove_dir(&point).expect("a mount point of ours");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if ended.status.success() {
        return Ok(said(&ended.stdout));
    }
    Err(format!("mounting at {at}: {}: {}{}", ended.status, said(&ended.stdout), said(&ended.stderr)))
}

/// The digest of the names and the content of all files below `lib/edeploy` of a state partition, a file of its
/// own, whose journal is replayed.
///
/// # Errors
/// If it does not mount, or has no such folder.
pub fn state(partition: &Path) -> Result<Digest, String> {
    let size = std::fs::metadata(partition).map_err(|e| e.to_string())?.len();
    mounted(partition, (0, size), LIST).map(|listed| Digest::of(listed.as_bytes()))
}
