//! The disk of a machine as QEMU's arguments: plain, failing at some sectors, or with a log of its writes.

use std::path::Path;

/// As the drive `disk`. `faults` are options of `inject-error`; where there are some, nothing is logged.
pub(crate) fn arguments(format: &str, disk: &Path, faults: &[String], log: Option<&Path>) -> Vec<String> {
    let path = disk.display();
    if !faults.is_empty() {
        let mut node = "driver=blkdebug,node-name=disk".to_owned();
        for (n, fault) in faults.iter().enumerate() {
            for option in ["event=none"].into_iter().chain(fault.split(',')) {
                node.push_str(&format!(",inject-error.{n}.{option}"));
            }
        }
        let image = format!("image.driver={format},image.file.driver=file,image.file.filename={path}");
        return ["-blockdev".to_owned(), format!("{node},{image}")].into();
    }
    let Some(log) = log else {
        return ["-drive".to_owned(), format!("if=none,id=disk,format={format},file={path}")].into();
    };
    // The guest's flushes are logged; the files of the test need none of their own.
    let file = |path: &Path| format!("driver=file,cache.no-flush=on,filename={}", path.display());
    let nodes = [
        format!("{},node-name=below", file(disk)),
        format!("driver={format},cache.no-flush=on,file=below,node-name=image"),
        format!("{},node-name=log", file(log)),
        "driver=blklogwrites,file=image,log=log,log-sector-size=512,node-name=disk".to_owned(),
    ];
    nodes.into_iter().flat_map(|node| ["-blockdev".to_owned(), node]).collect()
}

/// A second disk, in qcow2.
pub(crate) fn copy(file: &Path) -> Vec<String> {
    let drive = format!("if=none,id=copy,format=qcow2,file={}", file.display());
    ["-drive", &drive, "-device", "virtio-blk-pci,drive=copy"].map(str::to_owned).to_vec()
}

/// A USB stick that is booted before all else.
pub(crate) fn stick(file: &Path) -> Vec<String> {
    let drive = format!("if=none,id=stick,format=raw,file={}", file.display());
    let device = "usb-storage,drive=stick,removable=on,bootindex=0";
    ["-drive", &drive, "-device", "qemu-xhci", "-device", device].map(str::to_owned).to_vec()
}
