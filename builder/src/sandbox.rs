//! Where code of a tree runs, and where owners are real: namespaces.
//!
//! Scripts of a recipe run in a chroot with mounts, processes and network of their own: no network, no service
//! starts, the environment is the same on every machine. Without root, rolebuild runs itself once more in a user
//! namespace in which it is root, so that a tree has its true numeric owners there too.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitStatus;

use edeploy_format::exit::Exit;

use crate::failure::Fault;
use crate::recipe::Recipe;
use crate::tool::{Call, Tool, ToolError};
use crate::tree::{Tree, TreeError};

/// Where a script lies while it runs.
const SCRIPT: &str = ".rolebuild-script";
/// Debian's way to forbid that packages start services.
const POLICY: &str = "usr/sbin/policy-rc.d";
/// `$1` is the tree. The devices are bound one by one: a script sees none of this machine's disks.
const ENTER: &str = r#"set -e
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=755 none "$1/dev"
for device in null zero full random urandom; do
  : > "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"
done
exec chroot "$1" "$2""#;

/// Why code did not run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The tree could not be prepared.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The script failed.
    #[error("the script {script} failed")]
    Script {
        /// Its name.
        script: String,
        /// How.
        #[source]
        source: ToolError,
    },
    /// The namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] ToolError),
    /// This program's own file is not known.
    #[error("finding the file of rolebuild")]
    Itself(#[source] std::io::Error),
}

impl Fault for SandboxError {
    fn exit(&self) -> Exit {
        match self {
            Self::Tree(error) => error.exit(),
            Self::Script { source: ToolError::Failed { .. }, .. } => Exit::Input,
            Self::Script { source, .. } | Self::Enter(source) => source.exit(),
            Self::Itself(_) => Exit::Failed,
        }
    }
}

/// Runs a recipe's script in the tree.
///
/// # Errors
/// [`SandboxError::Script`] with the last lines it wrote, unless it ended with 0.
pub fn run_script(tree: &Tree, recipe: &Recipe, epoch: u64, script: &Path) -> Result<(), SandboxError> {
    tree.copy_in(script, SCRIPT, 0o755)?;
    let policy = tree.metadata(POLICY)?.is_none();
    if policy {
        tree.write(POLICY, b"#!/bin/sh\nexit 101\n", 0o755)?;
    }
    ["proc", "dev"].iter().try_for_each(|folder| tree.make_folder(folder))?;
    let call = Call::new(Tool::Unshare)
        .without_environment()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .env("EDEPLOY_ROLE", recipe.role.as_str())
        .env("EDEPLOY_VERSION", recipe.version.as_str())
        .args(["--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "--"])
        .args(["sh", "-c", ENTER, "sh"])
        .arg(tree.root())
        .arg(format!("/{SCRIPT}"));
    let ran = call.run();
    tree.remove(SCRIPT)?;
    if policy {
        tree.remove(POLICY)?;
    }
    let script = script.display().to_string();
    ran.map(|_| ()).map_err(|source| SandboxError::Script { script, source })
}

/// Runs this program with `args` as root of a user namespace and gives how it ended.
///
/// # Errors
/// [`SandboxError`] when it cannot be started.
pub fn again_as_root(
    args: impl IntoIterator<Item = OsString>,
    epoch: u64,
) -> Result<ExitStatus, SandboxError> {
    let itself = std::env::current_exe().map_err(SandboxError::Itself)?;
    let call = Call::new(Tool::Unshare).env("SOURCE_DATE_EPOCH", epoch.to_string());
    Ok(call.args(["--map-root-user", "--map-auto", "--"]).arg(itself).args(args).status()?)
}
