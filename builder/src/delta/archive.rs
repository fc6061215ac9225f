//! An archive that holds files of its own tree: an initrd, which hosts make mostly of what they have already.
//!
//! Members of a newc cpio are found by their content; what is between them (headers, and members that the tree does
//! not have) is made from the older archive where it resembles it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use edeploy_format::delta::View;
use edeploy_format::digest::Digest;

use super::choose::{Effort, Opened, PIECE, Way};
use super::cut::cut;
use super::runs::{Run, runs};
use super::search::{Hashed, Search};

/// What one begins with.
pub const MAGIC: &[u8] = b"070701";
/// A header: the magic number, then 13 numbers of eight hexadecimal digits.
const HEADER: usize = 110;
/// A member shorter than this costs less than the name of its content.
const LEAST: usize = 128;

/// A member, and its content.
pub type Member = (Range<usize>, Digest);

/// The members of an archive that `tree` has, in order; none if it is no archive.
#[must_use]
pub fn members(archive: &[u8], tree: &HashMap<Digest, u64>) -> Vec<Member> {
    let known = |range: Range<usize>| {
        let content = Digest::of(&archive[range.clone()]);
        tree.contains_key(&content).then_some((range, content))
    };
    files(archive).into_iter().filter(|range| range.len() >= LEAST).filter_map(known).collect()
}

