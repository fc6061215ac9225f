//! Reading folders of profiles.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::failure::chain;

const DB: &str = "role = 'db'\nversion = '12.1'\nspec = [['disk', '$disk', 'size', 'gt(4)']]\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(files: &[(&str, &str)]) -> Profiles {
    Profiles::load(folder(files).path())
}

/// What is wrong with a profile whose TOML is `DB` and this.
fn wrong(more: &str) -> String {
    let toml = format!("{DB}{more}");
    let profiles = load(&[("state", "[('db', 1)]"), ("db.toml", &toml), ("db.cmdb", "[{'ip': '1'}]")]);
    profiles.listed[0].profile.as_ref().map_or_else(|error| chain(error), |_| "nothing".to_owned())
}

#[test]
fn profiles_stand_in_the_order_of_state_and_a_bad_one_hides_no_other() {
    let profiles = load(&[
        (
            "state",
            "[('web', '4'), ('nofile', 1), ('bare', 2), ('bad', -1), ('db', '*'), ('db', 2), 7, ('x', 'many')]",
        ),
        ("web.toml", "role = 'web'\nversion = 'newest'\n"),
        ("web.specs", "[('disk', '$d', 'size', 'gt(4)')]"),
        ("bare.specs", "[]"),
        ("bad.toml", "role = 'web'\nversion = '1'\nspec = [['a', 'b', 'network(ten/8)', 'd']]"),
        ("db.toml", DB),
        ("x.toml", DB),
        ("other.toml", DB),
    ]);
    let told: Vec<(&str, Count, String)> = profiles
        .listed
        .iter()
        .map(|listed| {
            let profile = listed.profile.as_ref();
            (
                &*listed.name,
                listed.count,
                profile.map_or_else(|error| chain(error), |profile| profile.role.to_string()),
            )
        })
        .collect();
    let expected = [
        ("web", Count::Times(4), "web"),
        ("nofile", Count::Times(1), "there is neither nofile.toml nor nofile.specs"),
        ("bare", Count::Times(2), "bare.toml is missing: the role and version of the profile are not known"),
        (
            "bad",
            Count::Times(0),
            "bad.toml: spec: line 1: network(ten/8): ten/8 is no network such as 10.0.0.0/8",
        ),
        ("db", Count::Any, "db"),
        ("db", Count::Times(0), "state: line 6 names a profile that line 5 names already"),
        ("(line 7)", Count::Times(0), "state: line 7 is not a profile and a count"),
        ("x", Count::Times(0), "state: line 8: many is no count: a number or '*'"),
    ];
    assert_eq!(told, expected.map(|(name, count, says)| (name, count, says.to_owned())));
    assert_eq!(profiles.listed[0].profile.as_ref().unwrap().version, Wanted::Newest);
    let unlisted: Vec<&str> = profiles.unlisted.iter().map(|(name, _)| &**name).collect();
    assert_eq!((unlisted, profiles.trouble.is_none()), (vec!["other"], true));
}

#[test]
fn a_profile_says_which_version_or_which_channel_and_not_both() {
    let version = |text: &str| {
        let toml = format!("\nrole = 'web'\nspec = []\n{text}\n");
        let profiles = load(&[("state", "[('web', 1)]"), ("web.toml", &toml)]);
        match &profiles.listed[0].profile {
            Ok(profile) => profile.version.to_string(),
            Err(error) => chain(error),
        }
    };
    for (text, says) in [
        ("version = '1.0'", "1.0"),
        ("version = 'newest'", "newest"),
        ("channel = 'stable'", "channel stable"),
        ("", "web.toml:2: one of version and channel is needed"),
        ("version = '1.0'\nchannel = 'stable'", "web.toml:2: one of version and channel is needed"),
        (
            "channel = 'newest'",
            "web.toml:4: \"newest\" is not a channel: use [a-z0-9][a-z0-9._-]*, at most 64 bytes, not `any` and not `newest`",
        ),
    ] {
        assert_eq!(version(text), says);
    }
}

