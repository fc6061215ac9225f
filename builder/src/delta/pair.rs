//! Which old content a new one is likely made from.
//!
//! First the file that had its path; then those of a path that is the same but for its numbers
//! (`lib/modules/6.1.0-9/…` and `lib/modules/6.1.0-13/…`, `libfoo.so.1.2.3`); then those of the same name but for
//! its numbers, wherever they are. Of several the nearest in size is tried first.

use std::collections::HashMap;

use edeploy_format::digest::Digest;

/// A content, and the first path that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The path.
    pub path: String,
}

/// So many of the contents with alike paths are looked at: some trees have a million of them.
const LOOKED_AT: usize = 64;

/// The contents of a tree, by what their paths are like; those with alike paths by size.
pub struct Old {
    contents: Vec<Content>,
    by_path: HashMap<String, usize>,
    by_masked: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
}

/// The text with every run of digits as one `#`.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if masked.ends_with('#') => {}
            '0'..='9' => masked.push('#'),
            other => masked.push(other),
        }
    }
    masked
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Old {
    /// Files of the old tree: each of its paths, contents more than once if several paths have them.
    #[must_use]
    pub fn new(contents: Vec<Content>) -> Self {
        let mut by_path = HashMap::new();
        let [mut by_masked, mut by_name]: [HashMap<String, Vec<usize>>; 2] = Default::default();
        for (i, content) in contents.iter().enumerate() {
            let masked = masked(&content.path);
            by_name.entry(name(&masked).to_owned()).or_default().push(i);
            by_masked.entry(masked).or_default().push(i);
            by_path.insert(content.path.clone(), i);
        }
        // Stable: of one size they stay in the order of the tree.
        by_masked
            .values_mut()
            .chain(by_name.values_mut())
            .for_each(|list| list.sort_by_key(|&i| contents[i].size));
        Self { contents, by_path, by_masked, by_name }
    }

    /// The contents that `new` may be made from, the likeliest first, and no more than `most`.
    #[must_use]
    pub fn bases(&self, new: &Content, most: usize) -> Vec<&Content> {
        let masked = masked(&new.path);
        let same_path = self.by_path.get(&new.path).copied();
        let alike = self.nearest(&self.by_masked, &masked, new.size);
        let same_name = self.nearest(&self.by_name, name(&masked), new.size);
        let mut bases: Vec<&Content> = Vec::new();
        for i in same_path.into_iter().chain(alike).chain(same_name) {
            if bases.len() >= most {
                break;
            }
            let base = &self.contents[i];
            if bases.iter().all(|one| one.digest != base.digest) {
                bases.push(base);
            }
        }
        bases
    }

    /// Those under `key`, the nearest in size first.
    fn nearest<'o>(
        &'o self,
        map: &'o HashMap<String, Vec<usize>>,
        key: &str,
        size: u64,
    ) -> impl Iterator<Item = usize> + 'o {
        let list = map.get(key).map_or(&[][..], Vec::as_slice);
        let far = move |i: usize| self.contents[i].size.abs_diff(size);
        let (smaller, others) = list.split_at(list.partition_point(|&i| self.contents[i].size < size));
        let (mut smaller, mut others) =
            (smaller.iter().rev().copied().peekable(), others.iter().copied().peekable());
        let next = move || match (smaller.peek(), others.peek()) {
            (Some(&small), Some(&other)) if far(small) < far(other) => smaller.next(),
            (_, Some(_)) => others.next(),
            (_, None) => smaller.next(),
        };
        std::iter::from_fn(next).take(LOOKED_AT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(path: &str, size: u64) -> Content {
        Content { digest: Digest::of(path.as_bytes()), size, path: path.to_owned() }
    }

    fn bases(new: &Content) -> Vec<String> {
        let old = Old::new(vec![
            content("lib/modules/6.1.0-9/a.ko", 100),
            content("lib/modules/6.1.0-9/b.ko", 100),
            content("usr/lib/libx.so.1.2.3", 900),
            content("usr/lib/libx.so.1.2", 800),
            content("usr/share/doc/a/copyright", 50),
            content("usr/share/doc/b/copyright", 60),
        ]);
        old.bases(new, 2).iter().map(|base| base.path.clone()).collect()
    }

    #[test]
    fn the_file_of_the_same_path_comes_first() {
        let new = content("usr/share/doc/b/copyright", 50);
        assert_eq!(bases(&new), ["usr/share/doc/b/copyright", "usr/share/doc/a/copyright"]);
    }

    #[test]
    fn numbers_in_a_path_do_not_count() {
        assert_eq!(bases(&content("lib/modules/6.1.0-13/b.ko", 100)), ["lib/modules/6.1.0-9/b.ko"]);
        assert_eq!(bases(&content("usr/lib/libx.so.1.2.4", 1000)), ["usr/lib/libx.so.1.2.3"]);
    }

    #[test]
    fn a_file_of_the_same_name_elsewhere_of_the_nearest_size_comes_last() {
        let expected = ["usr/share/doc/b/copyright", "usr/share/doc/a/copyright"];
        assert_eq!(bases(&content("usr/share/doc/c/copyright", 57)), expected);
        assert_eq!(bases(&content("etc/nothing-like-it", 57)), [""; 0]);
    }

    #[test]
    fn a_hundred_thousand_files_with_alike_names_are_looked_at_a_few_at_a_time() {
        let files =
            |of: u64| (0..of).map(|n| content(&format!("srv/{n}"), 1000 + n % 5000)).collect::<Vec<_>>();
        let old = Old::new(files(100_000));
        for new in files(100_000) {
            let bases = old.bases(&content(&format!("{}-new", new.path), new.size), 3);
            assert!(bases.is_empty(), "another name");
            let bases = old.bases(&new, 3);
            assert_eq!((bases.len(), &bases[0].path), (3, &new.path));
            assert!(bases.iter().all(|base| base.size == new.size));
        }
    }
}
