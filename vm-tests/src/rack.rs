//! A rack of machines that differ, and the profiles that tell them apart.
//!
//! Two become `web`, one `db`, one matches nothing. All boot from the network first. `just demo-install` and the
//! tests share it; which roles and versions the profiles stand for is theirs to say.

use crate::hardware::{Card, Hardware, Netboot, Product};
use crate::timeline::Timeline;

/// A machine of the rack.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// What it is called here.
    pub name: &'static str,
    /// The address of the network card that it boots from.
    pub mac: &'static str,
    /// The profile that it gets, if any.
    pub profile: Option<&'static str>,
    /// Its own host name and address after that.
    pub own: [&'static str; 2],
}

/// The machines, in the order in which they are switched on.
pub const PLACES: [Place; 4] = [
    Place { name: "rack-1", mac: "52:54:00:00:01:01", profile: Some("web"), own: ["web01", "10.0.2.101"] },
    Place { name: "rack-2", mac: "52:54:00:00:02:01", profile: Some("web"), own: ["web02", "10.0.2.102"] },
    Place { name: "rack-3", mac: "52:54:00:00:03:01", profile: Some("db"), own: ["db1", "10.0.2.201"] },
    Place { name: "rack-4", mac: "52:54:00:00:04:01", profile: None, own: ["", ""] },
];

/// What marks the way of a machine on its console, up to the end of the installer.
const MOMENTS: [(&str, &str); 8] = [
    ("firmware", "Open Source Network Boot Firmware"),
    ("ipxe", "Linux version"),
    ("installer", ": the installer"),
    ("detected", " lines of hardware"),
    ("matched", ": profile "),
    ("written", "syncing the slot"),
    ("verified", "reading the slot back"),
    ("installed", " is installed"),
];

/// The way of a machine that is installed, from now on.
#[must_use]
pub fn timeline() -> Timeline {
    Timeline::of(&MOMENTS)
}

impl Place {
    /// What the machine is made of; it boots from `script`.
    ///
    /// # Panics
    /// If it is no machine of the rack.
    #[must_use]
    pub fn hardware(&self, script: String) -> Hardware {
        let card = |device, mac| Card { device, mac };
        let product = |name, serial| Some(Product { vendor: "Rack", name, serial });
        let common = Hardware {
            cards: vec![card("virtio-net-pci", self.mac)],
            netboot: Some(Netboot::Rom(script)),
            ..Hardware::default()
        };
        match self.name {
            "rack-1" => Hardware { product: product("Web Server", "W-1"), ..common },
            "rack-2" => Hardware {
                memory: 1024,
                cards: vec![common.cards[0], card("virtio-net-pci", "52:54:00:00:02:02")],
                product: product("Web Server", "W-2"),
                ..common
            },
            "rack-3" => Hardware {
                memory: 896,
                more_disks: &["nvme,serial=N-3"],
                product: product("Store", "S-3"),
                ..common
            },
            // Beside the rack: it stands behind a trunk.
            "trunk" => {
                Hardware { more_disks: &["nvme,serial=N-5"], product: product("Store", "S-5"), ..common }
            }
            "rack-4" => Hardware {
                disk: "ide-hd",
                cards: vec![card("e1000e", self.mac)],
                product: product("Store", "S-4"),
                ..common
            },
            other => panic!("{other} is no machine of the rack"),
        }
    }
}

/// The files of the profiles: `web` stands for the first role and version, `db` for the second.
#[must_use]
pub fn profiles([web, db]: [[&str; 2]; 2]) -> Vec<(&'static str, String)> {
    let models = [
        "generate({'host': 'web01-02', 'ip': '10.0.2.101-102', 'serial': ('W-1', 'W-2')})\n",
        "generate({'host': 'db1-2', 'ip': '10.0.2.201-202', 'serial': ('S-3', 'S-5')})\n",
    ];
    let specs = [
        r#"["system", "product", "name", "Web Server"],
    ["system", "product", "serial", "$$serial"],"#,
        r#"["system", "product", "name", "Store"],
    ["disk", "logical", "count", "ge(2)"],
    ["system", "product", "serial", "$$serial"],"#,
    ];
    vec![
        ("state", "[('web', 2), ('db', '*')]\n".to_owned()),
        ("web.toml", profile(web, specs[0])),
        ("web.cmdb", models[0].to_owned()),
        ("db.toml", profile(db, specs[1])),
        ("db.cmdb", models[1].to_owned()),
    ]
}

fn profile([role, version]: [&str; 2], spec: &str) -> String {
    format!(
        r#"role = "{role}"
version = "{version}"
spec = [
    {spec}
    ["memory", "total", "size", "ge(500000000)"],
    ["disk", "$disk", "size", "ge(1)"],
    ["network", "$card", "serial", "$mac=regexp(^52:54:00:00:0.:01$)"],
]

[disk]
name = "{{{{disk}}}}"

[[file]]
path = "/etc/hostname"
text = "{{{{host}}}}\n"

[[file]]
path = "/etc/systemd/network/10-own.network"
text = """
[Match]
MACAddress={{{{mac}}}}

[Network]
Address={{{{ip}}}}/24
Gateway=10.0.2.2
DNS=10.0.2.3
"""
"#
    )
}