/// Which name the disk is known by alone, with this `[disk]`.
fn first_disk(disk: &str) -> Option<String> {
    let spec = "spec = [['disk', '$disk', 'size', '$size'], ['disk', '$disk', 'serial', '$serial'], \
                ['disk', '$disk', 'model', '$$model'], ['system', 'product', 'serial', '$own']]";
    let toml = format!("role = 'web'\nversion = '1'\n{spec}\n[disk]\n{disk}\n");
    let cmdb = "[{'listed': 'S1', 'model': 'M'}]";
    let profiles = load(&[("state", "[('web', 1)]"), ("web.toml", &toml), ("web.cmdb", cmdb)]);
    profiles.listed[0].profile.as_ref().unwrap().first_disk().map(str::to_owned)
}

#[test]
fn a_disk_that_is_known_by_a_detected_name_alone_is_told() {
    for disk in ["name = '{{disk}}'", "name = '/dev/{{ disk }}'\nmin-size = '1GiB'\nrotational = false"] {
        assert_eq!(first_disk(disk).as_deref(), Some("disk"), "{disk}");
    }
    let others = ["", "min-size = '1GiB'", "name = 'sda'", "name = '{{listed}}'"];
    for disk in others {
        assert_eq!(first_disk(disk), None, "{disk}");
    }
}

#[test]
fn what_was_detected_of_the_first_disk_tells_it_from_no_other() {
    for (disk, told) in [
        ("name = '{{disk}}'\nserial = '{{serial}}'", "disk"),
        ("name = '{{disk}}'\nby-id = 'ata-{{listed}}-{{serial}}'\nmodel = '{{size}}'", "disk"),
        ("serial = '{{serial}}'", "serial"),
    ] {
        assert_eq!(first_disk(disk).as_deref(), Some(told), "{disk}");
    }
    for more in ["serial = 'S1'", "serial = '{{listed}}'", "by-id = 'ata-{{own}}'", "model = '{{model}}'"] {
        let disk = format!("name = '{{{{disk}}}}'\n{more}");
        assert_eq!(first_disk(&disk), None, "{disk}");
    }
}

#[test]
fn without_a_list_no_profile_is_given() {
    for (state, says) in [
        (None, "reading state, the list of profiles and counts: No such file or directory (os error 2)"),
        (Some("{}"), "state: a dict in place of a list of profiles and counts"),
        (Some("[('db', 1"), "state: line 1, column 10: `,` or `)` is missing"),
    ] {
        let mut files = vec![("db.toml", DB)];
        files.extend(state.map(|state| ("state", state)));
        let profiles = load(&files);
        assert_eq!(profiles.trouble.as_ref().map(|trouble| chain(trouble)).as_deref(), Some(says));
        assert_eq!((profiles.listed.len(), profiles.unlisted.len()), (0, 1));
    }
}

#[test]
fn a_name_leads_out_of_no_folder() {
    let profiles = load(&[("state", "[('../db', 1), ('', 1)]"), ("db.toml", DB)]);
    let says = |at: usize| chain(profiles.listed[at].profile.as_ref().unwrap_err());
    let rule = "a profile's name has letters, digits, `.`, `_` and `-`, at most 64";
    assert_eq!((says(0), says(1)), (format!("state: line 1: {rule}"), format!("state: line 2: {rule}")));
    assert_eq!(
        wrong("[[file]]\npath = '/a'\nfrom = '../x'\n"),
        "db.toml:6: path \"../x\" has a component `.` or `..`"
    );
}