/// Where the contents of an archive's files are. Archives may follow one another, with zeros between them.
fn files(archive: &[u8]) -> Vec<Range<usize>> {
    let (mut at, mut files) = (0, Vec::new());
    while let Some(header) = archive.get(at..at + HEADER) {
        if !header.starts_with(MAGIC) {
            let zeros = archive[at..].iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                break;
            }
            at += zeros;
            continue;
        }
        let number = |field: usize| {
            let digits = std::str::from_utf8(&header[6 + 8 * field..][..8]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (Some(size), Some(name)) = (number(6), number(11)) else { break };
        let begin = (at + HEADER + name).next_multiple_of(4);
        if begin + size > archive.len() {
            break;
        }
        files.push(begin..begin + size);
        at = (begin + size).next_multiple_of(4);
    }
    files
}

/// Whether so much of the archive is in its tree that it is made of that.
#[must_use]
pub fn is_worth_it(archive: &[u8], members: &[Member]) -> bool {
    members.iter().map(|(range, _)| range.len()).sum::<usize>() > archive.len() / 2
}

/// How it is made of the `old` archive, and of members that this does not have: each costs its name.
#[must_use]
pub fn way(new: &Opened<'_>, members: &[Member], old: &Opened<'_>, effort: Effort) -> Way {
    let bytes = new.bytes;
    let kept: HashSet<Digest> =
        files(old.bytes).into_iter().map(|range| Digest::of(&old.bytes[range])).collect();
    let members = members.iter().filter(|(_, content)| !kept.contains(content));
    let mut sources: Vec<View> = vec![old.content.into()];
    let mut slices: Vec<&[u8]> = vec![old.bytes];
    let mut numbers = HashMap::new();
    let mut number = |(range, content): &Member| {
        *numbers.entry(*content).or_insert_with(|| {
            sources.push((*content).into());
            slices.push(&bytes[range.clone()]);
            sources.len() - 1
        })
    };
    let members: Vec<(Range<usize>, usize)> = members.map(|m| (m.0.clone(), number(m))).collect();
    let merged = merged(bytes, &members, &Hashed::new(old.bytes));
    let cuts = cut(&merged, &slices, bytes, PIECE);
    Way::measured(new.content.into(), cuts, sources, effort.measure)
}

/// Members as they are, and between them the runs of the old archive that make the rest.
fn merged(bytes: &[u8], members: &[(Range<usize>, usize)], old: &impl Search) -> Vec<Run> {
    let ends = members.iter().map(|(range, _)| range.end);
    let begins = members.iter().map(|(range, _)| range.start).chain([bytes.len()]);
    let gaps: Vec<Range<usize>> =
        [0].into_iter().chain(ends).zip(begins).map(|(from, to)| from..to).collect();
    let rest: Vec<u8> = gaps.iter().flat_map(|gap| &bytes[gap.clone()]).copied().collect();
    let of_rest = runs(old, &rest);
    let (mut merged, mut at, mut next) = (Vec::new(), 0, 0);
    for (n, gap) in gaps.into_iter().enumerate() {
        let end = at + gap.len();
        while let Some(run) = of_rest.get(next) {
            let part = clipped(run, at..end);
            merged.extend(part.map(|part| Run { at: part.at - at + gap.start, ..part }));
            if run.at + run.add + run.insert > end {
                break;
            }
            next += 1;
        }
        at = end;
        if let Some((range, source)) = members.get(n) {
            merged.push(Run { source: *source, base: 0, at: range.start, add: range.len(), insert: 0 });
        }
    }
    merged
}

/// What of a run makes bytes of `range`.
fn clipped(run: &Run, range: Range<usize>) -> Option<Run> {
    let middle = run.at + run.add;
    let (begin, end) = (run.at.max(range.start), (middle + run.insert).min(range.end));
    let middle = middle.clamp(begin, end.max(begin));
    let part = Run {
        base: run.base + (begin - run.at).min(run.add),
        at: begin,
        add: middle - begin,
        insert: end.saturating_sub(middle),
        ..*run
    };
    (part.add + part.insert > 0).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::noise;
    use edeploy_format::delta::patch::Patch;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, content) in files {
            let fields = [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
            archive.extend_from_slice(MAGIC);
            fields.iter().for_each(|field| archive.extend_from_slice(format!("{field:08x}").as_bytes()));
            archive.extend_from_slice(name.as_bytes());
            archive.push(0);
            archive.resize(archive.len().next_multiple_of(4), 0);
            archive.extend_from_slice(content);
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
        archive
    }

    fn opened(bytes: &[u8]) -> Opened<'_> {
        Opened::closed(Digest::of(bytes), bytes)
    }

    #[test]
    fn an_archive_is_made_of_files_of_its_tree() {
        let (a, b, own) = (noise(1, 5000), noise(2, 3001), noise(3, 700));
        let files = |conf: &'static [u8]| {
            archive(&[
                ("lib/a.ko", &a[..]),
                ("conf", conf),
                ("lib/b.ko", &b),
                ("own", &own),
                ("lib/a2.ko", &a),
            ])
        };
        let mut first = archive(&[("microcode", &own[..])]);
        first.resize(1024, 0);
        let new = [first, files(b"new and longer")].concat();
        let new = opened(&new);
        // The old archive has neither: what it has is made of it.
        let old = archive(&[("own", &own[..]), ("conf", b"old")]);
        let old = opened(&old);
        let tree = HashMap::from([(Digest::of(&a), 5000), (Digest::of(&b), 3001), (Digest::of(&own), 700)]);
        let members = members(new.bytes, &tree);
        assert_eq!(members.len(), 5);
        assert!(is_worth_it(new.bytes, &members));
        let way = way(&new, &members, &old, Effort::SMALL);
        assert_eq!(way.sources, [old.content, Digest::of(&a), Digest::of(&b)].map(View::from));
        assert!(way.cost < 900, "{}", way.cost);
        let slices = [old.bytes, &a, &b];
        let mut made = Vec::new();
        for cut in &way.cuts {
            let base: Vec<(u64, &[u8])> =
                cut.sources.iter().map(|&one| (slices[one].len() as u64, slices[one])).collect();
            let patch = Patch { control: &cut.control, difference: &cut.difference, extra: &cut.extra };
            patch.apply(&base, &mut made).unwrap();
        }
        assert_eq!(made, new.bytes);
    }

    #[test]
    fn what_is_no_archive_has_no_members_and_a_broken_one_those_before_the_break() {
        let whole = archive(&[("a", &noise(1, 500)), ("b", &noise(2, 500))]);
        assert_eq!(files(&whole).len(), 2);
        assert_eq!(files(&whole[..whole.len() - 1]).len(), 1);
        for length in 0..HEADER + 4 {
            assert_eq!(files(&whole[..length]), []);
        }
        assert_eq!(files(&noise(4, 4000)), []);
        assert_eq!(files(&[&b"070701"[..], &[b'f'; 200]].concat()), []);
    }
}
