//! Versions that must not stay: when their tries are used up, the machine runs the old one and says why.
//!
//! Each of two machines meets several of them, one after the other. The loader's three tries are waited for once for a
//! version that reports its failure and once for one that cannot; the others are left one try.

use crate::fixture::fixture;
use crate::guest::Guest;

/// A version that must not stay.
struct Bad {
    version: &'static str,
    /// How many tries it gets: three, or the last one.
    tries: u32,
    /// What the console shows at each try.
    each_try: &'static str,
    /// Why it was given up, as status tells it.
    reason: &'static str,
}

fn fall_back(name: &str, versions: &[Bad]) {
    let mut guest = Guest::start(&fixture().twins[0], name);
    versions.iter().for_each(|bad| falls_back(&mut guest, bad));
    guest.switch_off_and_check();
}

fn falls_back(guest: &mut Guest, bad: &Bad) {
    let Bad { version, tries, each_try, reason } = bad;
    match tries {
        3 => guest.upgrade(version),
        1 => guest.upgrade_with_one_try(version),
        _ => unreachable!("{tries} tries"),
    }
    for number in 1..=*tries {
        guest.wait_for(each_try);
        guest.tell(&format!("try {number} of {tries}: {each_try}"));
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
}

#[test]
fn failing_and_hanging_health_checks_and_emergency_mode_lead_back() {
    let sick = Bad {
        version: "1.2-sick",
        tries: 3,
        each_try: "health: FAILED, this trial ends: check 50-well",
        reason: "check 50-well: exit code 1 (this version is never well)",
    };
    let hangs = Bad {
        version: "1.3-hangs",
        tries: 1,
        each_try: "health: FAILED, this trial ends: check 50-hangs",
        reason: "check 50-hangs: no end within 5 s",
    };
    let emergency = Bad {
        version: "1.6-emergency",
        tries: 1,
        each_try: "this trial has failed: emergency mode",
        reason: "emergency mode",
    };
    fall_back("unwell", &[sick, hangs, emergency]);
}

#[test]
fn a_panic_of_the_kernel_and_a_boot_that_does_not_end_lead_back() {
    let panics = Bad {
        version: "1.4-panics",
        tries: 3,
        each_try: "Kernel panic - not syncing",
        reason: "no report from the trial: kernel, early boot or power",
    };
    let stuck = Bad {
        version: "1.5-stuck",
        tries: 1,
        // On a busy machine systemd's own limit on the boot, which is behind ours, may come before ours is told.
        each_try: "running 1.5-stuck (slot b), on trial",
        reason: "not complete after 60 s; it waits for test-stuck.service",
    };
    fall_back("unbootable", &[panics, stuck]);
}
