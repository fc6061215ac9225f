//! The boot model against what was seen of systemd-boot 252 in virtual machines, one row per test.

use super::*;
use crate::digest::Digest;
use crate::slot::Slot;

const KERNEL: Digest = Digest([7; 32]);
const INITRD: Digest = Digest([8; 32]);

fn entry(name: EntryName) -> Entry {
    let options = Options {
        root: PartUuid([1; 16]),
        slot: name.slot,
        state: PartUuid([2; 16]),
        manifest: Digest([3; 32]),
        machine: MachineId([4; 16]),
        role: "quiet".to_owned(),
    };
    let title = "web 1.0".to_owned();
    Entry { title, generation: name.generation, kernel: KERNEL, initrd: INITRD, options }
}

/// An ESP as the loader sees it.
struct Esp {
    entries: Vec<(String, Vec<u8>)>,
    efi: Efi,
    kernel: BootFile,
    initrd: BootFile,
}

/// `7-a` is generation 7 of slot a, `8-b+2-1` generation 8 of slot b with a counter.
fn esp(names: &[&str]) -> Esp {
    let long = |short: &str| {
        let (generation, rest) = short.split_once('-').unwrap();
        format!("edeploy-{}-g{generation}{}.conf", &rest[..1], &rest[1..])
    };
    let one = |short: &&str| {
        let name: EntryName = long(short).parse().unwrap();
        (name.to_string(), entry(name).to_string().into_bytes())
    };
    let entries = names.iter().map(one).collect();
    Esp { entries, efi: Efi::default(), kernel: BootFile::Whole, initrd: BootFile::Whole }
}

impl Esp {
    /// Boots once: the entry taken, the name it has then, and how it ended.
    fn boot(&mut self) -> Option<(String, String, Ends)> {
        let found: Vec<Found<'_>> =
            self.entries.iter().map(|(file, text)| Found { file, text: text.as_slice() }).collect();
        let choice = choose(&found, &self.efi, |path| match path {
            p if p == format!("edeploy/{KERNEL}") => self.kernel,
            p if p == format!("edeploy/{INITRD}") => self.initrd,
            _ => BootFile::Missing,
        })?;
        let (file, becomes, ends) = (choice.file, choice.becomes, choice.ends);
        assert_eq!(choice.counted, file.contains('+'), "{file}");
        self.efi.oneshot = None;
        self.entries.iter_mut().find(|(name, _)| *name == file).unwrap().0.clone_from(&becomes);
        Some((short(&file), short(&becomes), ends))
    }

    /// The entries of the next boots, by the name they have while they run.
    fn boots(&mut self, times: usize) -> Vec<String> {
        (0..times).filter_map(|_| self.boot()).map(|(_, becomes, _)| becomes).collect()
    }
}

/// The reverse of what [`esp`] reads.
fn short(file: &str) -> String {
    let (slot, rest) = file.strip_prefix("edeploy-").unwrap().split_once("-g").unwrap();
    let rest = rest.strip_suffix(".conf").unwrap();
    let digits = rest.find('+').unwrap_or(rest.len());
    format!("{}-{slot}{}", &rest[..digits], &rest[digits..])
}

#[test]
fn a_trial_is_tried_three_times_and_then_the_old_entry_is_back() {
    let boots = esp(&["7-a", "8-b+3"]).boots(6);
    assert_eq!(boots, ["8-b+2-1", "8-b+1-2", "8-b+0-3", "7-a", "7-a", "7-a"]);
}

#[test]
fn with_a_blessed_and_a_counted_twin_the_counted_one_boots() {
    assert_eq!(esp(&["8-b", "8-b+2-1"]).boots(1), ["8-b+1-2"]);
    assert_eq!(esp(&["8-b+2-1", "8-b"]).boots(1), ["8-b+1-2"]);
}

#[test]
fn with_a_blessed_and_an_exhausted_twin_the_blessed_one_boots() {
    assert_eq!(esp(&["8-b+0-3", "8-b", "7-a"]).boots(2), ["8-b", "8-b"]);
}

#[test]
fn of_two_counted_twins_the_one_with_more_tries_left_boots() {
    assert_eq!(esp(&["8-b+1-2", "8-b+3"]).boots(1), ["8-b+2-1"]);
}

#[test]
fn when_all_are_exhausted_the_newest_boots_for_ever() {
    assert_eq!(esp(&["7-a+0-3", "8-b+0-3"]).boots(2), ["8-b+0-4", "8-b+0-5"]);
    assert_eq!(esp(&["7-a+0-5", "6-b+0-3"]).boots(1), ["7-a+0-6"]);
}

#[test]
fn generations_are_ordered_as_numbers() {
    assert_eq!(esp(&["9-a", "10-b"]).boots(1), ["10-b"]);
    assert_eq!(esp(&["9-a", "10-b+3"]).boots(1), ["10-b+2-1"]);
    assert_eq!(esp(&["9-a+3", "10-b"]).boots(1), ["10-b"]);
    assert_eq!(esp(&["99-a", "100-b+1-2"]).boots(2), ["100-b+0-3", "99-a"]);
}

#[test]
fn a_plain_older_entry_comes_before_an_exhausted_newer_one() {
    assert_eq!(esp(&["7-a", "8-b+0-3"]).boots(1), ["7-a"]);
}

