//! The program `edeploy-fleet`, run as an operator runs it, on files in a fresh folder.
#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const MACHINE: &str = "[('disk', 'sda', 'size', '500'), ('network', 'eth0', 'ipv4', '10.0.0.7')]";

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn run(folder: &TempDir, words: &str) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_edeploy-fleet");
    let Output { status, stdout, stderr } =
        Command::new(program).args(words.split(' ')).current_dir(folder.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn profiles_are_tried_in_order_and_a_bad_one_does_not_stop_the_next() {
    let folder = folder(&[
        ("hw", MACHINE),
        ("bad.specs", "[('network', '$eth', 'ipv4', 'network(ten/8)')]"),
        ("big.specs", "[('disk', '$disk', 'size', 'gt(1000)')]"),
        (
            "web.specs",
            "[('disk', '$disk', 'size', 'gt(100)'), ('network', '$$eth', 'ipv4', 'network(10.0.0.0/8)')]",
        ),
    ]);
    let (code, out, error) = run(&folder, "match hw bad.specs big.specs web.specs");
    assert_eq!((code, &*error), (0, ""));
    assert_eq!(
        out,
        "bad.specs: not judged: bad.specs: line 1: network(ten/8): ten/8 is no network such as 10.0.0.0/8\n\
         big.specs: does not match\n    1  disk $disk size gt(1000)\n       \
            FAILED: no line of the machine fits it\n       - disk sda size 500: 500 is not gt(1000)\n\
         web.specs: matches\n    1  disk $disk size gt(100)\n       = disk sda size 500\n    \
            2  network $$eth ipv4 network(10.0.0.0/8)\n       = network eth0 ipv4 10.0.0.7\n       \
            $disk = sda\n       $$eth = eth0\n"
    );
    let (code, out, _) = run(&folder, "match hw web.specs --json");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["matched"]), (0, &true.into()));
    let profile = &answer["profiles"][0];
    assert_eq!(profile["variables"], serde_json::json!({"disk": "sda", "eth": "eth0"}));
    assert_eq!(profile["cmdb_variables"], serde_json::json!({"eth": "eth0"}));
}

#[test]
fn the_exit_code_tells_no_match_from_what_cannot_be_read() {
    let folder =
        folder(&[("hw", MACHINE), ("big.specs", "[('disk','$d','size','gt(1000)')]"), ("bad", "[(")]);
    assert_eq!(run(&folder, "match hw big.specs").0, 9);
    let (code, out, error) = run(&folder, "match hw bad");
    assert_eq!((code, &*out), (11, ""));
    assert_eq!(error, "edeploy-fleet: bad: no spec lines: line 1, column 3: a value is missing\n");
    assert_eq!(run(&folder, "match bad big.specs").0, 11);
    assert_eq!(run(&folder, "match hw missing").0, 4);
    assert_eq!(run(&folder, "match hw").0, 2);
}

#[test]
fn where_none_matches_and_one_was_not_judged_it_is_not_told_that_none_does() {
    let folder =
        folder(&[("hw", MACHINE), ("big.specs", "[('disk','$d','size','gt(1000)')]"), ("bad", "[(")]);
    let reason = "bad: not judged: bad: no spec lines: line 1, column 3: a value is missing";
    let (code, out, error) = run(&folder, "match hw bad big.specs");
    assert_eq!((code, error), (1, format!("edeploy-fleet: {reason}\n")));
    assert!(out.starts_with(&format!("{reason}\nbig.specs: does not match\n")), "{out}");
    let answer: serde_json::Value =
        serde_json::from_str(&run(&folder, "match hw bad big.specs --json").1).unwrap();
    let matched = [&answer["matched"], &answer["profiles"][0]["matched"], &answer["profiles"][1]["matched"]];
    assert_eq!(matched, [&serde_json::Value::Null, &serde_json::Value::Null, &false.into()]);
}

#[test]
fn a_model_is_shown_as_the_entries_it_gives() {
    let folder =
        folder(&[("web.cmdb", "generate({'host': 'web1-2', 'ip': '10.0.0.1-9'})"), ("bad", "{'a': os}")]);
    let (code, out, _) = run(&folder, "generate web.cmdb --json");
    assert_eq!(
        (code, &*out),
        (0, "[{\"host\":\"web1\",\"ip\":\"10.0.0.1\"},{\"host\":\"web2\",\"ip\":\"10.0.0.2\"}]\n")
    );
    let (code, _, error) = run(&folder, "generate bad");
    assert_eq!(code, 11);
    assert_eq!(
        error,
        "edeploy-fleet: bad: no configuration database: line 1, column 7: `os` is neither a value nor known\n"
    );
}

