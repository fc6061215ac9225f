//! Kernel, initrd and loader of a tree: exactly one of each, the initrd in one form.

use std::os::unix::fs::MetadataExt;

use edeploy_format::name::Architecture;
use edeploy_format::path::TreePath;

use super::FinishError;
use crate::initrd;
use crate::tree::Tree;

/// What a machine boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The kernel's image.
    pub kernel: TreePath,
    /// Its initrd.
    pub initrd: TreePath,
    /// systemd-boot for the architecture.
    pub loader: TreePath,
}

/// Finds them where Debian puts them.
///
/// # Errors
/// [`FinishError::Boot`] says what is missing, or names the kernels when there are several.
pub(super) fn find(tree: &Tree, architecture: &Architecture) -> Result<Boot, FinishError> {
    let names = tree.names("boot")?;
    let releases: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("vmlinuz-")).collect();
    let [release] = releases[..] else {
        let found = if releases.is_empty() { "none".to_owned() } else { releases.join(", ") };
        return Err(wrong(format!("a role has exactly one kernel /boot/vmlinuz-*; found: {found}")));
    };
    let loader = match architecture.as_str() {
        "amd64" => "systemd-bootx64.efi",
        "arm64" => "systemd-bootaa64.efi",
        other => return Err(wrong(format!("no loader is known for architecture {other}"))),
    };
    let there = |path: String, hint: &str| match tree.metadata(&path)? {
        Some(metadata) if metadata.is_file() && metadata.len() > 0 => {
            TreePath::new(path).map_err(|e| wrong(e.to_string()))
        }
        Some(_) | None => Err(wrong(format!("/{path} is missing or empty: {hint}"))),
    };
    Ok(Boot {
        kernel: there(format!("boot/vmlinuz-{release}"), "install a kernel package")?,
        initrd: there(format!("boot/initrd.img-{release}"), "install initramfs-tools")?,
        loader: there(format!("usr/lib/systemd/boot/efi/{loader}"), "install systemd-boot-efi")?,
    })
}

/// The initrd in the form of [`initrd::plain`]; `None` when it is of another kind. Nothing is written.
///
/// # Errors
/// [`FinishError::Initrd`] when it begins as an initrd and is broken.
pub(super) fn plain(tree: &Tree, path: &TreePath) -> Result<Option<Vec<u8>>, FinishError> {
    let Some(image) = tree.read(path.as_str())? else { return Ok(None) };
    initrd::plain(&image).map_err(|source| FinishError::Initrd { path: path.clone(), source })
}

/// Writes another initrd in its place.
///
/// # Errors
/// [`FinishError::Tree`].
pub(super) fn replace(tree: &Tree, path: &TreePath, initrd: &[u8]) -> Result<(), FinishError> {
    let mode = tree.metadata(path.as_str())?.map_or(0o644, |metadata| metadata.mode() & 0o7777);
    Ok(tree.write(path.as_str(), initrd, mode)?)
}

fn wrong(message: String) -> FinishError {
    FinishError::Boot(message)
}
