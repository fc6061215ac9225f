//! What a machine is told.

use std::collections::BTreeMap;

use super::*;
use crate::failure::chain;
use crate::profile::{Profile, Profiles};

/// A profile from TOML that comes after role, version and spec.
fn profile(more: &str) -> Profile {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "role = 'web'\nversion = '1.0'\n\
         spec = [['a', '$a', '$b', '$c']]\n{more}"
    );
    std::fs::write(folder.path().join("state"), "[('p', 1)]").unwrap();
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let mut profiles = Profiles::load(folder.path());
    profiles.listed.remove(0).profile.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

fn filled(more: &str, variables: &[(&str, &str)]) -> Result<Filled, String> {
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    profile(more).fill("hp-1", &variables).map_err(|error| chain(&error))
}

#[test]
fn every_template_is_expanded_and_scripts_get_values_in_their_environment_alone() {
    let more = "[disk]\nname = '/dev/{{a}}'\nmin-size = '8GiB'\n\
                [[file]]\npath = '/etc/{{b}}'\nmode = '600'\nuid = 7\ntext = '{{c}} {{edeploy-machine}} \
                {{edeploy-profile}} {{edeploy-role}}'\n\
                [[file]]\npath = '/etc/j2'\ntext = '{{c}}'\nplain = true\n\
                [[script]]\nname = 's'\nseconds = 9\ntext = '''#!/bin/sh\necho {{c}}'''\nenv = { C = '{{c}}' }\n";
    let filled = filled(more, &[("a", "sda"), ("b", "x"), ("c", "$(reboot)")]).unwrap();
    assert_eq!(
        filled.disk,
        Hint { name: Some("sda".to_owned()), min_size: Some(8 << 30), ..Hint::default() }
    );
    let file = |path: &str, mode: &str, uid, text: &str| {
        let [path, mode, text] = [path, mode, text].map(str::to_owned);
        File { path, mode, uid, gid: 0, text }
    };
    let first = file("/etc/x", "0600", 7, "$(reboot) hp-1 p web");
    assert_eq!(filled.files, [first, file("/etc/j2", "0644", 0, "{{c}}")]);
    let env = BTreeMap::from([("C".to_owned(), "$(reboot)".to_owned())]);
    let text = "#!/bin/sh\necho {{c}}".to_owned();
    assert_eq!(filled.scripts, [Script { name: "s".to_owned(), text, seconds: 9, env }]);
    assert_eq!((filled.on_success, filled.on_failure), (OnSuccess::Reboot, OnFailure::Console));
}

#[test]
fn a_name_that_this_machine_lacks_is_told_with_profile_file_and_line() {
    let more = "[[file]]\npath = '/etc/x'\ntext = '{{b}}'\n";
    let says =
        "profile p: p.toml:6: {{b}} is no variable; there are edeploy-machine, edeploy-profile, edeploy-role";
    assert_eq!(filled(more, &[]), Err(says.to_owned()));
}

#[test]
fn a_value_leads_no_file_out_of_its_folder_and_breaks_no_line() {
    let file = "[[file]]\npath = '/etc/if.d/{{a}}'\ntext = ''\n";
    let says = |value: &str| filled(file, &[("a", value)]).unwrap_err();
    assert_eq!(
        says("../shadow"),
        "profile p: file /etc/if.d/../shadow: path \"etc/if.d/../shadow\" has a component `.` or `..`"
    );
    assert_eq!(says("a\nb"), "profile p: file /etc/if.d/a\\nb: it holds a control character");
    assert!(says("").ends_with("is empty, or has an empty component"));
    let disk = "[disk]\nserial = '{{a}}'\n";
    let wrong = "profile p: disk.serial is empty or holds a control character";
    assert_eq!(filled(disk, &[("a", "")]), Err(wrong.to_owned()));
    assert_eq!(filled(disk, &[("a", "x\u{7}")]), Err(wrong.to_owned()));
    let script = "[[script]]\nname = 's'\nseconds = 9\ntext = '#!/bin/sh'\nenv = { A = '{{a}}' }\n";
    let wrong = "profile p: A of script s is empty or holds a control character";
    assert_eq!(filled(script, &[("a", "x\0")]), Err(wrong.to_owned()));
}

#[test]
fn two_files_of_one_path_and_more_than_a_plan_holds_are_refused() {
    let twice = "[[file]]\npath = '/etc/{{a}}'\ntext = ''\n[[file]]\npath = '/etc/{{b}}'\ntext = ''\n";
    assert!(filled(twice, &[("a", "x"), ("b", "y")]).is_ok());
    let says = "profile p: two files are /etc/x".to_owned();
    assert_eq!(filled(twice, &[("a", "x"), ("b", "x")]), Err(says));
    let large = "[[file]]\npath = '/x'\ntext = '{{a}}'\n";
    // As a plan has it, with quotes around both texts, and two bytes for each one within.
    for text in ["x".repeat(LARGEST - 5), "\"".repeat(LARGEST / 2)] {
        let bytes = serde_json::to_string(&text).unwrap().len() + 4;
        let says = format!("profile p: files and scripts of {bytes} bytes: more than 786432");
        assert_eq!(filled(large, &[("a", &text)]), Err(says));
    }
    assert!(filled(large, &[("a", &"x".repeat(LARGEST - 6))]).is_ok());
}

#[test]
fn a_plan_has_all_of_it_and_what_the_service_adds() {
    let filled = filled("repos = ['https://r.example/']\non-failure = 'halt'\n", &[]).unwrap();
    let common = serde_json::from_str::<Common>(
        r#"{"_type":"plan","spec_version":"1.0.31","version":1,"expires":"2027-01-01T00:00:00Z"}"#,
    );
    let plan = filled.plan(common.unwrap(), "n".to_owned(), "1.0".parse().unwrap());
    assert_eq!((&*plan.machine, &*plan.profile, plan.role.as_str()), ("hp-1", "p", "web"));
    assert_eq!((plan.repos, plan.on_failure), (vec!["https://r.example/".to_owned()], OnFailure::Halt));
}
