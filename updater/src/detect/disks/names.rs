//! What tells one disk from all others: its serial number, and its names below /dev/disk/by-id.
//!
//! An installer has no udev that makes these names, so those that follow from what the kernel says are made here the
//! same way (udev's rules `60-persistent-storage.rules`): `virtio-…`, `nvme-…`, `wwn-…` and `scsi-3…`. `ata-…`
//! needs an answer of the disk itself: it is there only where udev is.

use super::super::tree::Tree;

/// The serial number, from where this kind of disk has it.
pub(super) fn serial(tree: &Tree, name: &str) -> Option<String> {
    let at = |path: &str| format!("sys/block/{name}/{path}");
    let plain = tree.value(&at("serial")).or_else(|| tree.value(&at("device/serial")));
    plain.or_else(|| vital(&tree.bytes(&at("device/vpd_pg80"))?))
}

/// The text of SCSI's vital product data page 0x80: four bytes, of which the last two count what follows.
fn vital(page: &[u8]) -> Option<String> {
    let [_, 0x80, high, low, text @ ..] = page else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low])).min(text.len());
    let text = String::from_utf8_lossy(&text[..length]);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// All names, each once, in their order.
pub(super) fn ids(tree: &Tree, name: &str, model: Option<&str>, serial: Option<&str>) -> Vec<String> {
    let folder = "dev/disk/by-id";
    let is_ours = |id: &String| tree.link(&format!("{folder}/{id}")).as_deref() == Some(name);
    let mut ids: Vec<String> = tree.names(folder).into_iter().filter(is_ours).collect();
    if name.starts_with("vd") {
        ids.extend(serial.map(|serial| format!("virtio-{}", udev(serial))));
    }
    if name.starts_with("nvme") {
        ids.extend(model.zip(serial).map(|(model, serial)| format!("nvme-{}_{}", udev(model), udev(serial))));
    }
    let at = |path: &str| format!("sys/block/{name}/{path}");
    let wide = tree.value(&at("device/wwid")).or_else(|| tree.value(&at("wwid")));
    if let Some(wide) = wide {
        match wide.strip_prefix("naa.") {
            Some(digits) => ids.extend([format!("wwn-0x{digits}"), format!("scsi-3{digits}")]),
            None if name.starts_with("nvme") => ids.push(format!("nvme-{}", udev(&wide))),
            None => {}
        }
    }
    ids.sort();
    ids.dedup();
    ids
}

/// A text as udev writes it into a name.
fn udev(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii();
    words.join("_").replace(|c: char| !plain(c), "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_of_scsi_disks_are_cut_out_of_their_page() {
        assert_eq!(vital(b"\0\x80\0\x08  Z1F2  ").as_deref(), Some("Z1F2"));
        assert_eq!(vital(b"\0\x80\0\x04abcdefg").as_deref(), Some("abcd"));
        assert_eq!(vital(b"\0\x80\xff\xffabc").as_deref(), Some("abc"), "it says more than there is");
        for nothing in [&b""[..], b"\0\x80\0", b"\0\x83\0\x02ab", b"\0\x80\0\0", b"\0\x80\0\x02\0 "] {
            assert_eq!(vital(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn names_are_written_as_udev_writes_them() {
        assert_eq!(udev("Samsung SSD  950 PRO/256\\GB "), "Samsung_SSD_950_PRO_256_GB");
        assert_eq!(udev("eui.0025385b61b01234"), "eui.0025385b61b01234");
    }
}
