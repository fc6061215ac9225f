//! Numbers of users and groups, from version to version.

use crate::fixture::{Case, stderr};

#[test]
fn a_number_that_drifts_between_two_versions_fails_the_build_and_is_named() {
    let case = Case::new();
    case.built("1");
    case.write("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\nsshd:x:103:65534::/run/sshd:/bin/false\n");
    let output = case.build("2", &[]);
    assert_eq!(output.status.code(), Some(11));
    let expected = "rolebuild: numbers drift from version 1: user sshd was 104, is 103; fix them with [ids] in the recipe\n";
    assert!(stderr(&output).ends_with(expected), "{}", stderr(&output));
    assert!(!case.path("builds/web@2").exists());

    // The version itself may be built anew.
    case.built("1");
}

#[test]
fn a_number_that_leaves_the_recipes_table_fails_the_build() {
    let case = Case::new();
    case.recipe("[ids.groups]\n_ssh = 106\n");
    assert_eq!(case.refused(), "rolebuild: not as [ids] of the recipe says: group _ssh is 105, not 106");
}
