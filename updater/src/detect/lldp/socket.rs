//! Receives LLDP messages: one packet socket for each card, for a limited time.
//!
//! Cards drop frames to groups that nobody joined, so each card is told of LLDP's group while we listen. Structures
//! and numbers are those of `linux/if_packet.h` and `linux/sockios.h`.
#![allow(unsafe_code, reason = "packet addresses have no type in rustix, ioctls none at all")]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

const LLDP: u16 = 0x88cc;
/// The group of the nearest bridge.
const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e];
const SIOCADDMULTI: Opcode = 0x8931;
const SIOCDELMULTI: Opcode = 0x8932;
/// A frame is no longer than this, but for jumbo frames, which LLDP does not use.
const FRAME: usize = 1514;

/// `struct sockaddr_ll`.
#[repr(C)]
struct PacketAddress {
    family: u16,
    protocol: u16,
    index: i32,
    hardware: u16,
    kind: u8,
    length: u8,
    address: [u8; 8],
}

// SAFETY: the pointer is to a whole `PacketAddress`, which is laid out as `struct sockaddr_ll`.
unsafe impl SocketAddrArg for PacketAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(std::ptr::from_ref(self).cast(), size_of::<Self>() as SocketAddrLen)
    }
}

/// `struct ifreq` with a hardware address in the union.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Membership {
    name: [u8; 16],
    family: u16,
    address: [u8; 6],
    rest: [u8; 16],
}

/// The first message that came to each card within `wait`.
pub(super) fn listen(cards: &[String], wait: Duration) -> BTreeMap<String, Vec<u8>> {
    let mut messages = BTreeMap::new();
    let mut open: Vec<Ear> = cards.iter().filter_map(|card| Ear::open(card)).collect();
    let end = Instant::now() + wait;
    while !open.is_empty() {
        let Ok(left) = Timespec::try_from(end.saturating_duration_since(Instant::now())) else { break };
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|ear| PollFd::new(&ear.socket, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&left)) {
            Ok(0) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let mut ready = ready.into_iter();
        open.retain(|ear| {
            if ready.next() == Some(true) {
                messages.extend(ear.hear().map(|message| (ear.card.clone(), message)));
                return false;
            }
            true
        });
    }
    messages
}

/// A socket that hears one card's LLDP.
struct Ear {
    card: String,
    socket: OwnedFd,
    group: Membership,
}

impl Ear {
    /// Nothing where the card is gone or we may not.
    fn open(card: &str) -> Option<Self> {
        let mut name = [0; 16];
        name.get_mut(..card.len()).filter(|_| card.len() < 16)?.copy_from_slice(card.as_bytes());
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // A datagram socket hands out what is behind the Ethernet header. Without a protocol it hears nothing yet:
        // with one, it would hear other cards until it is bound.
        let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None).ok()?;
        let address = PacketAddress {
            family: AddressFamily::PACKET.as_raw(),
            protocol: LLDP.to_be(),
            index: i32::try_from(name_to_index(&socket, card).ok()?).ok()?,
            hardware: 0,
            kind: 0,
            length: 0,
            address: [0; 8],
        };
        bind(&socket, &address).ok()?;
        let group = Membership { name, family: 0, address: GROUP, rest: [0; 16] };
        // SAFETY: the request reads one `struct ifreq`, which `Membership` has the length and the parts of.
        // A card that does not know groups hears everything.
        let _ = unsafe { ioctl(&socket, Setter::<SIOCADDMULTI, Membership>::new(group)) };
        Some(Self { card: card.to_owned(), socket, group })
    }

    fn hear(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; FRAME];
        let (_, length) = recv(&self.socket, &mut frame[..], RecvFlags::empty()).ok()?;
        frame.truncate(length);
        Some(frame)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // SAFETY: as above.
        let _ = unsafe { ioctl(&self.socket, Setter::<SIOCDELMULTI, Membership>::new(self.group)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_that_are_not_there_are_not_waited_for() {
        let cards = ["none0".to_owned(), "a name longer than sixteen bytes".to_owned()];
        assert!(listen(&cards, Duration::from_secs(600)).is_empty());
    }

    /// Every packet socket of a card gets what is sent on it: the loopback interface is a wire of our own.
    #[test]
    fn a_message_on_the_wire_is_heard() {
        let ear = Ear::open("lo").expect("packet sockets need root");
        let mut to = PacketAddress {
            family: AddressFamily::PACKET.as_raw(),
            protocol: LLDP.to_be(),
            index: i32::try_from(name_to_index(&ear.socket, "lo").unwrap()).unwrap(),
            hardware: 0,
            kind: 0,
            length: 6,
            address: [0; 8],
        };
        to.address[..6].copy_from_slice(&GROUP);
        let sender =
            socket_with(AddressFamily::PACKET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::sendto(&sender, b"\x0a\x03web\0\0", rustix::net::SendFlags::empty(), &to).unwrap();
        let mut fds = [PollFd::new(&ear.socket, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 60, tv_nsec: 0 })), Ok(1));
        let heard = listen(&["lo".to_owned()], Duration::ZERO);
        assert!(heard.is_empty(), "a new socket hears nothing of what was before");
        assert_eq!(
            super::super::tlv::lines(&ear.hear().unwrap()),
            [("System Name".to_owned(), "web".to_owned())]
        );
    }
}
