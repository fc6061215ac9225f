//! What the program really makes durable, and in which order: the calls behind the barriers that the simulator leaves
//! out one by one. Whoever takes one of them away has to say so here.

use std::process::Command;

use serde_json::json;

use crate::lab::{Lab, program, rule, tree};

/// Runs a command under strace: its calls that make something durable, as words; `3 loop` are three in a row, each of
/// them of a loop device and of the image behind it.
fn syncs(lab: &Lab, code: i32, command: &Command) -> String {
    let calls = "trace=fsync,fdatasync,syncfs,sync,sync_file_range,msync,/^rename";
    let (ran, trace) = lab.traced(command, &["-y", "-e", calls]);
    assert_eq!(ran.code, code, "{ran:?}");
    let calls = trace.lines().filter_map(call).collect::<Vec<_>>().join(" ");
    let calls = calls.replace("loop fdatasync-disk", "loop");
    let mut words: Vec<(&str, usize)> = Vec::new();
    for call in calls.split(' ') {
        match words.last_mut() {
            Some((last, times)) if *last == call => *times += 1,
            _ => words.push((call, 1)),
        }
    }
    let word =
        |(call, times): (&str, usize)| if times == 1 { call.to_owned() } else { format!("{times} {call}") };
    words.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// `fsync(3</dev/loop0>) = 0` as `loop`; other calls than fsync with their own name, but a new name as `>name`.
fn call(line: &str) -> Option<String> {
    let (name, rest) = line.split_once('(')?;
    if name.starts_with("rename") {
        let new = rest.rsplit('"').nth(1)?;
        return Some(format!(">{}", new.rsplit('/').next()?));
    }
    let path = rest.split_once('<')?.1.split_once('>')?.0;
    let file = path.rsplit('/').next()?.trim_end_matches(|c: char| c.is_ascii_digit());
    Some(if name == "fsync" { file.to_owned() } else { format!("{name}-{file}") })
}

/// Believed metadata that is replaced: the content before the name, then the name.
const METADATA: &str = "role-web.new, >role-web.json, tuf, targets.new, >targets.json, tuf, \
                        snapshot.new, >snapshot.json, tuf, timestamp.new, >timestamp.json, tuf";
/// A line in the journal, then the name of the journal.
const JOURNAL: &str = "journal, edeploy";

#[test]
fn every_command_makes_durable_what_it_relies_on_in_this_order() {
    let mut lab = Lab::new();
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
    lab.disk();
    let mut install = program();
    install.args(["install", "--role", "web", "--version", "1", "--disk"]).arg(lab.path("disk"));
    install.arg("--repo").arg(lab.site_folder()).arg("--root").arg(lab.path("root.json"));
    // What an older machine left, the table; the ESP; the state partition, in which the folder `tuf` is new in `edeploy`;
    // the slot; loader, kernel, initrd and entry.
    let expected = format!(
        "2 disk, 3 loop, edeploy, root.new, >root.json, tuf, {METADATA}, syncfs-var, loop, syncfs-inactive, 11 loop, \
         {JOURNAL}"
    );
    assert_eq!(syncs(&lab, 0, &install), expected, "install");
    lab.publish("2", 2, &tree("2"), &rule("2", &json!({})), |_| ());
    // That the upgrade began; the slot when it is filled, when it has what is carried over, when it is sealed; the entry.
    let slot = "syncfs-inactive, loop";
    let expected =
        format!("tuf, {METADATA}, loop, {JOURNAL}, {slot}, {slot}, syncfs-inactive, 3 loop, {JOURNAL}");
    assert_eq!(syncs(&lab, 0, &lab.command(&["upgrade", "2"])), expected, "upgrade");
    assert_eq!(syncs(&lab, 0, &lab.command_as("b", &["bless"])), format!("5 loop, {JOURNAL}"), "bless");
    assert_eq!(
        syncs(&lab, 100, &lab.command_as("b", &["rollback"])),
        format!("3 loop, {JOURNAL}, 2 loop"),
        "rollback"
    );
    lab.lose_esp();
    // Names and contents of what the ESP holds, one after the other, and what is forgotten by it.
    assert_eq!(
        syncs(&lab, 0, &lab.command(&["repair"])),
        format!("16 loop, {JOURNAL}"),
        "repair of a lost ESP"
    );
}
