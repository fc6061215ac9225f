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

/// Rewrites the initrd in the form of [`initrd::plain`]; false when it is of another kind, and stays.
///
/// # Errors
/// [`FinishError::Initrd`] when it begins as an initrd and is broken.
pub(super) fn make_plain(tree: &Tree, path: &TreePath) -> Result<bool, FinishError> {
    let name = path.as_str();
    let (Some(image), Some(metadata)) = (tree.read(name)?, tree.metadata(name)?) else { return Ok(false) };
    let failed = |source| FinishError::Initrd { path: path.clone(), source };
    let Some(plain) = initrd::plain(&image).map_err(failed)? else { return Ok(false) };
    tree.write(name, &plain, metadata.mode() & 0o7777)?;
    Ok(true)
}

fn wrong(message: String) -> FinishError {
    FinishError::Boot(message)
}
