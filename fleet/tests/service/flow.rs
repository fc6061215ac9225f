//! One machine from nothing to its role, and everything that can come in between.

use std::fs;

use edeploy_format::fleet::Stage;
use edeploy_format::tuf::Time;
use serde_json::json;

use crate::fleet::Fleet;
use crate::profiles::{WEB, WEB_AND_DB};
use crate::toy::Toy;

/// The address that the plan gives, by the one file of the profiles here.
fn address(plan: &edeploy_format::fleet::Plan) -> String {
    plan.files.iter().find(|file| file.path == "/etc/address").unwrap().text.trim().to_owned()
}

/// A service of two profiles, of which `db` has one place and comes first, and two machines that fit both and may be installed.
fn two_of_one_place(more: &[&str]) -> (Fleet, Toy, Toy) {
    let fleet = Fleet::start_with(WEB_AND_DB, more);
    fleet.must("permit --new 9");
    let (mut one, mut two) = (Toy::new(1, 200), Toy::new(2, 200));
    one.boot(&fleet);
    two.boot(&fleet);
    assert_eq!(one.plan(&fleet).profile, "db");
    (fleet, one, two)
}

#[test]
fn who_asks_in_the_name_of_a_machine_that_is_being_installed_ends_nothing() {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 2");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    toy.plan(&fleet);
    toy.at(&fleet, Stage::Writing);
    let path = |n: u32| format!("/v1/boot?mac={}&uuid=x&serial=EVIL&platform=efi", Toy::new(n, 1).mac);
    for method in ["GET", "GET", "HEAD"] {
        let answer = fleet.plainly(method, &path(1), &[], "");
        let (status, allow) = if method == "GET" { (200, None) } else { (405, Some("GET")) };
        assert_eq!((answer.status, answer.header("allow")), (status, allow));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // Nor is a machine made of who looks whether the address is there.
    assert_eq!(fleet.plainly("HEAD", &path(2), &[], "").status, 405);
    let operator = fleet.operator();
    assert_eq!(fleet.get("/v1/permissions", &operator).json()["new"], 1);
    let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &operator).json();
    assert_eq!((&host["stage"], &host["serial"]), (&json!("writing"), &json!("s s")), "{host:#}");
    assert_eq!(fleet.get("/v1/hosts", &operator).json()["hosts"].as_array().unwrap().len(), 1);
    for stage in [Stage::Verifying, Stage::Armed, Stage::Installed] {
        toy.at(&fleet, stage);
    }
    assert!(toy.boot(&fleet).ends_with("exit 1\n"));
}

#[test]
fn a_machine_becomes_its_role_and_is_left_alone_after_it() {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    let script = toy.boot(&fleet);
    assert!(
        script.contains(&format!("kernel http://{}/install/vmlinuz initrd=initrd ", fleet.address)),
        "{script}"
    );
    let plan = toy.plan(&fleet);
    assert_eq!((&*plan.profile, plan.role.as_str(), plan.version.as_str()), ("web", "web", "1.0"));
    assert_eq!(address(&plan), "10.0.0.1");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let day = Time::new(now).plus_days(1).seconds();
    assert!((day - 60..=day).contains(&plan.common.expires.seconds()));
    for stage in [Stage::Prepared, Stage::Writing, Stage::Verifying, Stage::Armed, Stage::Installed] {
        toy.at(&fleet, stage);
    }
    assert_eq!(fleet.post("/v1/machine/log", &toy.token, "all went well").status, 204);
    let operator = fleet.operator();
    let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &operator).json();
    assert_eq!(
        (&host["stage"], &host["profile"], &host["permission"]),
        (&json!("installed"), &json!("web"), &json!(null))
    );
    assert_eq!(host["summary"], "Toy, 2 threads, 4 GiB, 1 disk (20 GB), 1 network card");
    assert_eq!(fleet.get(&format!("/v1/hosts/{}/log", toy.mac), &operator).text, "all went well");
    // It boots from the network again: nobody asked for another install.
    assert!(toy.boot(&fleet).ends_with("exit 1\n"));
    assert_eq!(toy.report(&fleet).problem(403), "this machine may not be installed, or not any more");
    let (code, _, error) = fleet.command(&format!("permit {}", toy.mac));
    assert_eq!(code, 3);
    // By its name: whose address it is may change.
    let name = format!("Toy-T1-{}", toy.mac.replace(':', "-"));
    assert!(error.contains(&format!("run `edeploy-fleet reinstall {name}`")), "{error}");
    assert_eq!(fleet.post(&format!("/v1/hosts/{}/permit", toy.mac), &operator, "").status, 409);
    fleet.must(&format!("reinstall {}", toy.mac));
    toy.boot(&fleet);
    assert_eq!(address(&toy.plan(&fleet)), "10.0.0.1");
}

