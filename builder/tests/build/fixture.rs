//! A folder with a recipe, a tree to import and an updater; the program run in it.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use edeploy_format::manifest::{Head, Reader, Record};

pub const EPOCH: &str = "1780000000";

pub struct Case {
    pub folder: tempfile::TempDir,
}

impl Case {
    /// Role `web`, and a tree that has what every tree must have.
    pub fn new() -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(case.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        case.write("recipes/web/recipe.toml", "role = 'web'\narchitecture = 'amd64'\n");
        case.write("edeploy-ab", "#!the host binary");
        case.write("tree/boot/vmlinuz-6", "kernel");
        case.write("tree/boot/initrd.img-6", "initrd");
        case.write("tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "loader");
        case.write("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\nsshd:x:104:65534::/run/sshd:/bin/false\n");
        case.write("tree/etc/group", "root:x:0:\n_ssh:x:105:\n");
        case.write("tree/var/lib/site/data", "seed");
        case
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn recipe(&self, text: &str) {
        self.write("recipes/web/recipe.toml", &format!("role = 'web'\narchitecture = 'amd64'\n{text}"));
    }

    /// `rolebuild` with these arguments, in the folder.
    pub fn rolebuild(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolebuild"));
        command.current_dir(self.path("")).env("SOURCE_DATE_EPOCH", EPOCH).args(args).output().unwrap()
    }

    /// `rolebuild build` of the tree as this version.
    pub fn build(&self, version: &str, more: &[&str]) -> Output {
        let args =
            ["build", "recipes/web", "--updater", "edeploy-ab", "--from-dir", "tree", "--version", version];
        self.rolebuild(&[&args, more].concat())
    }

    /// A build that must succeed.
    pub fn built(&self, version: &str) {
        done(&self.build(version, &[]));
    }

    /// What a build says that must be refused as wrong input.
    pub fn refused(&self) -> String {
        let output = self.build("1", &[]);
        assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
        assert!(!self.path("builds/web@1").exists());
        last_line(&stderr(&output))
    }

    pub fn manifest(&self, version: &str) -> (Head, Vec<Record>) {
        manifest(&self.path(&format!("builds/web@{version}/manifest")))
    }

    /// The record of a path.
    pub fn record(&self, version: &str, path: &str) -> Record {
        let (_, records) = self.manifest(version);
        let record = records.into_iter().find(|record| record.path.as_str() == path);
        record.unwrap_or_else(|| panic!("{path} is not in the manifest"))
    }

    /// The text of a file of the built tree, from the repository.
    pub fn text(&self, version: &str, path: &str) -> String {
        let output = Command::new("ostree")
            .args(["cat", "--repo=repo/ostree", &format!("web/{version}"), path])
            .current_dir(self.path(""))
            .output()
            .expect("ostree is needed: apt-get install ostree");
        done(&output);
        String::from_utf8(output.stdout).unwrap()
    }
}

pub fn manifest(path: &Path) -> (Head, Vec<Record>) {
    let reader = Reader::new(BufReader::new(fs::File::open(path).unwrap())).unwrap();
    (reader.head().clone(), reader.collect::<Result<_, _>>().unwrap())
}

pub fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}
