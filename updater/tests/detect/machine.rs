//! A machine of files: what /sys, /proc and /dev would show of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Its root.
pub(crate) struct Machine(TempDir);

impl Machine {
    /// Nothing at all.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    fn place(&self, path: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.place(path), bytes).unwrap();
        self
    }

    /// Files below a folder, from lines of name and value.
    pub(crate) fn files(&self, folder: &str, files: &[(&str, &str)]) -> &Self {
        for (name, value) in files {
            self.file(&format!("{folder}/{name}"), format!("{value}\n"));
        }
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        symlink(target, self.place(path)).unwrap();
        self
    }

    /// A program of the machine. It is written by another process: a child of another test could hold what this
    /// one has open for writing, and then nobody could run it.
    pub(crate) fn tool(&self, name: &str, script: &str) -> &Self {
        self.file("script", format!("#!/bin/sh\n{script}\n"));
        let (source, target) = (self.root().join("script"), self.root().join("usr/sbin").join(name));
        let status = Command::new("install").arg("-D").arg("-m755").arg(source).arg(target).status();
        assert!(status.unwrap().success());
        self
    }

    /// A disk of so many sectors of 512 bytes.
    pub(crate) fn disk(&self, name: &str, sectors: u64, files: &[(&str, &str)]) -> &Self {
        let folder = format!("sys/block/{name}");
        let sectors = sectors.to_string();
        let plain = [("size", sectors.as_str()), ("ro", "0"), ("removable", "0"), ("queue/rotational", "0")];
        self.files(&folder, &plain).files(&folder, files);
        fs::create_dir_all(self.root().join(folder).join("device")).unwrap();
        self
    }

    /// A network card on a bus, by the name of its device there.
    pub(crate) fn card(
        &self,
        name: &str,
        device: (&str, &str),
        driver: &str,
        files: &[(&str, &str)],
    ) -> &Self {
        let (bus, device) = device;
        let folder = format!("sys/devices/{device}");
        self.link(&format!("sys/class/net/{name}/device"), &format!("../../../devices/{device}"))
            .link(&format!("{folder}/subsystem"), &format!("../../bus/{bus}"))
            .link(&format!("{folder}/driver"), &format!("../../bus/{bus}/drivers/{driver}"))
            .files(&format!("sys/class/net/{name}"), files)
    }

    /// What `detect` says of it.
    pub(crate) fn detected(&self) -> Vec<String> {
        edeploy_ab::detect::hardware(self.root()).iter().map(|line| line.join(" ")).collect()
    }

    /// That, but for what the system that runs the tests adds.
    pub(crate) fn lines(&self, beginning: &str) -> Vec<String> {
        self.detected().into_iter().filter(|line| line.starts_with(beginning)).collect()
    }
}

/// A structure of the firmware's tables: kind, handle, bytes behind these at their offsets, strings.
pub(crate) fn structure(
    kind: u8,
    handle: u16,
    length: u8,
    fields: &[(usize, &[u8])],
    strings: &[&str],
) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(length)];
    bytes[..2].copy_from_slice(&[kind, length]);
    bytes[2..4].copy_from_slice(&handle.to_le_bytes());
    for (at, field) in fields {
        bytes[*at..*at + field.len()].copy_from_slice(field);
    }
    for string in strings {
        bytes.extend(string.as_bytes());
        bytes.push(0);
    }
    bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
    bytes
}
