//! What becomes of eDeploy's files.

use std::fs;

use super::configure::Written;
use super::expression::Part;
use super::*;
use crate::profile::Profiles;

const CONFIGURE: &str = r#"# -*- python -*-
import os

bootable_disk = '/dev/' + var['disk']

for disk, path in ((bootable_disk, '/chroot'), ):
    run('parted -s %s mklabel msdos' % disk)
    run('mkfs.ext4 %s1' % disk)
    run('mkdir -p %s; mount %s1 %s' % (path, disk, path))

config('/etc/network/interfaces').write('''
auto %(eth)s
iface %(eth)s inet static
     address %(ip)s  # 100%% static
''' % var)
config("etc/hostname", fmod=0600, uid=7).write(var['host'] + "\n")

ipmi.setup_user(1, 'root', "pass'word")
set_role('mysql', 'D7-F.1.0.0', bootable_disk)
"#;

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn variable(name: &str) -> Part {
    Part::Variable(name.to_owned())
}

#[test]
fn role_disk_and_files_are_recognised_and_every_other_line_is_told() {
    let read = configure::read(CONFIGURE);
    assert_eq!(read.role, Some(("mysql".to_owned(), "D7-F.1.0.0".to_owned())));
    assert_eq!(read.disk, Some(vec![text("/dev/"), variable("disk")]));
    let interfaces = [
        text("\nauto "),
        variable("eth"),
        text("\niface "),
        variable("eth"),
        text(" inet static\n     address "),
        variable("ip"),
        text("  # 100"),
        text("%"),
        text(" static\n"),
    ];
    let written = |path: Vec<Part>, mode: &str, uid, text: Vec<Part>| Written {
        path,
        mode: mode.to_owned(),
        uid,
        gid: 0,
        text,
    };
    assert_eq!(
        read.files,
        [
            written(vec![text("/etc/network/interfaces")], "0644", 0, interfaces.to_vec()),
            written(vec![text("/"), text("etc/hostname")], "0600", 7, vec![variable("host"), text("\n")]),
        ]
    );
    let left: Vec<(usize, &str)> = read.left.iter().map(|(line, text)| (*line, &**text)).collect();
    assert_eq!(
        left,
        [
            (2, "import os"),
            (6, "for disk, path in ((bootable_disk, '/chroot'), ):"),
            (7, "    run('parted -s %s mklabel msdos' % disk)"),
            (8, "    run('mkfs.ext4 %s1' % disk)"),
            (9, "    run('mkdir -p %s; mount %s1 %s' % (path, disk, path))"),
            (18, "ipmi.setup_user(1, 'root', \"pass'word\")"),
        ]
    );
}

#[test]
fn what_depends_on_anything_is_left_over() {
    for source in [
        "set_role(role, 'v', 'd')",
        "set_role('web', 'v' if x else 'w', 'd')",
        "    set_role('web', 'v', 'd')",
        "if x: set_role('web', 'v', 'd')",
        "set_role('web', 'v', 'd') or 1",
        "d = open('/x').read()\nset_role('web', 'v', d)",
        "d = '/dev/sda'\nif x:\n    d = '/dev/sdb'\nset_role('web', 'v', d)",
        "d = '/dev/sda'\nfor d in disks: pass\nset_role('web', 'v', d)",
        "config('/x', mode='a').write('y')",
        "config('/x', 'a').write('y')",
        "config('/x', fmod=mode).write('y')",
        "config('/x').write('%d' % var['n'])",
        "config('/x').write('%(n)d' % var)",
        "config('/x').write('%s %s' % ('a',))",
        "config('/x').write(json.dumps(var))",
        "config('/x').write('''unended",
        "config('/x', fmod=0999).write('y')",
    ] {
        let read = configure::read(source);
        assert_eq!((read.role, read.files), (None, vec![]), "{source}");
        let last = source.lines().count();
        assert_eq!(read.left.last().map(|(line, _)| *line), Some(last), "{source}");
    }
}

#[test]
fn the_last_role_counts_and_the_one_before_is_told() {
    let read = configure::read("set_role('a', '1', 'x') # first\nset_role(\n  'b',\n  '2', 'y')\n");
    assert_eq!(read.role, Some(("b".to_owned(), "2".to_owned())));
    assert_eq!(read.left, [(1, "set_role('a', '1', 'x')".to_owned())]);
}