const FIRST_DISK: &str = "  WARNING: {{disk}} is that of the first disk that the spec fits: of several it may be the \
                          wrong one, and is wiped; tell it by sizes alone, or by a serial, by-id or model that the \
                          profile or its database says\n";

const WEB: &str = "role = 'web'\nversion = '1.0'\nspec = [['disk', '$disk', 'size', 'gt(100)'], \
                   ['network', '$eth', 'ipv4', '$old']]\n[disk]\nname = '{{disk}}'\n\
                   [[file]]\npath = '/etc/hostname'\ntext = \"{{host}}\\n\"\n";

#[test]
fn a_folder_of_profiles_is_checked_and_nothing_is_given() {
    let folder = folder(&[
        (
            "hw",
            "[('system','product','serial','A1'),('disk','sda','size','500'),('network','e0','ipv4','10.0.0.7')]",
        ),
        ("small", "[('system','product','serial','A2')]"),
        ("nameless", "[('disk','sda','size','500'),('network','e0','ipv4','10.0.0.7')]"),
        ("state", "[('web', 2), ('also', '*')]"),
        ("web.toml", WEB),
        ("web.cmdb", "generate({'host': 'web1-2'})"),
        ("also.toml", "role = 'db'\nversion = 'newest'\nspec = [['disk', 'sda', 'size', '$s']]\n"),
        ("spare.toml", "role = 'db'\nversion = '2'\nspec = []\n"),
    ]);
    let profiles = format!(
        "web: web 1.0, 2 entries, for 2 machines\n{FIRST_DISK}also: db newest, for any number of machines\n\
         spare: db 2, for no machine: state does not name it\n"
    );
    assert_eq!(run(&folder, "check ."), (0, profiles.clone(), String::new()));
    let (code, out, _) = run(&folder, "check . --hardware hw");
    let machine = "\nmachine A1\nweb: matches, and is given\nalso: matches as well; another one is given\n\n\
                   disk = sda\neth = e0\nhost = web1\nold = 10.0.0.7\ndisk {\"name\":\"sda\"}\n\
                   file /etc/hostname 0644 0:0\n    web1\n";
    assert_eq!((code, out), (0, format!("{profiles}{machine}")));
    let answer: serde_json::Value =
        serde_json::from_str(&run(&folder, "check . --hardware hw --json").1).unwrap();
    assert_eq!((&answer["good"], &answer["profiles"][1]["count"]), (&true.into(), &"*".into()));
    assert!(answer["profiles"][0]["warning"].is_string() && answer["profiles"][1]["warning"].is_null());
    assert_eq!(answer["machine"]["files"][0]["text"], "web1\n");
    let (code, out, _) = run(&folder, "check . --hardware small");
    assert_eq!(code, 9);
    let none = "web: does not match: line 1: disk $disk size gt(100): no line of the machine fits it\n\
                also: does not match: line 1: disk sda size $s: no line of the machine fits it\n";
    assert!(out.ends_with(none), "{out}");
    let (code, out, _) = run(&folder, "check . --hardware nameless");
    assert_eq!(code, 9);
    assert!(out.contains("\nthe machine gets nothing: the machine has no serial number, no UUID"), "{out}");
}

#[test]
fn whatever_is_wrong_in_a_folder_ends_a_check_with_11() {
    let gateway = WEB.replace("{{host}}", "{{gateway}}");
    let folder = folder(&[
        ("state", "[('web', 2), ('empty', 1), ('bad', 1)]"),
        ("web.toml", &gateway),
        ("empty.toml", "role = 'db'\nversion = '2'\nspec = []\n"),
        ("empty.cmdb", "[]"),
        ("bad.toml", "role = 'db'\nversion = '2'\nspec = [['disk', 'sda', 'size', 'gt(many)']]\n"),
    ]);
    let (code, out, _) = run(&folder, "check .");
    assert_eq!(code, 11);
    assert_eq!(
        out,
        "web: WRONG: web.toml:8: {{gateway}} is no variable; there are disk, edeploy-machine, edeploy-profile, \
            edeploy-role, eth, old\n\
         empty: WRONG: empty.cmdb has no entries: no machine can get the profile\n\
         bad: WRONG: bad.toml: spec: line 1: gt(many): many is no number\n"
    );
    let (code, out, _) = run(&folder, "check missing");
    assert_eq!(code, 11);
    assert!(
        out.starts_with("no profile is given: reading state, the list of profiles and counts: No such"),
        "{out}"
    );
}

