//! The questions to the kernel that no file answers: addresses, and what `ethtool` asks drivers.
//!
//! Structures and numbers are those of `linux/if.h`, `linux/sockios.h` and `linux/ethtool.h`.
#![allow(unsafe_code, reason = "ioctls have no type that the compiler could check")]

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::super::tree::Tree;
use super::asked::Asked;
use super::features::Feature;

const SIOCGIFADDR: Opcode = 0x8915;
const SIOCGIFNETMASK: Opcode = 0x891b;
const SIOCETHTOOL: Opcode = 0x8946;

const ETHTOOL_GSET: u32 = 0x01;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GPAUSEPARAM: u32 = 0x12;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETH_SS_FEATURES: u32 = 4;
/// `struct ethtool_drvinfo`: its length, and where its firmware's version is.
const DRVINFO: (usize, std::ops::Range<usize>) = (196, 68..100);
/// `struct ethtool_cmd`: its length, and where `autoneg` is.
const CMD: (usize, usize) = (44, 18);
/// Features in one block of `struct ethtool_gfeatures`, and the lengths of a block and of a name.
const BLOCK: (usize, usize) = (32, 16);
const NAME: usize = 32;
/// Features, at most; kernels have some sixty.
const FEATURES: usize = 1024;

/// `struct ifreq`: a name, and a union of 24 bytes.
#[repr(C, align(8))]
struct Request {
    name: [u8; 16],
    rest: [u8; 24],
}

/// `struct ifreq` with a pointer in the union.
#[repr(C)]
struct Pointed {
    name: [u8; 16],
    data: *mut u8,
    rest: [u8; 16],
}

/// Asks the kernel, if the tree is that of the machine it runs on.
#[derive(Debug)]
pub(in super::super) struct Kernel(Option<OwnedFd>);

impl Kernel {
    /// A kernel that knows of the interfaces of `tree`, or one that says nothing.
    pub(in super::super) fn new(tree: &Tree) -> Self {
        let open = || socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok();
        Self(tree.is_ours().then(open).flatten())
    }

    /// What there is to know of a card.
    pub(super) fn ask(&self, card: &str) -> Asked {
        let (Some(socket), Some(name)) = (&self.0, name(card)) else { return Asked::default() };
        let address = |opcode| address(socket, opcode, name).ok();
        let pause = ethtool(socket, name, ETHTOOL_GPAUSEPARAM, 16).and_then(|pause| words::<4>(&pause));
        let set = ethtool(socket, name, ETHTOOL_GSET, CMD.0);
        Asked {
            ipv4: address(Which::Address).zip(address(Which::Mask)),
            firmware: ethtool(socket, name, ETHTOOL_GDRVINFO, DRVINFO.0)
                .and_then(|info| text(&info[DRVINFO.1])),
            autonegotiation: set.map(|set| set[CMD.1] != 0),
            pause: pause.map(|[_, agreed, receiving, sending]| [agreed != 0, receiving != 0, sending != 0]),
            features: features(socket, name),
        }
    }
}

#[derive(Clone, Copy)]
enum Which {
    Address,
    Mask,
}

/// The name as the kernel wants it, with its zero.
fn name(card: &str) -> Option<[u8; 16]> {
    let mut name = [0; 16];
    name.get_mut(..card.len()).filter(|_| card.len() < 16)?.copy_from_slice(card.as_bytes());
    Some(name)
}

/// A `struct sockaddr_in` in the union: family, port, address.
fn address(socket: &OwnedFd, which: Which, name: [u8; 16]) -> io::Result<Ipv4Addr> {
    let mut request = Request { name, rest: [0; 24] };
    // SAFETY: both requests read and write one `struct ifreq`, which `Request` has the length and the parts of.
    unsafe {
        match which {
            Which::Address => ioctl(socket, Updater::<SIOCGIFADDR, Request>::new(&mut request)),
            Which::Mask => ioctl(socket, Updater::<SIOCGIFNETMASK, Request>::new(&mut request)),
        }
    }?;
    let [_, _, _, _, a, b, c, d, ..] = request.rest;
    Ok(Ipv4Addr::new(a, b, c, d))
}

/// An answer of `length` bytes to a request that is nothing but its number.
fn ethtool(socket: &OwnedFd, name: [u8; 16], command: u32, length: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; length];
    buffer[..4].copy_from_slice(&command.to_ne_bytes());
    send(socket, name, &mut buffer).ok().map(|()| buffer)
}

/// Hands the buffer to the driver. It must be as long as the structure that its request is for.
fn send(socket: &OwnedFd, name: [u8; 16], buffer: &mut [u8]) -> io::Result<()> {
    let mut request = Pointed { name, data: buffer.as_mut_ptr(), rest: [0; 16] };
    // SAFETY: the request reads one `struct ifreq`; the kernel writes no more behind `data` than the structure of
    // the command is long, and all callers above and below made the buffer that long. It outlives the call.
    Ok(unsafe { ioctl(socket, Updater::<SIOCETHTOOL, Pointed>::new(&mut request)) }?)
}

