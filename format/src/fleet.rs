//! What a machine that is being installed and the fleet service say to each other.
//!
//! A machine has its token from its boot script, or asks for one by an [`Arrival`]. It sends a [`Report`], and gets a
//! [`Plan`]: a document of TUF's form, signed by the key that `targets.json` delegates to `fleet`, for plans alone. A
//! plan answers one report, whose nonce it repeats, so that no older one can be played again. On its way the machine
//! tells its [`Progress`]. Transport is not trusted: everything that a machine acts upon is in the signed plan or in
//! what TUF signs. `docs/fleet.md` describes the requests.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::name::{Architecture, Role, Version};
use crate::tuf::{Common, Fault, Rules, Signed};

/// The name of the delegation for plans.
pub const DELEGATION: &str = "fleet";
/// What the delegation may list: no object of a server role begins with `@`, and none of this name is published.
pub const PATTERN: &str = "@fleet";
/// No arrival is longer, in bytes.
pub const ARRIVAL_LIMIT: u64 = 16 << 10;
/// No report is longer, in bytes.
pub const REPORT_LIMIT: u64 = 4 << 20;
/// No report has more lines.
pub const LINES_LIMIT: usize = 20_000;
/// No log is longer, in bytes; of longer ones the end is sent.
pub const LOG_LIMIT: u64 = 4 << 20;

/// A machine that was started by no script of the service, so that it has no token yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// The addresses of its network cards; it is known by one of them.
    pub macs: Vec<String>,
    /// By its firmware; may be empty.
    #[serde(default)]
    pub uuid: String,
    /// By its firmware; may be empty.
    #[serde(default)]
    pub serial: String,
    /// Whether UEFI started it.
    pub uefi: bool,
}

/// What a machine gets that arrived and may be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Sent as `Authorization: Bearer TOKEN` from now on.
    pub token: String,
}

/// What a machine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// 64 hexadecimal digits, new in each report.
    pub nonce: String,
    /// The version of the installer's program.
    pub program: String,
    /// What it runs.
    pub architecture: Architecture,
    /// Whether UEFI started it: nothing else is installed on.
    pub uefi: bool,
    /// Lines of class, item, attribute and value; at most [`LINES_LIMIT`].
    #[serde(deserialize_with = "lines")]
    pub hardware: Vec<[String; 4]>,
}

/// Lines, counted while they are read: a hostile report takes no more memory than a large one.
fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[String; 4]>, D::Error> {
    struct Lines;

    impl<'de> Visitor<'de> for Lines {
        type Value = Vec<[String; 4]>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
            let mut lines = Vec::new();
            while let Some(line) = from.next_element()? {
                if lines.len() == LINES_LIMIT {
                    return Err(A::Error::custom(format_args!("more than {LINES_LIMIT} lines of hardware")));
                }
                lines.push(line);
            }
            Ok(lines)
        }
    }

    from.deserialize_seq(Lines)
}

/// What a machine is to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Type, version, expiry.
    #[serde(flatten)]
    pub common: Common,
    /// As in the report.
    pub nonce: String,
    /// What the service calls the machine.
    pub machine: String,
    /// The profile that it matched.
    pub profile: String,
    /// The role to install.
    pub role: Role,
    /// Its version. What is called `version` in the document is that of the plan, as in all that is signed.
    #[serde(rename = "role_version")]
    pub version: Version,
    /// Where the role is published, the preferred one first; the machine remembers them.
    pub repos: Vec<String>,
    /// The disk to install on; exactly one must fit.
    pub disk: Hint,
    /// Bytes of each slot, if not what an install chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_size: Option<u64>,
    /// Files of the machine, within the persistent paths of the role or /var.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Programs to run in the installer before the disk is chosen, in this order: RAID, IPMI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<Script>,
    /// What to do once installed.
    #[serde(default)]
    pub on_success: OnSuccess,
    /// What to do where it fails.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// Which disk: all that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// The kernel's name: `sda`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A name below /dev/disk/by-id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_id: Option<String>,
    /// Its serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its model, as the kernel says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Bytes, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u64>,
    /// Bytes, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Whether it turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotational: Option<bool>,
}

/// A file that belongs to the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its absolute path.
    pub path: String,
    /// Permission bits, in octal: `0644`.
    pub mode: String,
    /// Its owner.
    #[serde(default)]
    pub uid: u32,
    /// Its group.
    #[serde(default)]
    pub gid: u32,
    /// What is in it.
    pub text: String,
}

/// A program that the installer runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// For messages.
    pub name: String,
    /// A file that begins with `#!`.
    pub text: String,
    /// It may take so many seconds.
    pub seconds: u64,
    /// Values for it, as variables of its environment: no shell reads them as program text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// What an installed machine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnSuccess {
    /// It starts anew, by its firmware.
    #[default]
    Reboot,
    /// It boots what was installed without its firmware.
    Kexec,
    /// It is switched off.
    Halt,
    /// It stays, with a shell where the installer has one.
    Console,
}

/// What a machine does that could not be installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It stays, with the reason on its console.
    #[default]
    Console,
    /// It is switched off.
    Halt,
    /// It starts anew.
    Reboot,
}

/// How far an install has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The installer was asked for.
    Booted,
    /// Hardware is reported.
    Detected,
    /// A plan was given.
    Planned,
    /// Scripts run, the disk is chosen, the tree is planned.
    Prepared,
    /// Partitions are made and the slot is filled.
    Writing,
    /// Everything is read back.
    Verifying,
    /// The boot entry is made, the machine's files lie.
    Armed,
    /// Done.
    Installed,
}

/// What a machine tells on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Where it is.
    pub stage: Stage,
    /// So many bytes of this stage are done.
    #[serde(default)]
    pub done: u64,
    /// So many are to be done; 0 where that is not known.
    #[serde(default)]
    pub total: u64,
    /// Why it ended at this stage, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Signed for Plan {
    const TYPE: &'static str = "plan";
    const LIMIT: u64 = 1 << 20;
    const RENEWED_BY: &'static str = "another report";

    fn common(&self) -> &Common {
        &self.common
    }

    fn check(&self, _: &dyn Rules) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::tuf::{Envelope, Time, sign};

    #[test]
    fn a_plan_is_read_as_it_was_signed() {
        let plan = Plan {
            common: Common::new::<Plan>(1, Time::new(1_800_000_000)),
            nonce: "0".repeat(64),
            machine: "web1".to_owned(),
            profile: "web".to_owned(),
            role: "web".parse().unwrap(),
            version: "1.0-2".parse().unwrap(),
            repos: vec!["http://127.0.0.1/".to_owned()],
            disk: Hint { rotational: Some(false), ..Hint::default() },
            slot_size: Some(4 << 30),
            files: Vec::new(),
            scripts: Vec::new(),
            on_success: OnSuccess::Kexec,
            on_failure: OnFailure::Halt,
        };
        let bytes = sign(&plan, &[&SigningKey::from_bytes(&[7; 32])]).unwrap();
        assert_eq!(Envelope::parse(&bytes).unwrap().read::<Plan>().unwrap(), plan);
    }
}
