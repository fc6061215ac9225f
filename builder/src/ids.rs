//! Numbers of users and groups: the same in every version of a role.
//!
//! Files on the state partition belong to numbers. A number that another name gets with the next version would hand
//! them over, so a build in which a number drifts fails and says which. `[ids]` in the recipe fixes numbers.

use std::collections::BTreeMap;

use edeploy_format::exit::Exit;
use edeploy_format::name::Version;

use crate::failure::Fault;
use crate::recipe::Ids;
use crate::tree::{Tree, TreeError};

/// Where a tree lists its users.
pub const PASSWD: &str = "etc/passwd";
/// Where a tree lists its groups.
pub const GROUP: &str = "etc/group";

/// Users and groups of a tree, with their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

/// Why a tree's numbers cannot be used; all that is wrong with them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdsError {
    /// They are not those of the recipe's table.
    #[error("not as [ids] of the recipe says: {}", .0.join("; "))]
    Fixed(Vec<String>),
    /// They are not those of an earlier version.
    #[error("numbers drift from version {version}: {}; fix them with [ids] in the recipe", .changes.join("; "))]
    Drift {
        /// The earlier version.
        version: Version,
        /// What changed.
        changes: Vec<String>,
    },
}

impl Fault for IdsError {
    fn exit(&self) -> Exit {
        Exit::Input
    }
}

impl Accounts {
    /// Reads the texts of `/etc/passwd` and `/etc/group`; lines that are no account are left out.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self { users: numbers(passwd), groups: numbers(group) }
    }

    /// Those of a tree.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn of(tree: &Tree) -> Result<Self, TreeError> {
        let text = |path: &str| tree.read(path).map(Option::unwrap_or_default);
        Ok(Self::parse(&text(PASSWD)?, &text(GROUP)?))
    }

    /// Checks them against a recipe's table. What the tree does not have is not missed.
    ///
    /// # Errors
    /// [`IdsError::Fixed`].
    pub fn check_fixed(&self, ids: &Ids) -> Result<(), IdsError> {
        let users = ids.users.iter().map(|(name, user)| ("user", &self.users, name, user.uid));
        let groups = ids.groups.iter().map(|(name, gid)| ("group", &self.groups, name, *gid));
        let wrong = users.chain(groups).filter_map(|(kind, numbers, name, fixed)| {
            let number = *numbers.get(name.as_str()).filter(|number| **number != fixed)?;
            Some(format!("{kind} {name} is {number}, not {fixed}"))
        });
        let wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(IdsError::Fixed(wrong)) }
    }

    /// Checks them against those of an earlier version.
    ///
    /// # Errors
    /// [`IdsError::Drift`].
    pub fn check_drift(&self, earlier: &Self, version: &Version) -> Result<(), IdsError> {
        let mut changes = drift("user", &earlier.users, &self.users);
        changes.extend(drift("group", &earlier.groups, &self.groups));
        if changes.is_empty() { Ok(()) } else { Err(IdsError::Drift { version: version.clone(), changes }) }
    }
}

/// Names and numbers of lines `name:password:number:…`.
fn numbers(text: &[u8]) -> BTreeMap<String, u32> {
    let text = String::from_utf8_lossy(text);
    let account = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(account).collect()
}

/// Names that have another number now, and numbers that another name has now.
fn drift(kind: &str, earlier: &BTreeMap<String, u32>, now: &BTreeMap<String, u32>) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, number) in earlier {
        match now.get(name) {
            Some(other) if other != number => changes.push(format!("{kind} {name} was {number}, is {other}")),
            Some(_) => {}
            None => {
                let heir = now.iter().find(|(_, n)| *n == number);
                changes.extend(heir.map(|(heir, _)| format!("{kind} {number} was {name}, is {heir}")));
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &[u8] = b"root:x:0:\nwww:x:33:\n";

    fn accounts(users: &str) -> Accounts {
        Accounts::parse(users.as_bytes(), GROUPS)
    }

    #[test]
    fn a_number_that_drifts_is_named() {
        let earlier = accounts("root:x:0:0:::\nsshd:x:104:65534:::\ngone:x:105:1:::\nleft:x:106:1:::\n");
        let now = accounts("root:x:0:0:::\nsshd:x:103:65534:::\nheir:x:105:1:::\nnew:x:107:1:::\n");
        let version = "D12-1.0.0".parse().unwrap();
        assert_eq!(
            now.check_drift(&earlier, &version).unwrap_err().to_string(),
            "numbers drift from version D12-1.0.0: user 105 was gone, is heir; user sshd was 104, is 103; fix \
             them with [ids] in the recipe"
        );
        assert_eq!(now.check_drift(&now, &version), Ok(()));
        let mut groups = now.clone();
        groups.groups.insert("www".to_owned(), 34);
        assert!(
            groups.check_drift(&now, &version).unwrap_err().to_string().contains("group www was 33, is 34")
        );
    }

    #[test]
    fn the_recipes_table_is_enforced() {
        let ids: Ids =
            toml::from_str("users = { sshd = { uid = 105 }, absent = { uid = 9 } }\ngroups = { www = 33 }")
                .unwrap();
        assert_eq!(accounts("sshd:x:105:1:::\n").check_fixed(&ids), Ok(()));
        assert_eq!(
            accounts("sshd:x:104:1:::\n").check_fixed(&ids).unwrap_err().to_string(),
            "not as [ids] of the recipe says: user sshd is 104, not 105"
        );
    }
}
