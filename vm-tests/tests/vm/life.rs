//! An ordinary life: installed, upgraded, blessed, rolled back by command.

use crate::fixture::{fixture, wait_for};
use crate::guest::Guest;

/// Where recipe and hooks of the minimal role look for wishes of a test.
const WISHES: &str = "/var/lib/edeploy-test";

#[test]
fn a_machine_is_installed_upgraded_and_rolled_back_and_keeps_what_is_its_own() {
    let mut guest = Guest::start(&fixture().twins[0], "one");
    let identity = guest.identity();
    assert_eq!(guest.must("edeploy-ab version"), "1.0\n");
    assert_eq!(guest.must("edeploy-ab role; edeploy-ab profile"), "minimal\ntest\n");
    guest.must("edeploy-ab verify");
    leave_traces(&mut guest);

    wait_for("1.1");
    wait_for("1.2-sick");
    upgrade_with_a_second_one_refused(&mut guest);
    guest.next_boot();
    on_trial_no_upgrade_begins(&mut guest);
    guest.must(&format!("rm {WISHES}/hold"));
    guest.wait_for("1.1 in slot b is good");
    guest.tell("blessed");
    let said = guest.said();
    assert!(said.contains("1.1 is in slot b, verified, and wants a reboot for its trial"), "{said}");
    let status = guest.status();
    assert_eq!((&status["version"], &status["slot"]), (&"1.1".into(), &"b".into()), "{status}");
    assert_eq!(states(&status), ["b 1.1 good true", "a 1.0 good false"], "{status}");
    traces_are_there(&mut guest);
    assert_eq!(guest.identity(), identity);
    guest.must("edeploy-ab verify");
    rescue_mode_does_not_end_what_is_blessed(&mut guest);

    let typed = guest.begin("edeploy-ab rollback");
    guest.rebooted(&typed);
    guest.next_boot();
    let status = guest.status();
    assert_eq!((&status["version"], &status["slot"]), (&"1.0".into(), &"a".into()), "{status}");
    assert_eq!(states(&status), ["a 1.0 good true", "b 1.1 good false"], "{status}");
    let told = guest.must("edeploy-ab status");
    assert!(told.contains("rolled back from 1.1 (slot b) to 1.0 (slot a)"), "{told}");
    traces_are_there(&mut guest);
    assert_eq!(guest.identity(), identity);
    guest.switch_off_and_check();
    another_machine_of_this_version_is_another(&identity);
}

/// The entries that status tells, the newest first: slot, version, state, whether it boots next.
fn states(status: &serde_json::Value) -> Vec<String> {
    let text = |value: &serde_json::Value| value.to_string().trim_matches('"').to_owned();
    let entries = status["entries"].as_array().expect("entries");
    let keys = ["slot", "version", "state", "next"];
    entries.iter().map(|entry| keys.map(|key| text(&entry[key])).join(" ")).collect()
}

fn another_machine_of_this_version_is_another(identity: &str) {
    let others = Guest::start(&fixture().twins[1], "twin").identity();
    let (own, others): (Vec<_>, Vec<_>) = (identity.lines().collect(), others.lines().collect());
    assert_eq!((own.len(), others.len()), (3, 3), "{own:?} {others:?}");
    own.iter().zip(&others).for_each(|(own, others)| assert_ne!(own, others));
}

fn leave_traces(guest: &mut Guest) {
    guest.must("echo mine >/root/persistent && echo data >/var/lib/data");
    // Excluded by the transition; an operator has to open the read-only root for it.
    guest.must("mount -o remount,rw / && echo local >/usr/local/excluded && mount -o remount,ro /");
}

fn traces_are_there(guest: &mut Guest) {
    assert_eq!(guest.must("cat /root/persistent /var/lib/data /usr/local/excluded"), "mine\ndata\nlocal\n");
}

/// While the first upgrade is in its hook `pre`, a second one is told who holds the lock.
fn upgrade_with_a_second_one_refused(guest: &mut Guest) {
    guest.has_booted();
    guest.must(&format!("mkdir -p {WISHES} && touch {WISHES}/hold {WISHES}/hold-pre"));
    guest.must(&format!("setsid -f edeploy-ab upgrade 1.1 >{WISHES}/said 2>&1 </dev/null"));
    guest.must(&format!("until [ -e {WISHES}/in-pre ]; do sleep 0.2; done"));
    let said = guest.ends_with(3, "edeploy-ab upgrade 1.1");
    assert!(said.contains("`edeploy-ab upgrade 1.1` (process "), "{said}");
    guest.tell("a second upgrade was refused");
    guest.must(&format!("rm {WISHES}/hold-pre"));
    guest.wait_for_reboot();
}

/// On the boot that was its trial.
fn rescue_mode_does_not_end_what_is_blessed(guest: &mut Guest) {
    // What rescue.target and emergency.target want; they themselves would end the shell of the test.
    for target in ["rescue", "emergency"] {
        let wanted = guest.must(&format!("systemctl show --value -p Wants {target}.target"));
        assert!(wanted.contains("edeploy-trial-reboot.service"), "{wanted}");
    }
    guest.must("systemctl start edeploy-trial-reboot.service");
    guest.wait_for("emergency mode; no reboot: this version is blessed");
}

/// The test holds this boot back from being complete, so that it stays on trial.
fn on_trial_no_upgrade_begins(guest: &mut Guest) {
    let status = guest.status();
    assert_eq!(status["trial"], "on trial", "{status}");
    assert_eq!(states(&status), ["b 1.1 trial true", "a 1.0 good false"], "{status}");
    let said = guest.ends_with(3, "edeploy-ab upgrade 1.2-sick");
    assert!(said.contains("the running version is still on trial"), "{said}");
}
