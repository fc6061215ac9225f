//! Which source package a file of a tree came with: packages are exchanged as a whole, so their contents stand together.
//!
//! dpkg's database says it, as far as it knows; what Python compiled belongs to what it was compiled from, and the
//! database's own files to the packages they are about. A tree without a database has no packages.

use std::collections::HashMap;
use std::path::Path;

use crate::sbom::installed;
use crate::tree::{Tree, TreeError};

/// Where every finished tree has the database.
const DATABASE: &str = "usr/lib/sysimage/dpkg";
/// What was below `/var` in the package.
const FACTORY: &str = "usr/share/factory/";

/// The packages of a tree. Their numbers are in the order of the names of their source packages, from 1 on.
#[derive(Default)]
pub(super) struct Packages {
    files: HashMap<String, usize>,
    names: HashMap<String, usize>,
}

impl Packages {
    /// Reads the database of a tree.
    pub(super) fn of(root: &Path) -> Result<Self, TreeError> {
        let tree = Tree::new(root.to_owned());
        let text = |path: &str| {
            let bytes = tree.read(path)?.unwrap_or_default();
            Ok::<_, TreeError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let mut packages = installed(&text(&format!("{DATABASE}/status"))?);
        packages.sort_by(|a, b| (&a.source, &a.name).cmp(&(&b.source, &b.name)));
        let (mut found, mut number) = (Self::default(), 0);
        let mut last = None;
        for package in &packages {
            // Without its version, which changes.
            let source = package.source.split(' ').next();
            number += usize::from(source != last);
            last = source;
            for name in [package.name.clone(), format!("{}:{}", package.name, package.architecture)] {
                for path in text(&format!("{DATABASE}/info/{name}.list"))?.lines() {
                    let path = path.trim_start_matches('/');
                    found.files.insert(path.to_owned(), number);
                    if !path.starts_with("usr/") {
                        found.files.insert(format!("usr/{path}"), number);
                    }
                }
                found.names.insert(name, number);
            }
        }
        Ok(found)
    }

    /// The number of the source package of a file; 0 if it is of none.
    pub(super) fn source(&self, path: &str) -> usize {
        let path = path.strip_prefix(FACTORY).unwrap_or(path);
        let found = self.files.get(path).or_else(|| self.compiled(path)).or_else(|| self.about(path));
        found.copied().unwrap_or(0)
    }

    /// `d/__pycache__/m.cpython-311.pyc` is made of `d/m.py`.
    fn compiled(&self, path: &str) -> Option<&usize> {
        let (folder, name) = path.split_once("__pycache__/")?;
        self.files.get(&format!("{folder}{}.py", name.split('.').next()?))
    }

    /// `info/bash.list`, `info/libc6:amd64.md5sums`.
    fn about(&self, path: &str) -> Option<&usize> {
        let name = path.strip_prefix(DATABASE)?.strip_prefix("/info/")?;
        self.names.get(name.rsplit_once('.')?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_source_package_that_the_database_names() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path().to_owned());
        let package = |name: &str, source: &str| {
            format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n{source}\n"
            )
        };
        let status = [
            package("zlib1g", "Source: zlib (2)\n"),
            package("libpython3", "Source: python3\n"),
            package("bash", ""),
            package("python3", ""),
        ];
        tree.write(&format!("{DATABASE}/status"), status.concat().as_bytes(), 0o644).unwrap();
        for (name, files) in [
            ("bash", "/.\n/bin\n/bin/bash\n/var/lib/bash/x\n"),
            ("libpython3:amd64", "/usr/lib/libpython3.so\n"),
            ("python3", "/usr/lib/python3/os.py\n"),
            ("zlib1g:amd64", "/lib/libz.so.1\n"),
        ] {
            tree.write(&format!("{DATABASE}/info/{name}.list"), files.as_bytes(), 0o644).unwrap();
        }
        let packages = Packages::of(folder.path()).unwrap();
        for (path, number) in [
            ("usr/bin/bash", 1),
            ("usr/share/factory/var/lib/bash/x", 1),
            ("usr/lib/sysimage/dpkg/info/bash.list", 1),
            ("usr/lib/libpython3.so", 2),
            ("usr/lib/python3/os.py", 2),
            ("usr/lib/python3/__pycache__/os.cpython-311.pyc", 2),
            ("usr/lib/libz.so.1", 3),
            ("usr/lib/sysimage/dpkg/info/zlib1g:amd64.md5sums", 3),
            ("usr/lib/sysimage/dpkg/status", 0),
            ("etc/own", 0),
        ] {
            assert_eq!(packages.source(path), number, "{path}");
        }
        assert_eq!(Packages::of(tempfile::tempdir().unwrap().path()).unwrap().source("usr/bin/bash"), 0);
    }
}
