//! The installer: kernel, initrd and boot script, made from a recipe of Debian packages.
//!
//! The recipe's script gathers what the initrd needs below `/installer` of the tree; to that come the program, which is
//! all that runs there, the root metadata it trusts, and its settings. The archive depends on contents alone. Kernel and
//! initrd lie beside the TUF repository, not in it: what starts a machine is believed by iPXE, if at all, by the
//! signatures that are made here on demand (`docs/installer.md`).

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::tuf::{Sha256, TrustedRoot, TufError};
use serde::Serialize;

use crate::build;
use crate::durable;
use crate::failure::{Failure, Fault};
use crate::finish;
use crate::import;
use crate::initrd::of_folder;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::sandbox;
use crate::tool::{Call, Tool};
use crate::tree::Tree;

/// The folder of the installer in a site.
pub const INSTALL: &str = "install";
/// Where the next one is made.
const COMING: &str = ".install.new";
/// What lies there, and the signatures of it.
const OURS: [&str; 4] = ["initrd", "vmlinuz", "boot.ipxe", "SHA256SUMS"];
/// Where the recipe's script leaves what the initrd is made of.
const GATHERED: &str = "installer";
/// Where the boot script's text has the kernel's arguments.
const PLACE: &str = "@ARGUMENTS@";
/// Folders that the program mounts on, or writes to.
const FOLDERS: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "etc/edeploy"];
/// Under this name the program is the hook of the DHCP client.
const HOOK: &str = "usr/lib/edeploy/lease";
/// Kernel and initrd together are no larger: each machine fetches them on its first day, from a boot firmware.
const LIMIT: usize = 60_000_000;
/// As small as it gets in a minute; the kernel's window is large enough.
const LEVEL: i32 = 19;

/// What is to be made.
#[derive(Debug)]
pub struct Request<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The build time, in seconds since 1970: for scripts.
    pub epoch: u64,
    /// The packages as an archive, if they are not to be installed.
    pub archive: Option<&'a Path>,
    /// Where the packages are kept as an archive.
    pub keep: Option<&'a Path>,
    /// Where work is done.
    pub builds: &'a Path,
    /// The site.
    pub site: &'a Path,
    /// The root metadata to trust first.
    pub root: &'a Path,
    /// The program.
    pub program: &'a Path,
    /// The boot script's text, as a file.
    pub script: &'a Path,
    /// The kernel's arguments in it.
    pub arguments: &'a str,
    /// The arguments that the initrd brings.
    pub settings: &'a str,
    /// Certificates for https.
    pub ca: Option<&'a Path>,
    /// Private key and certificate that sign for iPXE.
    pub signer: Option<[&'a Path; 2]>,
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct Made {
    folder: PathBuf,
    kernel_bytes: usize,
    initrd_bytes: usize,
    signed: bool,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, kernel_bytes, initrd_bytes, signed } = self;
        let signed = if *signed { ", signed for iPXE" } else { "" };
        write!(f, "{}: kernel {kernel_bytes} bytes, initrd {initrd_bytes} bytes{signed}", folder.display())
    }
}

/// Why there is no installer.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    /// Scripts of the recipe need a root.
    #[error("only root can make the installer: the recipe's script runs in a tree of its own")]
    NotRoot,
    /// A file cannot be read or made.
    #[error("{doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No machine would believe anything.
    #[error("{path} is no root metadata")]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: TufError,
    },
    /// Not one kernel.
    #[error("the installer has exactly one kernel /boot/vmlinuz-*; found {0}")]
    Kernels(usize),
    /// Arguments are one line of a boot script.
    #[error("{0:?} are no arguments of a kernel: they are one line of a boot script")]
    Arguments(String),
    /// The text has no place for arguments.
    #[error("{path} has no {PLACE} where the kernel's arguments come")]
    Script {
        /// The file.
        path: PathBuf,
    },
    /// Too large.
    #[error(
        "kernel and initrd have {found} bytes; at most {LIMIT} are fetched from a boot firmware in reasonable time"
    )]
    TooLarge {
        /// How large they are.
        found: usize,
    },
}

impl Fault for InstallerError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotRoot => Exit::Unsuitable,
            Self::Io { .. } => Exit::Failed,
            Self::Root { .. } => Exit::Untrusted,
            Self::Kernels(_) | Self::Arguments(_) | Self::Script { .. } | Self::TooLarge { .. } => {
                Exit::Input
            }
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallerError {
    let path = path.to_owned();
    move |source| InstallerError::Io { doing, path, source }
}

