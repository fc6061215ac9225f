//! Which cards are whose: nobody is installed by another machine's permission, nor twice for one.

use super::*;

const UUID: &str = "4c4c4544-004b-3910-8050-b9c04f505732";
const OTHER: &str = "4c4c4544-004b-3910-8050-b9c04f505733";
/// What makers leave in many machines.
const NO_UUID: &str = "03000200-0400-0500-0006-000700080009";

/// Reports these cards, and gets the first free entry.
fn report_of(store: &Store, said: &str, cards: &[u32]) -> Answer<String> {
    let report = Reported { macs: cards.iter().map(|&n| mac(n)).collect(), ..reported() };
    store.report(&token(said), &report, NOW, LEASE, first_free(9)).unwrap()
}

fn named(store: &Store, n: u32) -> Option<String> {
    store.host(mac(n).as_str(), NOW).unwrap().map(|host| host.name)
}

/// Installs machine `n` that has these cards.
fn installed(store: &Store, n: u32, uuid: &str, cards: &[u32]) {
    assert_eq!(boot_as(store, n, uuid, "i", NOW), Booted::Install);
    assert!(matches!(report_of(store, "i", cards), Answer::Assigned(_)));
    assert_eq!(told(store, "i", Stage::Installed, None, NOW), Recorded::Done);
}

#[test]
fn a_machine_of_two_cards_that_came_before_it_was_permitted_is_installed_once() {
    for uuid in [UUID, NO_UUID, ""] {
        let (_folder, store) = opened();
        for card in [1, 2] {
            assert_eq!(boot_as(&store, card, uuid, "t", NOW), Booted::Disk);
        }
        store.permit_new(5).unwrap();
        installed(&store, 1, uuid, &[1, 2]);
        assert_eq!(boot_as(&store, 2, uuid, "u", NOW), Booted::Disk, "{uuid:?}");
        assert_eq!(store.newcomers().unwrap(), 4, "{uuid:?}");
        let machines = if uuid == UUID { 1 } else { 2 };
        assert_eq!(store.hosts(NOW).unwrap().len(), machines, "{uuid:?}");
    }
}

#[test]
fn a_permission_for_its_other_card_ends_with_the_install() {
    let (_folder, store) = opened();
    for card in [1, 2] {
        boot_as(&store, card, UUID, "t", NOW);
        store.permit(&name(card), false, NOW).unwrap();
    }
    installed(&store, 1, UUID, &[1, 2]);
    assert_eq!(boot_as(&store, 2, UUID, "u", NOW), Booted::Disk);
    assert_eq!(named(&store, 2), Some(name(1)));
}

#[test]
fn a_machine_that_was_installed_is_not_wiped_for_having_another_card() {
    for (uuid, cards) in
        [(UUID, &[2][..]), (UUID, &[1, 2]), (UUID, &[2, 1]), (NO_UUID, &[1, 2]), ("", &[2, 1])]
    {
        let (_folder, store) = opened();
        store.permit_new(5).unwrap();
        installed(&store, 1, uuid, &[1]);
        // Its card was changed, or it has one more: it is new by its address, and not by what it says.
        assert_eq!(boot_as(&store, 2, uuid, "t", NOW), Booted::Install);
        let Answer::Refused(refusal) = report_of(&store, "t", cards) else { panic!("{uuid:?} {cards:?}") };
        let says = format!(
            "by its serial number, UUID or cards this machine is {0}, which was or is being installed: to install it \
             again permit that (`edeploy-fleet reinstall {0}`), or release it if it is gone",
            name(1)
        );
        assert_eq!(refusal.reason, says);
        // It has what it had.
        assert_eq!(
            store.host(&name(1), NOW).unwrap().unwrap().stage,
            Some(Stage::Installed),
            "{uuid:?} {cards:?}"
        );
        assert!(store.taken(NOW).unwrap().entries["web"].contains_key("a"), "{uuid:?} {cards:?}");
        assert_eq!(store.release(&name(1), NOW).unwrap(), Released::Done);
        assert!(matches!(report_of(&store, "t", cards), Answer::Assigned(_)), "{uuid:?} {cards:?}");
    }
}

