//! What a machine is made of: memory, network cards, disks, and what its firmware says of it.

/// Bytes of a further disk.
const SMALL: u64 = 64 << 20;

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
    /// The script that its first card boots by, before its disk: an address for iPXE.
    pub netboot: Option<String>,
    /// A switch is between its first card and the network, and the plugs of both can be pulled: [`Plug`].
    pub switch: bool,
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
            switch: false,
        }
    }
}

impl Hardware {
    /// All of it as arguments of QEMU, but for what backs the drive `disk`. `forward` comes to the first card's network.
    #[must_use]
    pub fn arguments(&self, forward: &str) -> Vec<String> {
        let mut words = vec!["-m".to_owned(), self.memory.to_string()];
        let mut say = |option: &str, value: String| words.extend([option.to_owned(), value]);
        say("-device", format!("{},drive=disk,bootindex=1", self.disk));
        for (at, device) in self.more_disks.iter().enumerate() {
            let node = format!("more{at}");
            say("-blockdev", format!("driver=null-co,read-zeroes=on,size={SMALL},node-name={node}"));
            say("-device", format!("{device},drive={node}"));
        }
        for (at, card) in self.cards.iter().enumerate() {
            let Card { device, mac } = card;
            let (network, rom) = match (&self.netboot, at) {
                (Some(script), 0) => (format!("{forward},bootfile={script}"), "bootindex=0"),
                (None, 0) => (forward.to_owned(), "romfile="),
                (_, at) => (format!(",ipv6=off,restrict=on,net=10.0.{}.0/24", at + 2), "romfile="),
            };
            say("-netdev", format!("user,id=net{at}{network}"));
            let mut behind = format!("net{at}");
            if self.switch && at == 0 {
                say("-netdev", format!("hubport,hubid=0,id=uplink,netdev={behind}"));
                "port".clone_into(&mut behind);
                say("-netdev", format!("hubport,hubid=0,id={behind}"));
            }
            say("-device", format!("{device},id=card{at},netdev={behind},mac={mac},{rom}"));
        }
        if let Some(Product { vendor, name, serial }) = self.product {
            say("-smbios", format!("type=1,manufacturer={vendor},product={name},serial={serial}"));
        }
        if self.netboot.is_some() {
            // The firmware's own loaders would each be tried, in vain, after the card's iPXE has ended.
            for kind in ["IPv4", "IPv6"] {
                say("-fw_cfg", format!("name=opt/org.tianocore/{kind}PXESupport,string=no"));
            }
        }
        words
    }
}