#[test]
fn what_is_wrong_in_a_profile_is_told_with_its_line() {
    for (more, says) in [
        ("kolor = 1", "db.toml:4: unknown field `kolor`"),
        ("slot-size = '4'", "db.toml:4: \"4\": a size is a number with MiB, GiB or TiB"),
        ("on-success = 'dance'", "db.toml:4: unknown variant `dance`"),
        (
            "\n[disk]\nname = '{{disks}}'",
            "db.toml:6: {{disks}} is no variable; there are disk, edeploy-machine, \
            edeploy-profile, edeploy-role, ip",
        ),
        ("[[file]]\npath = '/etc/x'\ntext = '''\n\n{{ip}} {{gw}}'''", "db.toml:8: {{gw}} is no variable"),
        ("[[file]]\npath = '/etc/x'\nmode = '9'\ntext = ''", "db.toml:6: \"9\": a mode is three or four"),
        ("[[file]]\npath = 'etc/x'\ntext = ''", "db.toml:5: path etc/x: it does not begin with /"),
        (
            "[[file]]\npath = '/etc/../x'\ntext = ''",
            "db.toml:5: path /etc/../x: path \"etc/../x\" has a component",
        ),
        ("[[file]]\npath = '/etc/x'", "db.toml:5: one of text and from is needed"),
        ("[[file]]\npath = '/etc/x'\nfrom = 'x'", "db.toml:6: there is no file x"),
        ("[[script]]\nname = 'a'\nseconds = 1\ntext = 'rm -rf /'", "db.toml:5: a script begins with #!"),
        (
            "[[script]]\nname = 'a'\nseconds = 0\ntext = '#!/bin/sh'",
            "db.toml:5: seconds: between 1 and 86400",
        ),
        (
            "[[script]]\nname = 'a'\nseconds = 1\ntext = '#!/bin/sh'\nenv = { 'A;B' = '' }",
            "db.toml:8: \"A;B\": a variable",
        ),
        (
            "[[script]]\nname = 'a'\nseconds = 1\ntext = '#!/bin/sh'\nenv = { A = '{{b}}' }",
            "db.toml:8: {{b}} is no",
        ),
        ("cmdb-key = ['host']", "db.cmdb: entry 1: no host, which entries are known by (cmdb-key)"),
        ("version = '2'", "db.toml:4: duplicate key"),
    ] {
        let told = wrong(more);
        assert!(told.starts_with(says), "{more}\n{told}");
    }
    assert_eq!(wrong(""), "nothing");
}

#[test]
fn a_profile_has_its_spec_lines_in_one_place() {
    let bare = "role = 'db'\nversion = '1'\n";
    let state = ("state", "[('db', 1)]");
    let error = |files: &[(&str, &str)]| chain(load(files).listed[0].profile.as_ref().unwrap_err());
    assert_eq!(
        error(&[state, ("db.toml", bare)]),
        "db.toml has no spec, and there is no db.specs: it would match any machine (write spec = [] for that)"
    );
    assert_eq!(
        error(&[state, ("db.toml", DB), ("db.specs", "[]")]),
        "db.toml has a spec, and there is db.specs: which of them counts is not known"
    );
    assert_eq!(
        error(&[state, ("db.toml", bare), ("db.specs", "[(1)]")]),
        "db.specs: line 1: not four fields, each a \
        text or a number (is a comma missing?)"
    );
    assert_eq!(
        error(&[state, ("db.toml", DB), ("db.cmdb", "[1]")]),
        "db.cmdb: no configuration database: a number \
        in place of a list of entries or generate({…})"
    );
}

/// The example of the profile reference: its indented blocks after a line with the file's name.
#[test]
fn the_example_of_the_reference_is_a_profile() {
    let page = include_str!("../../../docs/profiles.md");
    let block = |name: &str| {
        let after = page.split_once(&format!("`{name}`:\n\n")).unwrap_or_else(|| panic!("no {name}")).1;
        let lines = after.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
        let text: String = lines.map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect();
        format!("{}\n", text.trim_end())
    };
    let names = ["state", "web.toml", "interfaces.in", "web.cmdb"];
    let texts: Vec<(&str, String)> = names.iter().map(|name| (*name, block(name))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, &**text)).collect();
    let profiles = load(&files);
    let web = profiles.listed[0].profile.as_ref().unwrap_or_else(|error| panic!("{}", chain(error)));
    assert_eq!((profiles.listed[0].count, web.role.as_str()), (Count::Times(10), "web"));
    let cmdb = web.cmdb.as_ref().unwrap();
    let machine = b"[('disk','sda','size','500'),('memory','total','size','8589934592'),\
                      ('network','eno1','serial','52:54:00:12:34:56'),('network','eno1','link','yes')]";
    let hardware = crate::hardware::Hardware::read(machine).unwrap();
    let verdict = crate::judge::judge(&profiles, &hardware, &crate::judge::Taken::default());
    let given = verdict.given.unwrap_or_else(|| panic!("{:?}", verdict.tried));
    assert_eq!(given.entry, Some(&*cmdb.entries()[0].key));
    assert_eq!(web.first_disk(), None, "nobody is to copy that");
    let filled = given.profile.fill("m", &given.variables).unwrap();
    assert_eq!(
        filled.files[1].text,
        "auto eno1\niface eno1 inet static\n    address 10.0.0.11/24\n    gateway 10.0.0.1\n"
    );
    assert_eq!(filled.scripts[0].env["IPMI_ADDRESS"], "10.0.1.11");
}