#[test]
fn an_empty_entry_or_one_cut_anywhere_before_its_end_is_ignored() {
    let whole = esp(&["7-a", "8-b+3"]);
    let last_line = whole.entries[1].1.len() - 1;
    for length in 0..last_line {
        let mut torn = esp(&["7-a", "8-b+3"]);
        torn.entries[1].1.truncate(length);
        assert_eq!(torn.boots(1), ["7-a"], "{length}");
    }
    let mut zeroed = esp(&["7-a", "8-b+3"]);
    zeroed.entries[1].1.fill(0);
    assert_eq!(zeroed.boots(1), ["7-a"]);
}

#[test]
fn an_entry_whose_kernel_is_missing_is_ignored_and_spends_no_try() {
    let mut esp = esp(&["7-a", "8-b+3"]);
    let text = String::from_utf8(esp.entries[1].1.clone()).unwrap();
    esp.entries[1].1 = text.replace(&KERNEL.to_string(), &"0".repeat(64)).into_bytes();
    assert_eq!(esp.boots(1), ["7-a"]);
    assert_eq!(esp.entries[1].0, "edeploy-b-g8+3.conf");
}

#[test]
fn a_damaged_kernel_or_a_missing_initrd_spends_a_try_and_sticks_in_the_firmware() {
    for (kernel, initrd) in [(BootFile::Damaged, BootFile::Whole), (BootFile::Whole, BootFile::Missing)] {
        let mut esp = esp(&["8-b+3"]);
        (esp.kernel, esp.initrd) = (kernel, initrd);
        assert_eq!(esp.boot(), Some(("8-b+3".to_owned(), "8-b+2-1".to_owned(), Ends::Stuck)));
    }
}

#[test]
fn a_damaged_initrd_panics_and_spends_a_try() {
    let mut esp = esp(&["8-b+3"]);
    esp.initrd = BootFile::Damaged;
    assert_eq!(esp.boot(), Some(("8-b+3".to_owned(), "8-b+2-1".to_owned(), Ends::Panics)));
}

#[test]
fn efi_variables_come_before_order_and_counters() {
    let mut esp = esp(&["7-a+0-3", "8-b"]);
    esp.efi.default = Some("EDEPLOY-A-*".to_owned());
    assert_eq!(esp.boots(1), ["7-a+0-4"]);
    esp.efi.oneshot = Some("edeploy-b-g?.conf".to_owned());
    assert_eq!(esp.boots(2), ["8-b", "7-a+0-5"], "a oneshot counts once");
    esp.efi.default = Some("edeploy-c-*".to_owned());
    assert_eq!(esp.boots(1), ["8-b"], "a pattern that matches nothing changes nothing");
}

#[test]
fn without_a_sort_key_an_entry_comes_last() {
    let mut esp = esp(&["7-a", "8-b"]);
    let text = String::from_utf8(esp.entries[1].1.clone()).unwrap();
    esp.entries[1].1 = text.replace("sort-key edeploy\n", "").into_bytes();
    assert_eq!(esp.boots(1), ["7-a"]);
}

#[test]
fn other_files_of_the_folder_are_not_entries() {
    let mut esp = esp(&["7-a"]);
    let text = esp.entries[0].1.clone();
    for name in ["EDEPLO~1.CON", ".edeploy-b-g9.conf", "auto-b.conf", "edeploy-b-g9.conf.bak"] {
        esp.entries.push((name.to_owned(), text.clone()));
    }
    assert_eq!(esp.boots(1), ["7-a"]);
}

#[test]
fn with_no_entry_at_all_nothing_boots() {
    assert_eq!(esp(&[]).boot(), None);
}

#[test]
fn an_entry_survives_its_text() {
    let name = EntryName::trial(Slot::B, 8, TRIES);
    let text = entry(name).to_string();
    assert_eq!(Entry::parse(name, text.as_bytes()), Ok(entry(name)));
    let options = entry(name).options.to_string();
    let expected = format!(
        "title web 1.0\nsort-key edeploy\nversion 8\noptions {options}\n\
         initrd /edeploy/{INITRD}\nlinux /edeploy/{KERNEL}\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_torn_entry_is_no_entry() {
    let name = EntryName::plain(Slot::B, 8);
    let text = entry(name).to_string().into_bytes();
    for length in 0..text.len() {
        assert!(Entry::parse(name, &text[..length]).is_err(), "{length}");
    }
    for sector in 0..=text.len() / 512 {
        let mut torn = text.clone();
        let end = text.len().min(512 * (sector + 1));
        torn[512 * sector..end].fill(0);
        assert_eq!(Entry::parse(name, &torn), Err(EntryError::Torn), "sector {sector}");
    }
}

#[test]
fn text_and_name_must_agree_and_keys_come_once() {
    let name = EntryName::plain(Slot::B, 8);
    let text = entry(name).to_string();
    let parse = |text: &str| Entry::parse(name, text.as_bytes());
    let other = EntryName::plain(Slot::A, 8);
    assert_eq!(Entry::parse(other, text.as_bytes()), Err(EntryError::Name(other)));
    assert_eq!(parse(&text.replace("version 8", "version 9")), Err(EntryError::Name(name)));
    assert_eq!(parse(&format!("version 8\n{text}")), Err(EntryError::Key("version")));
    assert_eq!(parse(&text.replace("sort-key edeploy", "sort-key other")), Err(EntryError::Key("sort-key")));
    assert!(matches!(parse(&text.replace("/edeploy/07", "/other/07")), Err(EntryError::Value { .. })));
    assert!(parse(&format!("architecture x64\n{text}")).is_ok(), "a later key is passed over");
}
