//! The USB stick of `docs/installer.md`, made by the commands that stand there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool::{repository, run};

/// A stick in `folder` with the installer's kernel and initrd from `installer`, which is told `arguments`.
///
/// # Panics
/// If the page does not say how, or what it says fails.
#[must_use]
pub fn make(folder: &Path, installer: &Path, arguments: &str) -> PathBuf {
    let page = fs::read_to_string(repository().join("docs/installer.md")).expect("the page");
    let from = page.lines().skip_while(|line| !line.contains("**A USB stick**"));
    let mut blocks = from.filter_map(|line| line.strip_prefix("       "));
    let to_medium = |line: &&str| line.starts_with("dd ");
    let commands: Vec<&str> = blocks.by_ref().take_while(|line| !to_medium(line)).collect();
    let entry: Vec<&str> = blocks.take(3).collect();
    let [kernel, initrd, options] = entry[..] else { panic!("no installer.conf: {entry:?}") };
    assert!(options.starts_with("options edeploy.server="), "{options}");

    let folder = folder.join("stick");
    fs::create_dir_all(folder.join("site")).expect("a folder for the stick");
    let install = folder.join("site/install");
    let _ = fs::remove_file(&install);
    std::os::unix::fs::symlink(installer, install).expect("a link to the installer");
    fs::write(folder.join("installer.conf"), format!("{kernel}\n{initrd}\noptions {arguments}\n"))
        .expect("the entry");
    run("sh", &["-ec", &format!("cd '{}'\n{}", folder.display(), commands.join("\n"))]);
    folder.join("stick.img")
}
