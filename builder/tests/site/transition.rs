//! The tree of transitions, good and bad.

use std::fs;

use edeploy_format::exit::Exit;
use edeploy_format::name::Object;
use edeploy_format::transition::{Hook, Transition};
use rolebuild::failure::Fault;

use crate::fixture::*;

#[test]
fn all_rules_that_lead_to_a_version_are_published_with_it() {
    let place = Place::new();
    place.rule("1.0/web/1.1", "pre", b"#!/bin/sh\necho pre\n", 0o755);
    place.rule("1.0/web/1.1", "hook_seconds", b"30\n", 0o644);
    place.rule("any/web/any", "add_only", b"/etc/new\n", 0o644);
    place.rule("any/db/any", "exclude", b"/not/ours\n", 0o644);
    place.rule("any/web/2.0", "exclude", b"/not/this\n", 0o644);
    place.rule("any/any/any", ".hidden", b"not looked at", 0o644);
    fs::write(place.path().join("metadata/README.md"), "not looked at").unwrap();
    place.publish("1.1", 1, &[]).unwrap();
    let bytes = place.object("1.1", Object::Transition).1;
    let transition = Transition::parse(&bytes, &web(), &version("1.1")).unwrap();
    assert_eq!(transition.rules.len(), 3);
    let exact = transition.rule(&version("1.0")).unwrap();
    assert_eq!(exact.hook(Hook::Pre), Some("#!/bin/sh\necho pre\n"));
    assert_eq!((exact.hook_seconds, exact.is_exact()), (30, true));
    assert_eq!(transition.rule(&version("0.9")).unwrap().add_only, "/etc/new\n");
}

#[test]
fn what_is_wrong_with_a_rule_is_named_with_its_file() {
    let cases: &[(&str, &str, &[u8], u32, &str)] = &[
        ("any/web/any", "pre", b"#!/bin/sh\n", 0o644, "FILE is not executable; run `chmod +x FILE`"),
        ("any/web/any", "post", b"echo no\n", 0o755, "FILE does not begin with `#!`"),
        ("any/web/any", "check", b"#!/bin/sh\n\xff", 0o755, "FILE is not UTF-8 text"),
        (
            "any/web/any",
            "exlude",
            b"",
            0o644,
            "FILE is not part of a rule: there may be `exclude`, `add_only`, `check`, `pre`, `post`, \
             `hook_seconds`",
        ),
        ("any/web/any", "hook_seconds", b"0", 0o644, "FILE is not a number of seconds from 1 to 86400"),
        (
            "any/web/any",
            "exclude",
            b"# all\n/usr/\n",
            0o644,
            "FILE: line 2 covers /usr, which must always \
             come from the signed tree",
        ),
        (
            "any/web/any",
            "exclude",
            b"/boot/*\n",
            0o644,
            "FILE: line 1 covers /boot/vmlinuz, which must \
             always come from the signed tree",
        ),
    ];
    for (rule, name, bytes, mode, expected) in cases {
        let place = Place::new();
        let file = place.rule(rule, name, bytes, *mode);
        let error = place.publish("1.0", 1, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Input, "{name}");
        assert_eq!(chain(error).replace(&file.display().to_string(), "FILE"), *expected, "{name}");
    }
}

#[test]
fn a_folder_that_is_no_name_is_named() {
    let place = Place::new();
    place.rule("any/Web/any", "exclude", b"", 0o644);
    let error = chain(place.publish("1.0", 1, &[]).unwrap_err());
    let folder = place.path().join("metadata/any/Web");
    let rule = "use [a-z0-9][a-z0-9._-]*, at most 64 bytes, not `any` and not a TUF role";
    assert_eq!(error, format!("{}: \"Web\" is not a role: {rule}", folder.display()));
}

#[test]
fn a_version_that_nothing_leads_to_is_refused() {
    let place = Place::new();
    fs::remove_dir_all(place.path().join("metadata")).unwrap();
    place.rule("1.0/web/2.0", "exclude", b"", 0o644);
    let error = place.publish("1.1", 1, &[]).unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    let metadata = place.path().join("metadata").display().to_string();
    assert_eq!(
        chain(error),
        format!("no folder of {metadata} leads to web 1.1; make {metadata}/any/any/any")
    );
}