#[test]
fn a_machine_that_no_script_of_ours_started_gets_its_token_once_it_is_permitted() {
    let fleet = Fleet::start(WEB);
    let mut toy = Toy::new(1, 20);
    let arrive = |uefi: bool, macs: &[&str]| {
        let arrival = json!({"macs": macs, "uuid": "u", "serial": "s\u{1b}", "uefi": uefi}).to_string();
        fleet.plainly("POST", "/v1/machine/token", &[("content-type", "application/json")], &arrival)
    };
    let mac = toy.mac.clone();
    let asked = arrive(true, &[&mac]);
    assert_eq!(asked.problem(403), format!("nobody permitted {mac} to be installed"));
    // By a script that looks at the status alone.
    let script = format!("/v1/boot?mac={mac}&platform=efi&only_install=1");
    assert_eq!(fleet.plainly("GET", &script, &[], "").status, 403);
    fleet.must(&format!("permit {mac}"));
    assert_eq!(fleet.plainly("GET", &script, &[], "").status, 200);
    assert_eq!(
        arrive(false, &[&mac]).problem(403),
        "it was started by a BIOS, and only UEFI boots what is installed"
    );
    // It is known by any of its cards.
    let answer = arrive(true, &["52:54:00:00:0f:0f", &mac]);
    assert_eq!(answer.status, 200, "{answer:?}");
    toy.token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(toy.plan(&fleet).profile, "web");
    let host = fleet.get(&format!("/v1/hosts/{mac}"), &fleet.operator()).json();
    assert_eq!((&host["serial"], &host["failure"]), (&json!("s"), &json!(null)));
    assert_eq!(arrive(true, &[]).problem(422), "no address of a network card is among macs");
    toy.at(&fleet, Stage::Installed);
    assert_eq!(arrive(true, &[&mac]).problem(403), format!("nobody permitted {mac} to be installed"));
}

#[test]
fn every_report_gets_the_same_machine_its_own_entry() {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 2");
    let (mut one, mut two) = (Toy::new(1, 20), Toy::new(2, 20));
    one.boot(&fleet);
    two.boot(&fleet);
    assert_eq!(address(&two.plan(&fleet)), "10.0.0.1");
    assert_eq!(address(&one.plan(&fleet)), "10.0.0.2");
    assert_eq!(address(&two.plan(&fleet)), "10.0.0.1");
    assert_eq!(one.tell(&fleet, Stage::Writing, 1, Some("the disk broke")).status, 204);
    one.boot(&fleet);
    assert_eq!(address(&one.plan(&fleet)), "10.0.0.2");
}

#[test]
fn a_failure_gives_the_count_back_and_so_does_a_release() {
    let (fleet, mut one, mut two) = two_of_one_place(&[]);
    // The one place is taken.
    assert_eq!(two.plan(&fleet).profile, "web");
    assert_eq!(one.tell(&fleet, Stage::Writing, 1, Some("the disk broke")).status, 204);
    assert_eq!(two.plan(&fleet).profile, "db");
    let release = format!("release {}", two.mac);
    let (code, _, error) = fleet.command(&release);
    assert_eq!(
        (code, error),
        (3, format!("edeploy-fleet: {} is being installed with what it has\n", two.mac))
    );
    two.at(&fleet, Stage::Installed);
    assert_eq!(one.plan(&fleet).profile, "web");
    fleet.must(&release);
    assert_eq!(one.plan(&fleet).profile, "db");
}