#[test]
fn texts_are_joined_and_filled_as_python_does() {
    let source = "a = 'x' \"y\" + ('z' % ())\nconfig(a).write(u'%s=%s' % (var[\"k\"], a) + '%%' + 'n\\n')";
    let file = &configure::read(source).files[0];
    assert_eq!(place(&file.path), "/xyz");
    assert_eq!(place(&file.text), "{{k}}=xyz%%n\n");
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let odd = CONFIGURE.replace("'mysql'", "'My SQL'").replace("auto ", "{{ auto }} ");
    for (name, text) in [
        ("state", "[('vm', '4'), ('odd', 1), ('bare', '*')]"),
        ("vm.specs", "[('disk', '$disk', 'size', 'gt(4)'), ('network', '$eth', 'serial', '$mac')]"),
        ("vm.cmdb", "generate({'ip': '10.0.0.1-4', 'host': 'db1-4'})"),
        ("vm.configure", CONFIGURE),
        ("odd.specs", "[('disk', '$disk', 'size', '1')]"),
        ("odd.configure", &odd),
        ("bare.specs", "[]"),
        ("edeploy.ini", "[SERVER]\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_folder_becomes_profiles_that_load_and_what_is_missing_is_told() {
    let folder = folder();
    let import = read(folder.path(), false).unwrap();
    for file in &import.files {
        fs::write(folder.path().join(&file.name), &file.bytes).unwrap();
    }
    let toml = String::from_utf8(fs::read(folder.path().join("vm.toml")).unwrap()).unwrap();
    assert!(toml.ends_with("\n# Not carried over from vm.configure: lines 2, 6, 7, 8, 9, 18.\n"), "{toml}");
    assert_eq!(import.ignored, ["edeploy.ini"]);
    let missing: Vec<(&str, Vec<&str>)> = import
        .profiles
        .iter()
        .map(|profile| (&*profile.name, profile.missing.iter().map(|text| &**text).collect()))
        .collect();
    assert_eq!(
        missing,
        [
            ("bare", vec!["there is no bare.configure: role, version and disk are not known"]),
            (
                "odd",
                vec![
                    "\"My SQL\" is not a role: use [a-z0-9][a-z0-9._-]*, at most 64 bytes, not `any` and not a TUF role",
                    "a file has {{ of its own: /etc/network/interfaces",
                ]
            ),
            ("vm", vec![]),
        ]
    );
    let profiles = Profiles::load(folder.path());
    let vm = profiles.listed[0].profile.as_ref().unwrap();
    let variables = [("disk", "sda"), ("eth", "eth0"), ("ip", "10.0.0.1"), ("host", "db1")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let filled = vm.fill("m", &variables).unwrap();
    assert_eq!(filled.disk.name.as_deref(), Some("sda"));
    assert_eq!(
        filled.files[0].text,
        "\nauto eth0\niface eth0 inet static\n     address 10.0.0.1  # 100% static\n"
    );
    assert_eq!((&*filled.files[1].path, &*filled.files[1].text), ("/etc/hostname", "db1\n"));
    for at in [1, 2] {
        let error = profiles.listed[at].profile.as_ref().unwrap_err().to_string();
        assert!(error.ends_with("missing field `role`"), "{error}");
    }
}

#[test]
fn any_text_survives_its_toml() {
    for odd in ["a\"b\\c", "'''\n", "\n\r\t\u{7f}\0", "ends in '\n'", "{{ x }}\n", ""] {
        let configure = configure::Configure {
            role: Some(("web".to_owned(), "1".to_owned())),
            files: vec![Written {
                path: vec![text("/etc/x")],
                mode: "0644".to_owned(),
                uid: 0,
                gid: 3,
                text: vec![text(odd)],
            }],
            left: vec![(3, "a".to_owned())],
            ..configure::Configure::default()
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.toml"), super::toml::profile("p", &configure)).unwrap();
        fs::write(folder.path().join("p.specs"), "[]").unwrap();
        let profile = crate::profile::Profile::load(folder.path(), "p").unwrap();
        let filled = profile.fill("m", &crate::template::Variables::new()).unwrap();
        assert_eq!((&*filled.files[0].text, filled.files[0].gid, filled.role.as_str()), (odd, 3, "web"));
    }
}
