//! What goes out of every tree: traces of the build, and what a recipe wants removed.

use edeploy_format::path::TreePath;

use super::FinishError;
use crate::recipe::value::Pattern;
use crate::scan::{Entry, Form, Refused, walk_below};
use crate::tree::{Tree, TreeError};

/// Folders of which only the folder stays: mount points, and what fills itself at run time.
const EMPTIED: &[&str] = &[
    "dev",
    "proc",
    "sys",
    "run",
    "tmp",
    "var/tmp",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/lib/apt/mirrors",
];
/// Folders whose files go, and whose folders stay: services expect those with their owners.
const WITHOUT_FILES: &[&str] = &["var/log", "var/cache"];
/// Files a build leaves behind: backups and locks, which differ from build to build.
const LEFT_BEHIND: &[&str] = &[
    // The resolver of the machine that built it.
    "/etc/.resolv.conf.systemd-resolved.bak",
    "/etc/.pwd.lock",
    // mmdebstrap's options for apt: proxies of the build machine among them.
    "/etc/apt/apt.conf.d/99mmdebstrap",
    "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/root/.bash_history",
    "/root/.wget-hsts",
    "/var/lib/dpkg/*-old",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/lib/systemd/catalog/database",
];
/// Documentation, for recipes with `exclude-docs`.
const DOCS: &[&str] = &[
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/lintian",
    "/usr/share/locale/*",
    "/usr/share/doc-base",
];

/// Removes the traces of the build.
pub(super) fn traces(tree: &Tree) -> Result<(), FinishError> {
    EMPTIED.iter().try_for_each(|folder| tree.empty(folder))?;
    WITHOUT_FILES.iter().try_for_each(|folder| files_below(tree, folder))?;
    LEFT_BEHIND.iter().try_for_each(|path| Ok(remove_matches(tree, &pattern(path))?))
}

/// Removes documentation; copyright files stay, as their licences ask for.
pub(super) fn docs(tree: &Tree) -> Result<(), FinishError> {
    DOCS.iter().try_for_each(|path| remove_matches(tree, &pattern(path)))?;
    for package in tree.names("usr/share/doc")? {
        let folder = format!("usr/share/doc/{package}");
        for name in tree.names(&folder)?.iter().filter(|name| *name != "copyright") {
            tree.remove(&format!("{folder}/{name}"))?;
        }
    }
    Ok(())
}

/// Removes what the patterns of a recipe match.
///
/// # Errors
/// [`FinishError::Tree`].
pub fn remove(tree: &Tree, patterns: &[Pattern]) -> Result<(), FinishError> {
    Ok(patterns.iter().try_for_each(|pattern| remove_matches(tree, pattern))?)
}

pub(super) fn pattern(text: &str) -> Pattern {
    Pattern::try_from(text.to_owned()).expect("the patterns of this program are patterns")
}

/// Removes every path that a pattern matches.
pub(super) fn remove_matches(tree: &Tree, pattern: &Pattern) -> Result<(), TreeError> {
    let (last, folders) = pattern.components().split_last().expect("a pattern has a component");
    let mut found = vec![String::new()];
    for component in folders {
        found = matches(tree, &found, component)?;
    }
    matches(tree, &found, last)?.iter().try_for_each(|path| tree.remove(path).map(|_| ()))
}

/// What lies in any of the folders, with a name that matches.
fn matches(tree: &Tree, folders: &[String], component: &str) -> Result<Vec<String>, TreeError> {
    let mut found = Vec::new();
    for folder in folders {
        let names = tree.names(if folder.is_empty() { "." } else { folder })?;
        let matching = names.iter().filter(|name| Pattern::matches(component, name));
        found.extend(
            matching.map(|name| if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") }),
        );
    }
    Ok(found)
}

/// Removes all regular files below `folder`.
fn files_below(tree: &Tree, folder: &str) -> Result<(), FinishError> {
    if !tree.has_folder(folder)? {
        return Ok(());
    }
    let mut files: Vec<TreePath> = Vec::new();
    walk_below(tree.root(), folder, &mut |entry: Entry| -> Result<(), Refused> {
        if entry.form == Form::File {
            files.push(entry.path);
        }
        Ok(())
    })?;
    Ok(files.iter().try_for_each(|path| tree.remove(path.as_str()).map(|_| ()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_removes_what_it_matches_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path().to_owned());
        for path in ["lib/modules/1/a.ko", "lib/modules/2/a.ko", "lib/modules/2/b.ko", "top.txt", "kept/a.ko"]
        {
            tree.write(path, b"", 0o644).unwrap();
        }
        tree.link("lib/modules/3", "../../kept").unwrap();
        remove(&tree, &[pattern("/lib/modules/*/a.*"), pattern("/t*"), pattern("/none/x")]).unwrap();
        for (path, there) in [
            ("lib/modules/1/a.ko", false),
            ("lib/modules/2/a.ko", false),
            ("lib/modules/2/b.ko", true),
            ("top.txt", false),
            ("kept/a.ko", true),
        ] {
            assert_eq!(tree.metadata(path).unwrap().is_some(), there, "{path}");
        }
    }

    #[test]
    fn logs_go_and_their_folders_stay() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path().to_owned());
        tree.write("var/log/nginx/access.log", b"", 0o644).unwrap();
        tree.write("dev/console", b"", 0o644).unwrap();
        traces(&tree).unwrap();
        assert!(tree.has_folder("var/log/nginx").unwrap() && tree.has_folder("dev").unwrap());
        assert_eq!(tree.names("var/log/nginx").unwrap(), [""; 0]);
        assert_eq!(tree.names("dev").unwrap(), [""; 0]);
    }
}
