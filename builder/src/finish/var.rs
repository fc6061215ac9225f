//! `/var` is the state partition of a machine: a tree only holds what it is filled from.
//!
//! The tree's `/var` moves to `/usr/share/factory/var`, the package database to `/usr/lib/sysimage/dpkg`, and one
//! line of tmpfiles.d per path adds at each boot what is missing, with owner and mode, and overwrites nothing. One
//! line for all of /var would not do: tmpfiles skips a target that is not empty.

use std::collections::HashSet;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;

use super::FinishError;
use crate::scan::{Entry, Form, walk_below};
use crate::tree::Tree;

const FACTORY: &str = "usr/share/factory/var";
const LINES: &str = "usr/lib/tmpfiles.d/edeploy-var.conf";
const DPKG: &str = "var/lib/dpkg";
const SYSIMAGE: &str = "usr/lib/sysimage/dpkg";
/// Every boot has the database of its own tree, so this one is replaced where it differs.
const DPKG_LINE: &str = "L+ /var/lib/dpkg - - - - ../../usr/lib/sysimage/dpkg\n";
/// The types of tmpfiles.d that make their path.
const MAKING: &str = "fFdDvqQpLcbC";

/// Moves the tree's `/var` away and writes the lines that bring it back.
pub(super) fn to_factory(tree: &Tree) -> Result<(), FinishError> {
    if tree.metadata(FACTORY)?.is_some() {
        let reason = "the tree was finished before: import what it was made from".to_owned();
        return Err(FinishError::Lay { path: FACTORY.into(), reason });
    }
    let mut lines = "# Adds what is missing on the state partition. Written by rolebuild.\n".to_owned();
    if tree.has_folder(DPKG)? {
        tree.rename(DPKG, SYSIMAGE)?;
        lines += DPKG_LINE;
    }
    if tree.has_folder("var")? {
        tree.rename("var", FACTORY)?;
        lines += &factory_lines(tree)?;
    }
    tree.make_folder("var")?;
    Ok(tree.write(LINES, lines.as_bytes(), 0o644)?)
}

fn factory_lines(tree: &Tree) -> Result<String, FinishError> {
    let vendors = vendors(tree)?;
    let mut lines = String::new();
    walk_below(tree.root(), FACTORY, &mut |entry: Entry| -> Result<(), FinishError> {
        let below = entry.path.as_str().strip_prefix(FACTORY).expect("it lies below");
        let path = format!("/var{below}");
        if vendors.contains(&path) {
            return Ok(());
        }
        let (mode, uid, gid) = (entry.metadata.mode() & 0o7777, entry.metadata.uid(), entry.metadata.gid());
        let owned = format!("{mode:04o} {uid} {gid} -");
        let name = word(&path);
        let line = match &entry.form {
            Form::Folder => writeln!(lines, "d {name} {owned} -"),
            Form::File => {
                writeln!(lines, "C {name} {owned} {}", argument(&format!("/{}", entry.path)))
            }
            Form::Symlink(target) => writeln!(lines, "L {name} - - - - {}", argument(target)),
        };
        line.expect("a String takes all");
        Ok(())
    })?;
    Ok(lines)
}

/// The paths that tmpfiles.d of the packages makes already.
fn vendors(tree: &Tree) -> Result<HashSet<String>, FinishError> {
    let mut paths = HashSet::new();
    for folder in ["usr/lib/tmpfiles.d", "etc/tmpfiles.d"] {
        for name in tree.names(folder)?.iter().filter(|name| name.ends_with(".conf")) {
            let text = tree.read(&format!("{folder}/{name}"))?.unwrap_or_default();
            paths.extend(String::from_utf8_lossy(&text).lines().filter_map(made_path));
        }
    }
    Ok(paths)
}

fn made_path(line: &str) -> Option<String> {
    let mut fields = line.split_whitespace();
    let (kind, path) = (fields.next()?, fields.next()?);
    let makes = kind.starts_with(|c| MAKING.contains(c)) && path.starts_with('/');
    makes.then(|| path.trim_end_matches('/').to_owned())
}

/// A field of tmpfiles.d: quoted where it must be, and free of specifiers.
fn word(text: &str) -> String {
    let text = text.replace('%', "%%");
    if !text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'\\".contains(c)) {
        return text;
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// The last field: the rest of the line as it is, free of specifiers.
fn argument(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn var_becomes_a_factory_with_one_line_per_path() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path().to_owned());
        tree.write("var/lib/dpkg/status", b"Package: x\n", 0o644).unwrap();
        tree.write("var/lib/pam/auth", b"auth", 0o600).unwrap();
        tree.write("var/lib/a b%c", b"", 0o644).unwrap();
        tree.link("var/lock", "/run/lock").unwrap();
        tree.link("var/mail", "spool/mail").unwrap();
        tree.make_folder("var/spool").unwrap();
        let vendor = "# comment\nL /var/lock - - - - ../run/lock\nz /var/mail\nd!\t/var/spool/ 0755\n";
        tree.write("usr/lib/tmpfiles.d/legacy.conf", vendor.as_bytes(), 0o644).unwrap();

        to_factory(&tree).unwrap();
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let owner = format!("{} {}", uid.as_raw(), gid.as_raw());
        let text = String::from_utf8(tree.read(LINES).unwrap().unwrap()).unwrap();
        let expected = [
            "# Adds what is missing on the state partition. Written by rolebuild.".to_owned(),
            "L+ /var/lib/dpkg - - - - ../../usr/lib/sysimage/dpkg".to_owned(),
            format!("d /var/lib 0755 {owner} - -"),
            format!("C \"/var/lib/a b%%c\" 0644 {owner} - /usr/share/factory/var/lib/a b%%c"),
            format!("d /var/lib/pam 0755 {owner} - -"),
            format!("C /var/lib/pam/auth 0600 {owner} - /usr/share/factory/var/lib/pam/auth"),
            "L /var/mail - - - - spool/mail".to_owned(),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(tree.names("var").unwrap(), [""; 0]);
        assert_eq!(tree.read("usr/lib/sysimage/dpkg/status").unwrap().unwrap(), b"Package: x\n");
        assert_eq!(tree.read("usr/share/factory/var/lib/pam/auth").unwrap().unwrap(), b"auth");
    }

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        assert_eq!(word("/var/a\"b\\c\td"), "\"/var/a\\\"b\\\\c\\x09d\"");
        assert_eq!(word("/var/plain"), "/var/plain");
    }
}