fn read(path: &Path) -> Result<Vec<u8>, InstallerError> {
    fs::read(path).map_err(failed("reading", path))
}

/// Makes the installer and lays it into the site, whole.
///
/// # Errors
/// [`Failure`] of whichever part failed; what was there before is there still.
pub fn make(request: &Request<'_>, progress: &Progress) -> Result<Made, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(InstallerError::NotRoot.into());
    }
    let script = boot_script(request)?;
    let work = build::work_folder(request.builds)?;
    let tree = gathered(request, work.path(), progress)?;
    let kernel = kernel(&tree)?;
    let root = tree.root().join(GATHERED);
    furnish(request, &root)?;
    progress.stage("writing the initrd");
    let archive = of_folder(&root).map_err(failed("reading", &root))?;
    let initrd = zstd::encode_all(&*archive, LEVEL).map_err(failed("compressing", &root))?;
    small_enough(kernel.len() + initrd.len())?;
    let made = Made {
        folder: request.site.join(INSTALL),
        kernel_bytes: kernel.len(),
        initrd_bytes: initrd.len(),
        signed: request.signer.is_some(),
    };
    lay(request, work.path(), &[("initrd", initrd), ("vmlinuz", kernel), ("boot.ipxe", script)])?;
    Ok(made)
}

fn small_enough(found: usize) -> Result<(), InstallerError> {
    if found > LIMIT {
        return Err(InstallerError::TooLarge { found });
    }
    Ok(())
}

/// The tree of the recipe, in which its scripts have run.
fn gathered(request: &Request<'_>, work: &Path, progress: &Progress) -> Result<Tree, Failure> {
    let root = work.join("tree");
    let made =
        fs::create_dir(&root).and_then(|()| fs::set_permissions(&root, fs::Permissions::from_mode(0o755)));
    made.map_err(failed("making", &root))?;
    let installed;
    let archive = match request.archive {
        Some(archive) => archive,
        None => {
            installed = build::install_packages(request.recipe, request.epoch, work, request.keep, progress)?;
            &installed
        }
    };
    progress.stage("unpacking the packages");
    import::from_tar(archive, &root)?;
    let tree = Tree::new(root);
    for layer in &request.recipe.layers {
        finish::remove(&tree, &layer.remove)?;
        if let Some(files) = &layer.files {
            finish::lay_files(&tree, files)?;
        }
        for script in &layer.scripts {
            progress.stage(&format!("running {}", script.display()));
            sandbox::run_script(&tree, request.recipe, request.epoch, script)?;
        }
    }
    Ok(tree)
}

fn kernel(tree: &Tree) -> Result<Vec<u8>, Failure> {
    let names = tree.names("boot")?;
    let kernels: Vec<&String> = names.iter().filter(|name| name.starts_with("vmlinuz-")).collect();
    match kernels[..] {
        [name] => Ok(tree.read(&format!("boot/{name}"))?.unwrap_or_default()),
        _ => Err(InstallerError::Kernels(kernels.len()).into()),
    }
}

/// What comes to what was gathered.
fn furnish(request: &Request<'_>, root: &Path) -> Result<(), InstallerError> {
    for folder in FOLDERS {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(failed("making", &folder))?;
    }
    let bytes = read(request.root)?;
    let anchor = TrustedRoot::anchor(&bytes);
    anchor.map_err(|source| InstallerError::Root { path: request.root.to_owned(), source })?;
    let settings = one_line(request.settings)?;
    let mut files = vec![
        ("etc/edeploy/root.json", bytes, 0o644),
        ("etc/edeploy/arguments", format!("{settings}\n").into_bytes(), 0o644),
        ("init", read(request.program)?, 0o755),
    ];
    if let Some(ca) = request.ca {
        files.push(("etc/edeploy/ca.pem", read(ca)?, 0o644));
    }
    for (name, bytes, mode) in files {
        let path = root.join(name);
        let put = fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
        put.map_err(failed("writing", &path))?;
    }
    let hook = root.join(HOOK);
    symlink("/init", &hook).map_err(failed("making", &hook))
}

/// The boot script with the kernel's arguments in their place.
fn boot_script(request: &Request<'_>) -> Result<Vec<u8>, InstallerError> {
    let text = fs::read_to_string(request.script).map_err(failed("reading", request.script))?;
    if !text.contains(PLACE) {
        return Err(InstallerError::Script { path: request.script.to_owned() });
    }
    Ok(text.replace(PLACE, one_line(request.arguments)?).into_bytes())
}

fn one_line(text: &str) -> Result<&str, InstallerError> {
    if text.contains(|c: char| c.is_control()) {
        return Err(InstallerError::Arguments(text.to_owned()));
    }
    Ok(text.trim())
}

