use super::*;
use crate::manifest::Head;

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

fn excludes(rules: &str, text: &str) -> bool {
    Rules::exclude(rules).unwrap().covers(&path(text), false)
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = "+ /etc/keep\n- /etc/*\n+ /etc/other\n";
    assert!(!excludes(rules, "etc/keep"));
    assert!(excludes(rules, "etc/other"));
    assert!(!excludes(rules, "etc"));
}

#[test]
fn an_excluded_folder_hides_what_later_rules_name() {
    assert!(excludes("+ /a/b/keep\n- /a/b/\n", "a/b/keep"));
    assert!(!excludes("+ /a/b/keep\n- /a/b/\n", "a/b"), "a file is no folder");
}

#[test]
fn comments_and_empty_lines_say_nothing() {
    let rules = Rules::exclude("# *\n\n; *\r\n\r\n/x\r\n").unwrap();
    assert!(rules.covers(&path("x"), false));
    assert!(!rules.covers(&path("y"), false));
}

#[test]
fn what_is_not_supported_is_refused_with_its_line() {
    let fault = |line: &str| Rules::exclude(&format!("/ok\n{line}\n")).unwrap_err();
    for (line, expected) in [
        ("!", Fault::Clear),
        ("- ", Fault::Empty),
        ("/", Fault::Empty),
        ("/etc/../usr", Fault::Dots),
        ("[a", Fault::Glob(GlobError::OpenClass)),
        ("[]", Fault::Glob(GlobError::OpenClass)),
        ("[a-", Fault::Glob(GlobError::OpenClass)),
        ("[[:alpha:]]", Fault::Glob(GlobError::NamedClass)),
        ("*\\", Fault::Glob(GlobError::Escape)),
    ] {
        assert_eq!(fault(line), ExcludeError { line: 2, text: line.to_owned(), fault: expected });
    }
}

#[test]
fn add_only_covers_what_is_included_and_no_folders() {
    let rules = Rules::add_only("+ /var/\n/var/**\n- *\n").unwrap();
    assert!(rules.covers(&path("var/lib/x"), false));
    assert!(!rules.covers(&path("var/lib"), true));
    assert!(!rules.covers(&path("etc/x"), false));
    assert!(!Rules::add_only("").unwrap().covers(&path("etc/x"), false));
    assert!(!Rules::add_only("- *\n/var/x\n").unwrap().covers(&path("var/x"), false));
}

#[test]
fn in_order_says_what_covers_says() {
    let paths =
        [("a", true), ("a/b", true), ("a/b/c", false), ("a/b-c", false), ("a/d", false), ("e", false)];
    for text in ["/a/b/\n", "/a/*\n+ e\n", "+ /a/b/\n- *\n", "- /a/b\n/a/**\ne\n", ""] {
        for rules in [Rules::exclude(text).unwrap(), Rules::add_only(text).unwrap()] {
            let mut in_order = rules.in_order();
            for (text, is_folder) in paths {
                let expected = rules.covers(&path(text), is_folder);
                assert_eq!(in_order.covers(text.as_bytes(), is_folder), expected, "{text} by {rules:?}");
            }
        }
    }
}

#[test]
fn rules_may_not_cover_what_makes_a_slot_bootable() {
    let head: Head = "edeploy-manifest 1\nrole web\nversion 1\nserial 1\narchitecture amd64\nbuilt 1\n\
        kernel boot/vmlinuz\ninitrd boot/initrd.img\nloader usr/lib/systemd/boot/efi/systemd-bootx64.efi\n\
        options =\nslot-size 1\nostree -\nupdater 0.1.0\nentries 0\nbytes 0\n"
        .parse()
        .unwrap();
    let lint = |text: &str| Rules::exclude(text).unwrap().lint(&head).map_err(|e| (e.line, e.path));
    let refused = |line: usize, path: &str| Err((line, path.to_owned()));
    assert_eq!(lint("/usr\n"), refused(1, "/usr"));
    assert_eq!(lint("/etc\nlib\n"), refused(2, "/usr/lib"));
    assert_eq!(lint("/usr/lib/edeploy/*\n"), refused(1, "/usr/lib/edeploy/slot"));
    assert_eq!(lint("*.efi\n"), refused(1, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"));
    assert_eq!(lint("/boot/\n"), refused(1, "/boot/vmlinuz"));
    assert_eq!(lint("initrd*\n"), refused(1, "/boot/initrd.img"));
    assert_eq!(lint("+ /usr/\n+ /boot/vm*\n/etc/hostname\n/srv/\n"), Ok(()));
    assert_eq!(Rules::add_only("+ /boot/**\n").unwrap().lint(&head).unwrap_err().path, "/boot/vmlinuz");
    assert!(lint::is_own(b"usr/lib/edeploy/slot/manifest") && !lint::is_own(b"usr/lib/edeploy-x"));
}
