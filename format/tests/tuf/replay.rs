//! Honest files at the wrong time or in the wrong company.

use crate::hostile::without_role;
use crate::site::*;

#[test]
fn replayed_files_are_refused() {
    let (old, new) = (Site::new().advanced(4).publish(), Site::new().advanced(5).publish());
    let error = |files: &Files| chain(&files.walk(Some(&new), NOW).unwrap_err());
    let rollback = "version 4 of timestamp.json is offered, version 5 was seen before";
    assert_eq!(error(&old), format!("reading timestamp.json: {rollback}"));

    // A newer timestamp over an older snapshot.
    let mut site = Site::new().advanced(4);
    site.timestamp.common.version = 6;
    let rollback = "version 4 of snapshot.json is offered, version 5 was seen before";
    assert_eq!(error(&site.publish()), format!("reading timestamp.json: {rollback}"));

    // A newer snapshot over older targets, or an older role.
    let mut site = Site::new().advanced(6);
    site.targets.common.version = 4;
    let rollback = "version 4 of targets.json is offered, version 5 was seen before";
    assert_eq!(error(&site.publish()), format!("reading snapshot.json: {rollback}"));
    let mut site = Site::new().advanced(6);
    site.role.common.version = 4;
    let rollback = "version 4 of role-web.json is offered, version 5 was seen before";
    assert_eq!(error(&site.publish()), format!("reading snapshot.json: {rollback}"));
}

#[test]
fn the_same_version_with_other_bytes_changes_nothing() {
    let seen = Site::new().publish();
    let mut twin = Site::new();
    twin.role.targets.clear();
    let twin = twin.publish();
    // The timestamp seen before stays, and it lists another snapshot than the one offered.
    let error = chain(&twin.walk(Some(&seen), NOW).unwrap_err());
    let start = "reading snapshot.json: its SHA-256 is ";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn mixed_parts_of_two_honest_states_are_refused() {
    let (old, new) = (Site::new().publish(), Site::new().advanced(2).publish());
    type Swap = fn(&mut Files, &Files);
    let swaps: [(&str, Swap); 3] = [
        ("snapshot.json", |files, old| files.snapshot.clone_from(&old.snapshot)),
        ("targets.json", |files, old| files.targets.clone_from(&old.targets)),
        ("role-web.json", |files, old| files.role.clone_from(&old.role)),
    ];
    for (name, swap) in swaps {
        let mut mixed = new.clone();
        swap(&mut mixed, &old);
        let error = chain(&mixed.walk(None, NOW).unwrap_err());
        assert!(error.starts_with(&format!("reading {name}: its SHA-256 is ")), "{error}");
    }
}

#[test]
fn a_listed_file_may_not_disappear() {
    let seen = Site::new().publish();
    let mut site = Site::new().advanced(2);
    site.bend.extend([("snapshot", (|_| without_role(2)) as Bend)]);
    let error = chain(&site.publish().walk(Some(&seen), NOW).unwrap_err());
    assert_eq!(error, "reading snapshot.json: role-web.json was listed before and is not any more");
}
