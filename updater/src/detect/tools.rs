//! Programs that know more than the kernel says: looked for below the root, each with a time limit, all together
//! with another. One that is not there, fails, hangs or says too much has said what came until then.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{self, End};

use super::tree::Tree;

/// One call may take so long.
const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of an answer, at most.
const ANSWER: usize = 1 << 20;
/// Where programs are.
const FOLDERS: [&str; 8] = [
    "usr/sbin",
    "usr/bin",
    "sbin",
    "bin",
    "usr/local/sbin",
    "usr/local/bin",
    "opt/MegaRAID/storcli",
    "opt/MegaRAID/MegaCli",
];

/// The programs of a machine.
#[derive(Debug)]
pub(super) struct Tools<'a> {
    tree: &'a Tree,
    end: Instant,
    /// A program that hung once is not asked again.
    hung: Cell<bool>,
}

impl<'a> Tools<'a> {
    /// Those of this machine, which together may take `all`.
    pub(super) fn new(tree: &'a Tree, all: Duration) -> Self {
        Self { tree, end: Instant::now() + all, hung: Cell::new(false) }
    }

    /// The first of these that is there.
    pub(super) fn find(&self, names: &[&str]) -> Option<Tool<'_>> {
        let paths = names.iter().flat_map(|name| FOLDERS.map(|folder| format!("{folder}/{name}")));
        let path = paths.map(|path| self.tree.path(&path)).find(|path| path.is_file())?;
        self.hung.set(false);
        Some(Tool { tools: self, path })
    }
}

/// A program that is there.
#[derive(Debug)]
pub(super) struct Tool<'a> {
    tools: &'a Tools<'a>,
    path: PathBuf,
}

impl Tool<'_> {
    /// What it says to these arguments; its exit code says little, with all of them.
    pub(super) fn ask(&self, arguments: &[&str]) -> String {
        let left = self.tools.end.saturating_duration_since(Instant::now());
        if left.is_zero() || self.tools.hung.get() {
            return String::new();
        }
        let mut command = Command::new(&self.path);
        command.args(arguments).env("LC_ALL", "C");
        let mut answer = String::new();
        let ending = program::run(command, LIMIT.min(left), &mut |line| {
            if answer.len() + line.len() < ANSWER {
                answer.push_str(line);
                answer.push('\n');
            }
        });
        self.tools.hung.set(match ending {
            Ok(ending) => ending.end == End::OutOfTime,
            // It survived that it was killed: so would the next that asks the same controller.
            Err(e) => e.kind() == ErrorKind::TimedOut,
        });
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// Written by another process: a child of another test could hold what this one has open for writing.
    fn tool(root: &Path, name: &str, script: &str) {
        let source = root.join("source");
        fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        let target = root.join("usr/sbin").join(name);
        let status = Command::new("install").arg("-D").arg("-m755").arg(&source).arg(&target).status();
        assert!(status.unwrap().success());
    }

    #[test]
    fn the_first_program_that_is_there_answers() {
        let root = tempfile::tempdir().unwrap();
        tool(root.path(), "second", "echo $1 of $LC_ALL");
        let tree = Tree::new(root.path());
        let tools = Tools::new(&tree, LIMIT);
        assert!(tools.find(&["first"]).is_none());
        assert_eq!(tools.find(&["first", "second"]).unwrap().ask(&["answer"]), "answer of C\n");
    }

    #[test]
    fn nothing_is_asked_when_the_time_is_over() {
        let root = tempfile::tempdir().unwrap();
        tool(root.path(), "any", "echo here");
        let tree = Tree::new(root.path());
        assert_eq!(Tools::new(&tree, Duration::ZERO).find(&["any"]).unwrap().ask(&[]), "");
    }

    #[test]
    fn what_hangs_is_ended_and_not_asked_again() {
        let root = tempfile::tempdir().unwrap();
        tool(root.path(), "slow", "echo begun; exec sleep 600");
        let tree = Tree::new(root.path());
        let tools = Tools::new(&tree, Duration::from_millis(300));
        let slow = tools.find(&["slow"]).unwrap();
        assert_eq!((slow.ask(&[]), slow.ask(&[])), ("begun\n".to_owned(), String::new()));
    }
}