/// Lays the files, their signatures and their digests into the site, as a folder that takes the place of the one before:
/// nothing of two builds is ever side by side, nor a signature of a build that was signed beside one that is not.
fn lay(request: &Request<'_>, work: &Path, files: &[(&str, Vec<u8>); 3]) -> Result<(), Failure> {
    let (folder, new) = (request.site.join(INSTALL), request.site.join(COMING));
    durable::make_empty_folder(&new)?;
    let mut sums = String::new();
    for (name, bytes) in files {
        sums.push_str(&format!("{}  {name}\n", Sha256::of(bytes)));
        if let Some(signer) = request.signer {
            durable::write(&new, &format!("{name}.sig"), &signature(work, bytes, signer)?, 0o644)?;
        }
        durable::write(&new, name, bytes, 0o644)?;
    }
    durable::write(&new, "SHA256SUMS", sums.as_bytes(), 0o644)?;
    keep_others(&folder, &new)?;
    Ok(durable::replace_folder(&folder, &new)?)
}

/// Has what else lies in the folder, such as an iPXE that machines fetch there, in the new one too.
fn keep_others(folder: &Path, new: &Path) -> Result<(), InstallerError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed("reading", folder)(e)),
    };
    for entry in entries {
        let entry = entry.map_err(failed("reading", folder))?;
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| OURS.contains(&name.trim_end_matches(".sig")));
        if !is_ours {
            let path = entry.path();
            fs::hard_link(&path, new.join(&name)).map_err(failed("keeping", &path))?;
        }
    }
    Ok(())
}

/// A signature as iPXE's imgverify reads it: CMS without the contents, in DER.
fn signature(work: &Path, bytes: &[u8], [key, certificate]: [&Path; 2]) -> Result<Vec<u8>, Failure> {
    let path = work.join("to-sign");
    fs::write(&path, bytes).map_err(failed("writing", &path))?;
    let call = Call::new(Tool::Openssl).args(["cms", "-sign", "-binary", "-noattr", "-outform", "DER"]);
    Ok(call.arg("-in").arg(&path).arg("-inkey").arg(key).arg("-signer").arg(certificate).run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_cannot_become_another_line_of_the_boot_script() {
        assert_eq!(one_line(" edeploy.server=http://a  ").unwrap(), "edeploy.server=http://a");
        assert!(one_line("a\nimgtrust --allow").is_err());
    }

    #[test]
    fn an_installer_that_is_too_large_is_refused_with_its_size() {
        assert!(small_enough(60_000_000).is_ok());
        let refused = small_enough(60_000_001).unwrap_err();
        assert!(refused.to_string().contains("have 60000001 bytes; at most 60000000"), "{refused}");
        assert_eq!(refused.exit(), Exit::Input);
    }

    #[test]
    fn the_installer_takes_the_place_of_the_one_before_and_leaves_what_is_not_its_own() {
        let site = tempfile::tempdir().unwrap();
        let (folder, new) = (site.path().join(INSTALL), site.path().join(COMING));
        fs::create_dir(&folder).unwrap();
        for name in ["vmlinuz", "vmlinuz.sig", "initrd", "initrd.sig", "ipxe.efi"] {
            fs::write(folder.join(name), "of the build before").unwrap();
        }
        // What a run left that was cut off.
        fs::create_dir(&new).unwrap();
        fs::write(new.join("vmlinuz.sig"), "of none").unwrap();
        durable::make_empty_folder(&new).unwrap();
        for name in OURS {
            durable::write(&new, name, b"new", 0o644).unwrap();
        }
        keep_others(&folder, &new).unwrap();
        durable::replace_folder(&folder, &new).unwrap();
        let mut found: Vec<(String, String)> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        let expected = [
            ("SHA256SUMS", "new"),
            ("boot.ipxe", "new"),
            ("initrd", "new"),
            ("ipxe.efi", "of the build before"),
            ("vmlinuz", "new"),
        ];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert!(!new.exists());
    }

    #[test]
    fn a_folder_beside_the_installers_files_ends_it_before_anything_is_replaced() {
        let site = tempfile::tempdir().unwrap();
        let (folder, new) = (site.path().join(INSTALL), site.path().join(COMING));
        fs::create_dir_all(folder.join("somebodys")).unwrap();
        durable::make_empty_folder(&new).unwrap();
        let said = keep_others(&folder, &new).unwrap_err().to_string();
        assert_eq!(said, format!("keeping {}", folder.join("somebodys").display()));
    }
}
