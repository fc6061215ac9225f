//! A port of a switch that is a trunk: a machine behind it is in one VLAN, and must tag its frames to be heard.
//!
//! QEMU's networks know nothing of VLANs, and a kernel need not either. So its `stream` networks carry each frame, behind
//! its length in four bytes, through here: IEEE 802.1Q, a tag of four bytes behind the two addresses.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::{fs, thread};

/// Bytes of the two addresses of a frame.
const ADDRESSES: usize = 12;
/// What says that a tag follows.
const TAGGED: [u8; 2] = [0x81, 0x00];
/// The bits of a tag that are the number of the VLAN.
const NUMBER: u16 = 0x0fff;

/// Waits for one machine at `at` with the ending `machine`, and for its network at `network`; carries what is of `vlan`
/// until one of them is gone.
///
/// # Panics
/// If there is no room for the sockets.
pub(crate) fn open(at: &Path, vlan: u16) {
    let [machine, network] = ["machine", "network"].map(|end| {
        let path = format!("{}.{end}", at.display());
        let _ = fs::remove_file(&path);
        UnixListener::bind(path).expect("a socket for QEMU")
    });
    thread::spawn(move || -> io::Result<()> {
        let ((machine, _), (network, _)) = (machine.accept()?, network.accept()?);
        let ends = (machine.try_clone()?, network.try_clone()?);
        thread::spawn(move || carry(ends.0, ends.1, |frame| untagged(frame, vlan)));
        carry(network, machine, |frame| tagged(frame, vlan))
    });
}

/// Carries frames, as `change` has them, until an end is gone.
fn carry(from: UnixStream, mut to: UnixStream, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut frame)?;
        if let Some(frame) = change(&frame) {
            let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
            to.write_all(&[&length.to_be_bytes()[..], &frame].concat())?;
        }
    }
}

/// A frame of the network, as the trunk has it.
fn tagged(frame: &[u8], vlan: u16) -> Option<Vec<u8>> {
    let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
    Some([addresses, &TAGGED, &vlan.to_be_bytes(), rest].concat())
}

/// A frame of the machine without its tag; none where it has none, or that of another VLAN.
fn untagged(frame: &[u8], vlan: u16) -> Option<Vec<u8>> {
    let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
    let rest = rest.strip_prefix(&TAGGED)?;
    let (tag, rest) = rest.split_first_chunk()?;
    (u16::from_be_bytes(*tag) & NUMBER == vlan).then(|| [addresses, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_tag_or_another_one_is_not_heard() {
        let frame: Vec<u8> = (0..64).collect();
        let seven = tagged(&frame, 7).unwrap();
        assert_eq!((seven.len(), &seven[..12], &seven[12..16]), (68, &frame[..12], &[0x81, 0, 0, 7][..]));
        assert_eq!(untagged(&seven, 7).unwrap(), frame);
        assert_eq!(untagged(&seven, 8), None);
        assert_eq!(untagged(&frame, 7), None);
        assert_eq!((untagged(&[0; 13], 7), tagged(&[0; 11], 7)), (None, None));
    }
}
