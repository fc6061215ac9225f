//! Files that a build would otherwise take from the machine it runs on.

use super::FinishError;
use crate::recipe::Recipe;
use crate::tree::Tree;

const FSTAB: &str = "# Nothing to mount here: root comes from the boot entry, /var and the persistent paths from\n\
                     # edeploy-boot.service, /tmp from tmp.mount.\n";
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Writes what every role has, before the recipe's own files are laid over it.
///
/// # Errors
/// [`FinishError::Tree`].
pub fn defaults(tree: &Tree, recipe: &Recipe) -> Result<(), FinishError> {
    tree.write("etc/fstab", FSTAB.as_bytes(), 0o644)?;
    tree.write("etc/hostname", format!("{}\n", recipe.hostname).as_bytes(), 0o644)?;
    if tree.metadata("etc/hosts")?.is_none() {
        tree.write("etc/hosts", HOSTS.as_bytes(), 0o644)?;
    }
    if tree.metadata("usr/lib/systemd/systemd-resolved")?.is_some() {
        tree.link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")?;
    } else {
        tree.remove("etc/resolv.conf")?;
    }
    // The mirror a build used says nothing about the tree, and would make two builds differ.
    tree.remove("etc/apt/sources.list")?;
    tree.empty("etc/apt/sources.list.d")?;
    Ok(())
}