#[test]
fn what_a_machine_did_not_become_is_kept_with_its_install_and_what_is_used_up_is_called_so() {
    let (fleet, one, mut two) = two_of_one_place(&[]);
    assert_eq!(two.plan(&fleet).profile, "web");
    let operator = fleet.operator();
    let passed = |toy: &Toy| {
        let tried = fleet.get(&format!("/v1/hosts/{}", toy.mac), &operator).json()["tried"].clone();
        let one = |tried: &serde_json::Value| format!("{}: {}", tried["profile"], tried["reason"]);
        tried.as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(passed(&one), [r#""web": "matches as well; another one is given""#]);
    let used_up = "matches, but as many machines have it as may";
    assert_eq!(passed(&two), [format!(r#""db": "{used_up}""#)]);
    let page = fleet.plainly("GET", &format!("/machines/{}", two.mac), &[], "").text;
    assert!(page.contains("Why it is no db") && page.contains(used_up), "{page}");
    let page = fleet.plainly("GET", "/profiles", &[], "").text;
    assert!(page.contains("used up: 0 of 1 left") && page.contains("1 of 2 given"), "{page}");
}

#[test]
fn a_machine_that_is_installed_anew_stays_what_it_was_until_it_is_released() {
    let (fleet, one, mut two) = two_of_one_place(&[]);
    let plan = two.plan(&fleet);
    assert_eq!(plan.profile, "web");
    two.at(&fleet, Stage::Installed);
    // The place before its own is free again.
    assert_eq!(one.tell(&fleet, Stage::Writing, 1, Some("the disk broke")).status, 204);
    fleet.must(&format!("reinstall {}", two.mac));
    two.boot(&fleet);
    let again = two.plan(&fleet);
    assert_eq!((&*again.profile, address(&again)), ("web", address(&plan)));
    two.at(&fleet, Stage::Installed);
    fleet.must(&format!("release {}", two.mac));
    fleet.must(&format!("reinstall {}", two.mac));
    two.boot(&fleet);
    assert_eq!(two.plan(&fleet).profile, "db");
}

#[test]
fn a_lease_that_ran_out_gives_the_count_back() {
    let (fleet, mut one, mut two) = two_of_one_place(&["--lease", "0"]);
    let plan = two.plan(&fleet);
    assert_eq!((&*plan.profile, &*address(&plan)), ("db", "10.0.1.2"));
    two.at(&fleet, Stage::Installed);
    // Spent is spent.
    assert_eq!(one.plan(&fleet).profile, "web");
}

#[test]
fn a_machine_that_says_it_is_another_ones_address_is_not() {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    let line =
        |[class, item, attribute, value]: [&str; 4]| [class, item, attribute, value].map(str::to_owned);
    for uuid in ["52-54-00-00-00-02", "../../login", "<b>"] {
        let mut report = toy.next();
        report.hardware = vec![
            line(["system", "product", "uuid", uuid]),
            line(["network", "eth0", "serial", &toy.mac]),
            line(["disk", "sda", "size", "20"]),
        ];
        assert_eq!(toy.send(&fleet, &report).status, 200);
        let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &fleet.operator()).json();
        let name = host["name"].as_str().unwrap();
        assert!(name == toy.name() || name == "login", "{name}");
        fleet.must("token remove tester");
    }
}

#[test]
fn a_machine_that_could_not_be_known_again_gets_nothing() {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    let mut report = toy.next();
    report.hardware = vec![["disk", "sda", "size", "20"].map(str::to_owned)];
    let says = "the machine has no serial number, no UUID and no network card: it could not be known again";
    assert_eq!(toy.send(&fleet, &report).problem(409), says);
}

#[test]
fn where_nothing_fits_each_profile_says_which_line_fails() {
    let fleet = Fleet::start(WEB_AND_DB);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 5);
    toy.boot(&fleet);
    let answer = toy.report(&fleet);
    answer.problem(409);
    let tried = answer.json()["tried"].clone();
    let profiles: Vec<&str> =
        tried.as_array().unwrap().iter().map(|t| t["profile"].as_str().unwrap()).collect();
    assert_eq!(profiles, ["db", "web"]);
    for (tried, size) in tried.as_array().unwrap().iter().zip(["gt(100)", "gt(10)"]) {
        let reason = tried["reason"].as_str().unwrap();
        assert!(reason.contains(&format!("disk $disk size {size}")), "{reason}");
    }
    let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &fleet.operator()).json();
    assert_eq!((&host["tried"][0]["reason"], &host["stage"]), (&tried[0]["reason"], &json!("detected")));
    let explained = host["tried"][1]["explained"].as_str().unwrap();
    assert!(explained.contains("- disk sda size 5: 5 is not gt(10)\n"), "{explained}");
    // It is no attempt; what fits later is taken.
    assert_eq!(host["permission"]["attempts"], 0);
    let web = fs::read_to_string(fleet.profiles().join("web.toml")).unwrap();
    fs::write(fleet.profiles().join("web.toml"), web.replace("gt(10)", "gt(1)")).unwrap();
    assert_eq!(toy.plan(&fleet).profile, "web");
}

#[test]
fn a_machine_without_uefi_is_refused_with_the_reason() {
    let fleet = Fleet::start(WEB);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    let mut report = toy.next();
    report.uefi = false;
    let says = "it was started by a BIOS, and only UEFI boots what is installed";
    assert_eq!(toy.send(&fleet, &report).problem(409), says);
    let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &fleet.operator()).json();
    assert_eq!(host["failure"], says);
}

#[test]
fn killed_at_each_stage_the_service_goes_on_where_it_was() {
    let mut fleet = Fleet::start(WEB);
    let again = |fleet: &mut Fleet| {
        fleet.kill();
        fleet.run();
    };
    fleet.must("permit --new 1");
    again(&mut fleet);
    let mut toy = Toy::new(1, 20);
    assert!(toy.boot(&fleet).contains("kernel "));
    again(&mut fleet);
    let key = fleet.key();
    assert_eq!(address(&toy.plan(&fleet)), "10.0.0.1");
    for stage in [Stage::Prepared, Stage::Writing, Stage::Verifying, Stage::Armed, Stage::Installed] {
        again(&mut fleet);
        toy.at(&fleet, stage);
        // The answer was lost, and it is told again.
        again(&mut fleet);
        toy.at(&fleet, stage);
    }
    again(&mut fleet);
    assert_eq!(fleet.key(), key);
    assert!(toy.boot(&fleet).ends_with("exit 1\n"));
    let mut other = Toy::new(2, 20);
    assert!(other.boot(&fleet).ends_with("exit 1\n"));
    fleet.must(&format!("permit {}", other.mac));
    other.boot(&fleet);
    assert_eq!(address(&other.plan(&fleet)), "10.0.0.2");
}