#[test]
fn a_machine_that_comes_by_another_card_has_its_own_entry_and_its_log() {
    // The other card is new, or was given an entry under another name in between.
    for given_meanwhile in [false, true] {
        let (_folder, store) = opened();
        store.permit_new(5).unwrap();
        installed(&store, 9, OTHER, &[9]);
        assert_eq!(boot_as(&store, 1, UUID, "t", NOW), Booted::Install);
        assert_eq!(report_of(&store, "t", &[1]), given("b"));
        store.keep_log(&token("t"), "the log", NOW).unwrap();
        assert_eq!(told(&store, "t", Stage::Writing, Some("disk broke"), NOW), Recorded::Done);
        assert_eq!(store.release(&name(9), NOW).unwrap(), Released::Done);
        let later = NOW.plus(10);
        assert_eq!(boot_as(&store, 2, UUID, "u", later), Booted::Install);
        if given_meanwhile {
            let report = Reported { macs: vec![mac(2)], ..reported() };
            let answer = store.report(&token("u"), &report, later, LEASE, first_free(9)).unwrap();
            assert_eq!(answer, given("a"));
            assert_eq!(told(&store, "u", Stage::Writing, Some("disk broke"), later), Recorded::Done);
        }
        assert_eq!(report_of(&store, "u", &[1, 2]), given("b"), "{given_meanwhile}");
        assert_eq!(named(&store, 1), Some(name(2)));
        assert_eq!(store.log(&name(2)).unwrap().unwrap().text, "the log");
        let taken = store.taken(later).unwrap();
        assert_eq!(taken.entries["web"].keys().collect::<Vec<_>>(), ["b"], "the other one is free");
    }
}

#[test]
fn who_asks_in_the_name_of_a_machine_that_reported_changes_nothing_that_is_known_of_it() {
    let (_folder, store) = opened();
    store.permit_new(1).unwrap();
    installed(&store, 1, UUID, &[1, 2]);
    let before = store.host(&name(1), NOW).unwrap();
    let (serial, platform) = ("EVIL".to_owned(), "efi".to_owned());
    let boot = Boot { mac: mac(1), uuid: OTHER.to_owned(), serial, platform, refusal: None };
    assert_eq!(store.boot(&boot, &token("x"), NOW).unwrap(), Booted::Disk);
    let known = |store: &Store| {
        let host = store.host(&name(1), NOW).unwrap().unwrap();
        (host.uuid, host.serial)
    };
    assert_eq!(store.host(&name(1), NOW).unwrap(), before, "all of it");
    store.permit_new(1).unwrap();
    assert_eq!(boot_as(&store, 2, UUID, "y", NOW), Booted::Disk, "its second card is still its own");
    // Once it may be installed again, and its token is used, it is what it says.
    store.permit(&name(1), true, NOW).unwrap();
    assert_eq!(store.boot(&boot, &token("z"), NOW).unwrap(), Booted::Install);
    assert_eq!(known(&store), (UUID.to_owned(), String::new()));
    report_of(&store, "z", &[1]);
    assert_eq!(known(&store), (OTHER.to_owned(), "EVIL".to_owned()));
}

#[test]
fn a_machine_that_is_being_installed_is_not_made_another_by_a_report() {
    let (_folder, store) = opened();
    store.permit_new(5).unwrap();
    assert_eq!(boot_as(&store, 1, UUID, "v", NOW), Booted::Install);
    assert_eq!(report_of(&store, "v", &[1]), given("a"));
    assert_eq!(boot_as(&store, 2, UUID, "t", NOW), Booted::Install);
    assert!(matches!(report_of(&store, "t", &[1, 2]), Answer::Refused(_)));
    assert_eq!(told(&store, "v", Stage::Installed, None, NOW), Recorded::Done);
}

