//! What a kernel has in its root after it unpacked archives one after another, and one archive that makes the same.
//!
//! Follows `init/initramfs.c`: a later record replaces an earlier one of that path, a file is written through all
//! its names, folders on the way may be links, a folder with members stays. Names that the kernel would leave out,
//! because no folder is there for them, are kept: archives that are only looked into do not list folders.

use std::collections::{BTreeMap, HashMap};

use super::Defect;
use super::cpio::{self, Archive, FILE, FOLDER, KIND, Record, SYMLINK};

/// The kernel follows that many links on the way to one path.
const LINKS_LIMIT: usize = 40;

/// Paths, and what lies there.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    /// The bytes that paths may take, which links can make far longer than the names were, and what is left of them.
    limit: usize,
    room: usize,
    /// Inodes; their names and numbers are those of the record that came first.
    nodes: Vec<Record<'a>>,
    /// By path, so each folder comes before its members.
    names: BTreeMap<Vec<u8>, usize>,
    /// Nodes of the present archive that have further names.
    linked: HashMap<([u32; 3], u32), usize>,
}

impl<'a> Contents<'a> {
    /// Nothing, and room for paths of `limit` bytes in all.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, room: limit, nodes: Vec::new(), names: BTreeMap::new(), linked: HashMap::new() }
    }

    /// Unpacks all archives in `bytes`, with zeros between them; errors count from `base`.
    ///
    /// # Errors
    /// [`Defect::Archive`] or [`Defect::TooLong`].
    pub(super) fn read(bytes: &'a [u8], base: usize, limit: usize) -> Result<Self, Defect> {
        let mut contents = Self::new(limit);
        let mut at = 0;
        loop {
            at += super::zeros(&bytes[at..]);
            if at == bytes.len() {
                return Ok(contents);
            }
            let mut archive = Archive::new(&bytes[at..], base + at);
            while let Some(record) = archive.next()? {
                contents.add(record)?;
            }
            contents.linked.clear();
            at += archive.read();
        }
    }

    /// Whether nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether all of it is for the kernel to look into before it unpacks anything.
    pub(super) fn is_early(&self) -> bool {
        self.names.iter().all(|(path, node)| super::is_early(path, self.nodes[*node].kind()))
    }

    /// Appends one archive: by path, without times, inodes numbered from 1, content with a file's last name.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut names = vec![0_u32; self.nodes.len()];
        self.names.values().for_each(|node| names[*node] += 1);
        let mut left = names.clone();
        let mut numbers = HashMap::new();
        for (path, node) in &self.names {
            let next = numbers.len() + 1;
            let number = *numbers.entry(node).or_insert(next);
            let number =
                u32::try_from(number).expect("each takes more than a hundred bytes of a bounded image");
            left[*node] -= 1;
            let source = &self.nodes[*node];
            let data = if left[*node] == 0 { source.data } else { &[] };
            let inode = [number, 0, 0];
            cpio::write(out, &Record { name: path, inode, links: names[*node], data, ..source.clone() });
        }
        cpio::write_trailer(out);
    }

    fn add(&mut self, record: Record<'a>) -> Result<(), Defect> {
        let path = self.place(&record)?;
        self.room = self.room.checked_sub(path.len()).ok_or(Defect::TooLong { limit: self.limit })?;
        let kind = record.kind();
        if kind != FOLDER && !self.clear(&path) {
            return Ok(());
        }
        let may_link = record.links > 1 && kind != FOLDER && kind != SYMLINK;
        let link = (record.inode, kind);
        let first = self.linked.get(&link).copied().filter(|_| may_link);
        let same = |node: &usize| kind == FILE && self.nodes[*node].kind() == FILE;
        let node = match (first, self.names.get(&path).copied().filter(same)) {
            (Some(node), _) => {
                let data = if record.data.is_empty() { self.nodes[node].data } else { record.data };
                self.nodes[node] = Record { data, ..record };
                node
            }
            (None, Some(node)) => {
                self.nodes[node] = record;
                node
            }
            (None, None) => {
                self.nodes.push(record);
                self.nodes.len() - 1
            }
        };
        if may_link {
            self.linked.insert(link, node);
        }
        self.names.insert(path, node);
        Ok(())
    }

    /// Makes place for what is no folder: not where a folder with members is. Members without a folder are none for
    /// the kernel, and go.
    fn clear(&mut self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let members = self.names.range(below.clone()..).map(|(name, _)| name);
        let members: Vec<_> = members.take_while(|name| name.starts_with(&below)).cloned().collect();
        let folder = self.names.get(path).is_some_and(|node| self.nodes[*node].kind() == FOLDER);
        if !folder {
            for name in &members {
                self.names.remove(name);
            }
        }
        members.is_empty() || !folder
    }

    /// The path of a record: links to folders followed, and neither `.` nor `..` nor a slash at an end.
    fn place(&self, record: &Record<'_>) -> Result<Vec<u8>, Defect> {
        let backwards =
            |path: &'_ [u8]| path.split(|b| *b == b'/').rev().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (mut ahead, mut path) = (backwards(record.name), Vec::new());
        let mut links = 0;
        while let Some(component) = ahead.pop() {
            match component.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    path.truncate(path.iter().rposition(|b| *b == b'/').unwrap_or(0));
                    continue;
                }
                name if path.is_empty() => path.extend_from_slice(name),
                name => path.extend([b"/", name].concat()),
            }
            let target = if ahead.is_empty() { None } else { self.target(&path) };
            if let Some(target) = target {
                links += 1;
                if links > LINKS_LIMIT {
                    return Err(Defect::Archive { at: record.at, what: "a path through a circle of links" });
                }
                let parent = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
                path.truncate(if target.starts_with(b"/") { 0 } else { parent });
                ahead.extend(backwards(target));
            }
        }
        if path.len() >= cpio::PATH_LIMIT {
            return Err(Defect::Archive { at: record.at, what: "a name longer than a path can be" });
        }
        Ok(if path.is_empty() { b".".to_vec() } else { path })
    }

    /// Where the link at `path` leads.
    fn target(&self, path: &[u8]) -> Option<&'a [u8]> {
        let node = &self.nodes[*self.names.get(path)?];
        (node.mode & KIND == SYMLINK).then_some(node.data)
    }
}
