//! Independent tools agree with the partition table of a new machine.

use std::fs::OpenOptions;
use std::process::Command;

use edeploy_ab::disk::gpt::{Sizes, create};

const MIB: u64 = 1 << 20;

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; run `apt-get install gdisk fdisk`"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn sgdisk_and_sfdisk_find_a_new_table_sound() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    file.as_file().set_len(3 << 30).unwrap();
    let mut disk = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let layout =
        create(&mut disk, Sizes { esp: 512 * MIB, slot: 1024 * MIB }, |disk| disk.sync_all()).unwrap();
    assert!(run("sgdisk", &["-v", path]).contains("No problems found"));
    let dump = run("sfdisk", &["--dump", path]);
    for part in [&layout.esp, &layout.slots[0], &layout.slots[1], &layout.state] {
        let line = format!("start={:12}, size={:12}", part.offset / 512, part.size / 512);
        assert!(dump.contains(&line), "{line} is not in\n{dump}");
        assert!(dump.to_lowercase().contains(&part.uuid), "{} is not in\n{dump}", part.uuid);
    }
}
