//! A machine whose first version is bad has nothing to fall back to: it stays up, for its repair.

use crate::fixture::fixture;
use crate::guest::Guest;

#[test]
fn a_bad_first_version_stays_up_reports_and_is_repaired_by_an_upgrade() {
    let mut guest = Guest::start(&fixture().sick, "sick");
    guest.wait_for("health: FAILED, the machine stays up: check 50-well: exit code 1");
    let told = guest.must("edeploy-ab status");
    let report = "0.9-sick (slot a) is not healthy: check 50-well: exit code 1 (this version is never well)";
    assert!(told.contains(report), "{told}");
    guest.upgrade("1.1");
    guest.next_boot();
    guest.wait_for("1.1 in slot b is good");
    let status = guest.status();
    assert_eq!((&status["version"], &status["slot"]), (&"1.1".into(), &"b".into()), "{status}");
    assert_eq!(status["fell_back"], serde_json::Value::Null);
    guest.switch_off_and_check();
}