#[test]
fn an_import_replaces_no_file_and_what_it_makes_is_checked() {
    let folder = folder(&[]);
    let old = folder.path().join("old");
    fs::create_dir(&old).unwrap();
    for (name, text) in [
        ("state", "[('vm', 4)]"),
        ("vm.specs", "[('disk', '$disk', 'size', 'gt(4)')]"),
        ("vm.cmdb", "generate({'host': 'vm1-4'})"),
        (
            "vm.configure",
            "run('mkfs.ext4 /dev/sda1')\nconfig('/etc/hostname').write(var['host'])\n\
                          set_role('vm', 'D12-1.0', '/dev/' + var['disk'])\n",
        ),
    ] {
        fs::write(old.join(name), text).unwrap();
    }
    fs::set_permissions(old.join("vm.configure"), fs::Permissions::from_mode(0o700)).unwrap();
    let told = "vm\n  role vm D12-1.0\n  disk /dev/{{disk}}\n  file /etc/hostname\n  \
                not carried, line 1: run('mkfs.ext4 /dev/sda1')  (the installer does this itself)\n";
    assert_eq!(run(&folder, "import old --into new"), (0, told.to_owned(), String::new()));
    let made = fs::metadata(folder.path().join("new/vm.toml")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600, "others may read what may hold passwords");
    let checked = format!("vm: vm D12-1.0, 4 entries, for 4 machines\n{FIRST_DISK}");
    assert_eq!(run(&folder, "check new"), (0, checked.clone(), String::new()));
    let (code, _, error) = run(&folder, "import old --into new");
    assert_eq!(code, 3);
    assert_eq!(error, "edeploy-fleet: writing new/state: entity already exists\n");
    let (code, ..) = run(&folder, "import old --into .");
    assert_eq!((code, run(&folder, "check .").1), (0, checked));
    fs::remove_file(folder.path().join("state")).unwrap();
    assert_eq!(run(&folder, "import old --into .").0, 3);
    assert!(!folder.path().join("state").exists(), "some of it was written");
    assert_eq!(run(&folder, "import old").0, 0);
    assert_eq!(run(&folder, "check old").0, 0);
    assert_eq!(run(&folder, "import nowhere").0, 4);
}

/// The indented block of a page after a line that ends with the mark and a colon.
fn block(page: &str, mark: &str) -> String {
    let ends = [format!("`{mark}`:\n\n"), format!("`{mark}` says:\n\n")];
    let after = ends.iter().find_map(|end| page.split_once(&**end)).unwrap_or_else(|| panic!("no {mark}")).1;
    let lines = after.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let text: String = lines.map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect();
    format!("{}\n", text.trim_end())
}

#[test]
fn the_walk_through_of_the_manual_is_what_the_program_does() {
    let page = include_str!("../../docs/coming-from-edeploy.md");
    let folder = folder(&[("hw", &block(page, "hw"))]);
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("edeploy")).unwrap();
    for name in ["state", "web.specs", "web.cmdb", "web.configure", "db.specs", "db.configure"] {
        fs::write(at("edeploy").join(name), block(page, name)).unwrap();
    }
    let import = "edeploy-fleet import edeploy --into profiles";
    let (code, out, _) = run(&folder, import.split_once(' ').unwrap().1);
    assert_eq!((code, out), (11, block(page, import)));
    assert_eq!(fs::read_to_string(at("profiles/web.toml")).unwrap(), block(page, "profiles/web.toml"));
    fs::write(at("profiles/db.toml"), block(page, "('network', 'eth0', 'link', 'yes')")).unwrap();
    let check = "edeploy-fleet check profiles --hardware hw";
    let (code, out, _) = run(&folder, check.split_once(' ').unwrap().1);
    let out: String = out.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_eq!((code, out), (0, block(page, check)));
}

#[test]
fn an_answer_that_nobody_reads_or_that_finds_no_room_changes_no_exit_code() {
    let folder = folder(&[("hw", MACHINE), ("web.specs", "[('disk', '$disk', 'size', 'gt(100)')]")]);
    let answered = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edeploy-fleet"));
        command.args(["match", "hw", "web.specs"]).current_dir(folder.path()).stdout(stdout);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(answered(writer.into()), (Some(0), String::new()));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let said = "edeploy-fleet: what was asked for is done, but: writing the answer to standard output: \
                No space left on device (os error 28)\n";
    assert_eq!(answered(full.into()), (Some(0), said.to_owned()));
}