#[test]
fn a_card_that_was_moved_into_another_machine_is_of_that() {
    let (_folder, store) = opened();
    store.permit_new(5).unwrap();
    installed(&store, 1, UUID, &[1, 3]);
    assert_eq!(boot_as(&store, 2, OTHER, "t", NOW), Booted::Install);
    assert_eq!(report_of(&store, "t", &[1, 2]), given("b"));
    // Nobody has asked by the third card: which machine has it now is not known, and none is wiped for it.
    let told = Permitted::Told(name(1));
    assert_eq!(store.permit(mac(3).as_str(), true, NOW).unwrap(), told);
    assert_eq!(store.permit(mac(3).as_str(), false, NOW).unwrap(), told);
    assert_eq!(
        store.release(mac(3).as_str(), NOW).unwrap(),
        Released::Told(name(1)),
        "nor is its entry freed"
    );
    assert_eq!(store.permit(mac(1).as_str(), false, NOW).unwrap(), Permitted::Installed(name(1)));
    assert_eq!(boot_as(&store, 1, UUID, "u", NOW), Booted::Disk);
}

#[test]
fn a_machine_is_known_by_every_card_it_reported_while_its_uuid_says_so() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    boot_as(&store, 1, UUID, "t", NOW);
    boot_as(&store, 3, OTHER, "u", NOW);
    report_of(&store, "t", &[1, 2, 3]);
    assert_eq!(named(&store, 2), Some(name(1)));
    assert_eq!(named(&store, 3), Some(name(3)), "it takes no other machine's");
    assert_eq!(boot_as(&store, 2, UUID, "v", NOW), Booted::Install);
    assert_eq!(store.ticket(&token("v"), NOW).unwrap().unwrap().name, name(1));
}

#[test]
fn a_card_that_a_report_claimed_gives_nobody_the_permission_of_the_claimer() {
    for uuid in [OTHER, NO_UUID, ""] {
        let (_folder, store) = opened();
        store.permit(&name(1), false, NOW).unwrap();
        boot_as(&store, 1, uuid, "t", NOW);
        // A lie, or a card that was moved since.
        report_of(&store, "t", &[1, 2]);
        let asks_as = if uuid == OTHER { UUID } else { uuid };
        assert_eq!(boot_as(&store, 2, asks_as, "u", NOW), Booted::Disk, "{uuid:?}");
        assert_eq!(named(&store, 2), Some(name(2)), "{uuid:?}");
        store.permit(&name(2), false, NOW).unwrap();
        assert_eq!(boot_as(&store, 2, asks_as, "u", NOW), Booted::Install, "{uuid:?}");
    }
}

#[test]
fn the_cards_of_a_machine_are_those_of_its_last_report() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    boot_as(&store, 1, UUID, "t", NOW);
    for card in 2..9 {
        report_of(&store, "t", &[1, card]);
    }
    let host = store.host(&name(1), NOW).unwrap().unwrap();
    assert_eq!(host.macs, [mac(1).to_string(), mac(8).to_string()]);
    assert_eq!(named(&store, 2), None);
}

#[test]
fn a_bios_that_asks_in_the_name_of_a_machine_that_runs_says_nothing_of_it() {
    let (_folder, store) = opened();
    store.permit_new(1).unwrap();
    installed(&store, 1, UUID, &[1]);
    let refusal = Some("no UEFI".to_owned());
    let (uuid, serial, platform) = (String::new(), String::new(), "pcbios".to_owned());
    let boot = Boot { mac: mac(1), uuid, serial, platform, refusal };
    assert_eq!(store.boot(&boot, &token("x"), NOW).unwrap(), Booted::Disk);
    let host = store.host(&name(1), NOW).unwrap().unwrap();
    assert_eq!((host.stage, host.failure), (Some(Stage::Installed), None));
}

#[test]
fn strangers_make_room_for_others_and_machines_that_were_permitted_for_nobody() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, Moment(1)).unwrap();
    boot(&store, 2, "t", Moment(2));
    let fill = format!(
        "WITH RECURSIVE n (n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM n WHERE n < {MACHINES})
         INSERT INTO machine (name, seen, known) SELECT 'm' || n, n, 1 FROM n"
    );
    store.write(|change| Ok(change.execute_batch(&fill)?)).unwrap();
    assert_eq!(boot(&store, 3, "t", NOW), Booted::Disk);
    assert_eq!(store.host(&name(2), NOW).unwrap(), None);
    assert_eq!(boot(&store, 1, "t", NOW), Booted::Install);
    store.permit(&name(3), false, NOW).unwrap();
    assert_eq!(boot(&store, 4, "t", NOW), Booted::Full);
    assert_eq!(store.permit(&name(4), false, NOW).unwrap(), Permitted::Full);
}
