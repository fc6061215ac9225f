//! What a machine is made of: memory, network cards, disks, and what its firmware says of it.

use std::path::Path;

use crate::trunk;

/// Bytes of a further disk.
const SMALL: u64 = 64 << 20;
/// The slot of a card that can be taken out.
const SLOT: &str = "slot0";

/// The parts of a machine.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// Memory, in MiB.
    pub memory: u32,
    /// The device that carries its disk, as QEMU calls it.
    pub disk: &'static str,
    /// Devices that carry further disks, empty ones of 64 MiB.
    pub more_disks: &'static [&'static str],
    /// Its network cards; the first one reaches the host's loopback as 10.0.2.2, the others nobody.
    pub cards: Vec<Card>,
    /// What its firmware says of it; if not said, what QEMU does.
    pub product: Option<Product>,
    /// How its first card boots, before its disk.
    pub netboot: Option<Netboot>,
    /// What is between its first card and the network.
    pub wire: Wire,
}

/// How a card boots.
#[derive(Clone, Debug)]
pub enum Netboot {
    /// By the iPXE that is in the card, which is told to take this script.
    Rom(String),
    /// By PXE of the firmware: what DHCP and TFTP say.
    Pxe,
    /// By UEFI HTTP Boot of the firmware.
    Http,
}

/// What is between a card and its network.
#[derive(Clone, Debug, Default)]
pub enum Wire {
    /// A cable.
    #[default]
    Direct,
    /// A switch, where the plugs of both can be pulled: [`Plug`].
    Switch,
    /// A port of a switch that is a trunk: the network is this VLAN, tagged. The card can be taken out of its slot.
    Trunk(u16),
    /// A device of the kernel, in the network namespace of this process, with whatever is behind it.
    Tap(&'static str, u32),
}

/// A plug at the switch.
#[derive(Clone, Copy, Debug)]
pub enum Plug {
    /// That of the machine: without it its card has no link.
    Machine,
    /// That of the network: without it nobody answers.
    Network,
}

impl Plug {
    /// The device that QEMU knows it by.
    pub(crate) fn device(self) -> &'static str {
        match self {
            Self::Machine => "card0",
            Self::Network => "net0",
        }
    }
}

/// A network card.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// The device, as QEMU calls it.
    pub device: &'static str,
    /// Its address.
    pub mac: &'static str,
}

/// What the firmware says of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Who made it.
    pub vendor: &'static str,
    /// What it is.
    pub name: &'static str,
    /// Its serial number.
    pub serial: &'static str,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            memory: 768,
            disk: "virtio-blk-pci",
            more_disks: &[],
            cards: vec![Card { device: "virtio-net-pci", mac: "52:54:00:12:34:56" }],
            product: None,
            netboot: None,
            wire: Wire::Direct,
        }
    }
}

impl Hardware {
    /// What QEMU must be called by to be at its network.
    pub(crate) fn place(&self) -> Vec<String> {
        let Wire::Tap(_, namespace) = self.wire else { return Vec::new() };
        ["nsenter", "-t", &namespace.to_string(), "-n"].map(str::to_owned).to_vec()
    }

    /// All of it as arguments of QEMU, but for what backs the drive `disk`. `forward` comes to the first card's network;
    /// a trunk is opened at `trunk`.
    pub(crate) fn arguments(&self, forward: &str, trunk: &Path) -> Vec<String> {
        let mut words = vec!["-m".to_owned(), self.memory.to_string()];
        let mut say = |option: &str, value: String| words.extend([option.to_owned(), value]);
        say("-device", format!("{},drive=disk,bootindex=1", self.disk));
        for (at, device) in self.more_disks.iter().enumerate() {
            let node = format!("more{at}");
            say("-blockdev", format!("driver=null-co,read-zeroes=on,size={SMALL},node-name={node}"));
            say("-device", format!("{device},drive={node}"));
        }
        if let Wire::Trunk(vlan) = self.wire {
            trunk::open(trunk, vlan);
            say("-device", format!("pcie-root-port,id={SLOT},chassis=1"));
        }
        for at in 0..self.cards.len() {
            if at == 0 {
                self.wire(forward, trunk).into_iter().for_each(|network| say("-netdev", network));
            } else {
                say("-netdev", format!("user,id=net{at},ipv6=off,restrict=on,net=10.0.{}.0/24", at + 2));
            }
            say("-device", self.card(at));
        }
        if let Some(Product { vendor, name, serial }) = self.product {
            say("-smbios", format!("type=1,manufacturer={vendor},product={name},serial={serial}"));
        }
        // The firmware's own loaders would each be tried, in vain, before or after what is to boot the card.
        let pxe = match self.netboot {
            None => return words,
            Some(Netboot::Rom(_) | Netboot::Http) => "no",
            Some(Netboot::Pxe) => "yes",
        };
        for (kind, wanted) in [("IPv4", pxe), ("IPv6", "no")] {
            say("-fw_cfg", format!("name=opt/org.tianocore/{kind}PXESupport,string={wanted}"));
        }
        words
    }

    /// The networks of QEMU that the first card is at the end of.
    fn wire(&self, forward: &str, trunk: &Path) -> Vec<String> {
        let script = match &self.netboot {
            Some(Netboot::Rom(script)) => format!(",bootfile={script}"),
            _ => String::new(),
        };
        let (user, port) = (|id: &str| format!("user,id={id}{forward}{script}"), self.port());
        let hub = |id: &str, network: &str| format!("hubport,hubid=0,id={id},netdev={network}");
        let end = |id: &str, end: &str| {
            format!("stream,id={id},server=off,addr.type=unix,addr.path={}.{end}", trunk.display())
        };
        match &self.wire {
            Wire::Direct => vec![user(port)],
            Wire::Switch => {
                vec![user("net0"), hub("uplink", "net0"), format!("hubport,hubid=0,id={port}")]
            }
            Wire::Trunk(_) => {
                let network =
                    [user("net0"), hub("uplink", "net0"), end("far", "network"), hub("switch", "far")];
                [&network[..], &[end(port, "machine")]].concat()
            }
            Wire::Tap(name, _) => vec![format!("tap,id={port},ifname={name},script=no,downscript=no")],
        }
    }

    /// The network that the first card is plugged into.
    fn port(&self) -> &'static str {
        if let Wire::Direct = self.wire { "net0" } else { "port" }
    }

    /// The card of this number, as a device of QEMU.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn card(&self, at: usize) -> String {
        let Card { device, mac } = self.cards[at];
        let rom = match (&self.netboot, at) {
            (Some(Netboot::Rom(_)), 0) => ",bootindex=0",
            (Some(_), 0) => ",romfile=,bootindex=0",
            _ => ",romfile=",
        };
        let network = if at == 0 { self.port().to_owned() } else { format!("net{at}") };
        let slot = match self.wire {
            Wire::Trunk(_) if at == 0 => format!(",bus={SLOT}"),
            _ => String::new(),
        };
        format!("{device},id=card{at},netdev={network},mac={mac}{rom}{slot}")
    }
}