/// The features: their states come in blocks of 32, their names as a set of strings in the same order.
fn features(socket: &OwnedFd, name: [u8; 16]) -> Vec<Feature> {
    let Some(count) = count(socket, name).filter(|count| *count <= FEATURES) else { return Vec::new() };
    let blocks = count.div_ceil(BLOCK.0);
    // The kernel writes as many blocks as there was asked for, and all names.
    let mut states = vec![0; 8 + blocks * BLOCK.1];
    states[..4].copy_from_slice(&ETHTOOL_GFEATURES.to_ne_bytes());
    states[4..8].copy_from_slice(&u32::try_from(blocks).unwrap_or(0).to_ne_bytes());
    let mut names = vec![0; 12 + count * NAME];
    names[..4].copy_from_slice(&ETHTOOL_GSTRINGS.to_ne_bytes());
    names[4..8].copy_from_slice(&ETH_SS_FEATURES.to_ne_bytes());
    if send(socket, name, &mut states).is_err() || send(socket, name, &mut names).is_err() {
        return Vec::new();
    }
    take_features(&states[8..], &names[12..])
}

/// How many features the kernel has names for: `struct ethtool_sset_info` with one bit set and one answer.
fn count(socket: &OwnedFd, name: [u8; 16]) -> Option<usize> {
    let mut info = vec![0; 20];
    info[..4].copy_from_slice(&ETHTOOL_GSSET_INFO.to_ne_bytes());
    info[8..16].copy_from_slice(&(1_u64 << ETH_SS_FEATURES).to_ne_bytes());
    send(socket, name, &mut info).ok()?;
    let [_, _, _, _, count] = words(&info)?;
    usize::try_from(count).ok()
}

/// Takes both answers apart.
fn take_features(states: &[u8], names: &[u8]) -> Vec<Feature> {
    let mut features = Vec::new();
    for (number, name) in names.chunks_exact(NAME).enumerate() {
        let Some(name) = text(name) else { continue };
        let (block, bit) = (number / BLOCK.0 * BLOCK.1, 1_u32 << (number % BLOCK.0));
        let Some([available, requested, active, never]) = states.get(block..block + BLOCK.1).and_then(words)
        else {
            break;
        };
        features.push(Feature {
            name,
            active: active & bit != 0,
            changeable: available & bit != 0 && never & bit == 0,
            requested: requested & bit != 0,
        });
    }
    features
}

/// The first words of a structure.
fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let mut words = bytes.chunks_exact(4).map(|four| four.try_into().map(u32::from_ne_bytes));
    let mut found = [0; N];
    for word in &mut found {
        *word = words.next()?.ok()?;
    }
    Some(found)
}

/// A text up to its zero.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]).trim().to_owned();
    (!text.is_empty() && text != "N/A").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_loopback_interface_has_its_address_and_nothing_is_known_of_what_is_not_there() {
        let kernel = Kernel::new(&Tree::new(Path::new("/")));
        let asked = kernel.ask("lo");
        assert_eq!(asked.ipv4, Some((Ipv4Addr::LOCALHOST, Ipv4Addr::new(255, 0, 0, 0))));
        assert!(asked.features.iter().any(|feature| feature.name == "tx-scatter-gather"), "{asked:?}");
        for none in ["none0", "a name longer than sixteen bytes", ""] {
            assert_eq!(kernel.ask(none), Asked::default(), "{none}");
        }
    }

    #[test]
    fn the_kernel_says_nothing_of_another_tree() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Kernel::new(&Tree::new(folder.path())).ask("lo"), Asked::default());
    }

    #[test]
    fn features_have_the_states_of_their_places() {
        let mut states = vec![0; 2 * BLOCK.1];
        let blocks = [[0b11_u32, 0b01, 0b01, 0b10], [1, 1, 0, 0]];
        for (word, at) in blocks.iter().flatten().zip(states.chunks_exact_mut(4)) {
            at.copy_from_slice(&word.to_ne_bytes());
        }
        let mut names = vec![0; 66 * NAME];
        for (number, name) in [(0, "a"), (1, "b"), (32, "c"), (64, "no state")] {
            names[number * NAME..number * NAME + name.len()].copy_from_slice(name.as_bytes());
        }
        let found: Vec<_> = take_features(&states, &names)
            .into_iter()
            .map(|f| (f.name, f.active, f.changeable, f.requested))
            .collect();
        let expected = [("a", true, true, true), ("b", false, false, false), ("c", false, true, true)];
        assert_eq!(found, expected.map(|(name, a, b, c)| (name.to_owned(), a, b, c)));
    }
}
