//! Folders of profiles: `web` for disks over 10 GB, `db` for one machine with a disk over 100 GB.

macro_rules! profile {
    ($role:literal, $size:literal) => {
        concat!(
            "role = \"",
            $role,
            "\"\nversion = \"1.0\"\nrepos = [\"http://127.0.0.1:1/\"]\n",
            "spec = [[\"disk\", \"$disk\", \"size\", \"gt(",
            $size,
            ")\"]]\n[disk]\nname = \"{{disk}}\"\n",
            "[[file]]\npath = \"/etc/address\"\ntext = \"{{address}}\"\n"
        )
    };
}

const WEB_TOML: (&str, &str) = ("web.toml", profile!("web", "10"));
const DB_TOML: (&str, &str) = ("db.toml", profile!("db", "100"));
const WEB_CMDB: (&str, &str) = ("web.cmdb", "generate({'address': '10.0.0.1-9'})");
const DB_CMDB: (&str, &str) = ("db.cmdb", "[{'address': '10.0.1.1'}, {'address': '10.0.1.2'}]");

pub(crate) const WEB: &[(&str, &str)] = &[("state", "[('web', '*')]"), WEB_TOML, WEB_CMDB];
pub(crate) const WEB_AND_DB: &[(&str, &str)] =
    &[("state", "[('db', 1), ('web', '*')]"), WEB_TOML, WEB_CMDB, DB_TOML, DB_CMDB];
pub(crate) const BROKEN: &[(&str, &str)] = &[
    ("state", "[('db', 1), ('bad', 1), ('web', '*')]"),
    WEB_TOML,
    WEB_CMDB,
    DB_TOML,
    DB_CMDB,
    ("bad.toml", "role = 7"),
];
/// 512 entries.
pub(crate) const CROWD: &[(&str, &str)] =
    &[("state", "[('web', '*')]"), WEB_TOML, ("web.cmdb", "generate({'address': '10.0.1-2.0-255'})")];
