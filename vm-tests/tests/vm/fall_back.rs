//! Versions that must not stay: three tries each, then the machine runs the old one and says why.

use crate::fixture::fixture;
use crate::guest::Guest;

/// A version that must not stay.
struct Bad {
    version: &'static str,
    /// What the console shows at each try.
    each_try: &'static str,
    /// Why it was given up, as status tells it.
    reason: &'static str,
}

fn falls_back(bad: &Bad) {
    let Bad { version, each_try, reason } = bad;
    let mut guest = Guest::start(&fixture().twins[0], version);
    guest.upgrade(version);
    for number in 1..=3 {
        guest.wait_for(each_try);
        guest.tell(&format!("try {number}: {each_try}"));
    }
    guest.wait_for(&format!("FELL BACK from {version}"));
    guest.next_boot();
    let told = guest.must("edeploy-ab status");
    let line = told.lines().find(|line| line.starts_with("fell back")).unwrap_or_else(|| panic!("{told}"));
    guest.tell(line);
    assert!(line.ends_with(&format!(": from {version} (slot b) to 1.0 (slot a): {reason}")), "{line}");
    let status = guest.status();
    assert_eq!((&status["version"], &status["slot"]), (&"1.0".into(), &"a".into()), "{status}");
    assert_eq!(status["trial"], "not on trial");
    let fell_back = &status["fell_back"]["event"]["fell-back"];
    assert_eq!(
        (&fell_back["from"]["version"], &fell_back["reason"]),
        (&(*version).into(), &(*reason).into())
    );
    let again = guest.ends_with(3, &format!("edeploy-ab upgrade {version}"));
    assert!(again.contains("this machine fell back from"), "{again}");
    guest.switch_off_and_check();
}

#[test]
fn a_failing_health_check_leads_back() {
    falls_back(&Bad {
        version: "1.2-sick",
        each_try: "health: FAILED, this trial ends: check 50-well",
        reason: "check 50-well: exit code 1 (this version is never well)",
    });
}

#[test]
fn a_hanging_health_check_leads_back() {
    falls_back(&Bad {
        version: "1.3-hangs",
        each_try: "health: FAILED, this trial ends: check 50-hangs",
        reason: "check 50-hangs: no end within 5 s",
    });
}

#[test]
fn a_panic_of_the_kernel_leads_back() {
    falls_back(&Bad {
        version: "1.4-panics",
        each_try: "Kernel panic - not syncing",
        reason: "no report from the trial: kernel, early boot or power",
    });
}

#[test]
fn emergency_mode_leads_back() {
    falls_back(&Bad {
        version: "1.6-emergency",
        each_try: "this trial has failed: emergency mode",
        reason: "emergency mode",
    });
}

#[test]
fn a_boot_that_does_not_end_leads_back() {
    falls_back(&Bad {
        version: "1.5-stuck",
        // On a busy machine systemd's own limit on the boot, which is behind ours, may come before ours is told.
        each_try: "running 1.5-stuck (slot b), on trial",
        reason: "not complete after 60 s; it waits for test-stuck.service",
    });
}
