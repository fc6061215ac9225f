//! What image-based updaters do at least: write the image of a slot, and nothing else.

use std::path::Path;

use crate::run::Call;

/// Writes an image to a device, down to the disk.
pub fn write(image: &Path, device: &Path) -> Call {
    Call::shell("dd if=\"$1\" of=\"$2\" bs=4M conv=fsync status=none").arg(image).arg(device)
}

/// Reads every file below a folder, then writes so many changed bytes beside: the least that any upgrade by file does.
pub fn read_and_write(folder: &Path, changed: &Path, to: &Path) -> Call {
    let script = "find \"$1\" -xdev -type f -print0 | xargs -0 cat >/dev/null; \
                  dd if=\"$2\" of=\"$3\" bs=4M conv=fsync status=none";
    Call::shell(script).arg(folder).arg(changed).arg(to)
}
