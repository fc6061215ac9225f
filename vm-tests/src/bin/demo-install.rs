//! `just demo-install`: four empty machines boot from their network card, and three become their roles; told as it goes.
//!
//! At its end it prints when each machine came to what, and writes that to `stages.json` beside the site.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;
use vm_tests::fleet::Fleet;
use vm_tests::machine::Machine;
use vm_tests::rack::{PLACES, Place, profiles, timeline};
use vm_tests::site::{Site, kept_packages};
use vm_tests::story::Story;
use vm_tests::timeline::Timeline;
use vm_tests::tool::{output, repository};

/// What the two profiles stand for: nginx on Debian; the role of the tests under another name.
const ROLES: [[&str; 2]; 2] = [["web", "D12-1.0.0"], ["db", "1.0"]];
/// The role of the tests.
const MINIMAL: &str = "minimal";
const DISK: u64 = 10 << 30;
/// Pages of the machines are answered at these ports of the loopback and those after them.
const PORT: u16 = 18_090;

fn main() {
    let folder = repository().join("target/demo-install");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("target/demo-install");
    let mut story = Story::default();
    let recipes = Site::recipes_with_shell(&folder, ROLES[0][0]);
    Site::rename_recipe(&recipes, MINIMAL, ROLES[1][0]);
    let mut site = Site::new(&folder, &recipes);
    for ([role, version], packages) in ROLES.into_iter().zip([ROLES[0][0], MINIMAL]) {
        story.chapter(&format!("building and publishing {role} {version}"), |_| {
            site.build_on(&kept_packages(packages), role, version);
            ((), site.publish(role, version).lines().next().unwrap_or_default().to_owned())
        });
    }
    let mut fleet = Fleet::new(&folder.join("fleet"), &profiles(ROLES));
    let assets = story.chapter("letting the fleet service sign plans, and making the installer", |_| {
        site.delegate_fleet(&[&fleet.key()]);
        let assets = Site::installer(&folder);
        (assets, "kernel and initrd lie in install/ of the site".to_owned())
    });
    let port = site.serve();
    fleet.serve(&assets, port);
    story.tell(&format!("the fleet service shows the machines at {}", fleet.page()));
    let ways = story.chapter("switching four empty machines on, two at a time", |story| {
        let told = "two are web servers, one is a database, one matched nothing".to_owned();
        (rack(story, &fleet, &folder), told)
    });
    story.show(&fleet.command(&["hosts"]));
    tell_ways(&ways);
    let json: Value = ways.iter().map(|(name, way)| ((*name).to_owned(), way.json())).collect();
    fs::write(folder.join("stages.json"), format!("{json:#}\n")).expect("a file of ours");
    story.tell(&format!("the times are in {}", folder.join("stages.json").display()));
    story.end();
}

/// Runs all machines; when each came to what.
fn rack(story: &Story, fleet: &Fleet, folder: &Path) -> Vec<(&'static str, Timeline)> {
    let run = |places: &[usize]| -> Vec<_> {
        let ended = |at: &usize| (PLACES[*at].name, life(story, fleet, folder, *at));
        places.iter().map(ended).collect()
    };
    std::thread::scope(|scope| {
        let lanes = [&[0, 3], &[1, 2]].map(|places| scope.spawn(move || run(places)));
        let mut ways: Vec<_> =
            lanes.into_iter().flat_map(|lane| lane.join().expect("its machines")).collect();
        ways.sort_by_key(|(name, _)| *name);
        ways
    })
}

/// The life of one machine, from its power button to its role, or to why there is none.
fn life(story: &Story, fleet: &Fleet, folder: &Path, at: usize) -> Timeline {
    let place = &PLACES[at];
    let tell = |line: &str| story.tell(&format!("{}: {line}", place.name));
    fleet.command(&["permit", place.mac]);
    let mut machine = empty(place, fleet, folder);
    tell("switched on, with nothing but a network card and an empty disk");
    machine.start();
    let Some(profile) = place.profile else {
        machine.wait_for("this machine stays as it is");
        let console = machine.console();
        let why = console.lines().filter(|line| line.starts_with("profile ") || line.starts_with("FAILED"));
        why.for_each(|line| tell(&format!("its console: {line}")));
        return machine.timeline().expect("it is noted").clone();
    };
    machine.wait_for(&format!(": profile {profile}, "));
    tell(&format!("matched the profile {profile}; the plan is signed, and it installs"));
    machine.wait_for(" is installed");
    let [host, address] = place.own;
    let port = PORT + u16::try_from(at).expect("few machines");
    machine.forward_to(port, address);
    machine.wait_for("Nobody asked for an install: this machine boots from its disk");
    tell("installed; it booted from the network again, and goes on to its disk");
    let mut shell = machine.shell("");
    machine.timeline().expect("it is noted").reach("booted");
    assert_eq!(shell.must("hostname").trim(), host);
    if profile == ROLES[0][0] {
        let page = page(&mut machine, port, ROLES[0][1]);
        machine.timeline().expect("it is noted").reach("serving");
        tell(&format!("its nginx answers at {address}: {page}"));
    }
    let said = shell.must("hostname; edeploy-ab role; edeploy-ab version; edeploy-ab profile");
    let words: Vec<&str> = said.lines().collect();
    tell(&format!("up as {} at {address}", words.join(", ")));
    machine.timeline().expect("it is noted").clone()
}

/// The machine, switched off.
fn empty(place: &Place, fleet: &Fleet, folder: &Path) -> Machine {
    let image = folder.join(format!("{}.img", place.name));
    let made = File::create(&image).and_then(|file| file.set_len(DISK));
    made.expect("an empty disk");
    let mut machine = Machine::on(&image, folder, place.name);
    machine.made_of(place.hardware(fleet.boot_script()));
    machine.note_times(timeline());
    machine
}

/// Waits for the page of a version; its text.
fn page(machine: &mut Machine, port: u16, version: &str) -> String {
    let url = format!("http://127.0.0.1:{port}/");
    machine.wait_until(&format!("page of {version}"), |_| {
        let output = output("curl", &["-s", "-m", "5", &url]);
        let page = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        page.contains(version).then_some(page)
    })
}

/// A table: what each machine came to, after how many seconds.
fn tell_ways(ways: &[(&str, Timeline)]) {
    println!("\nSeconds from the power button:");
    for (name, way) in ways {
        let moments = way.moments().iter();
        let moments: Vec<String> =
            moments.map(|(stage, time)| format!("{stage} {:.0}", time.as_secs_f64())).collect();
        println!("  {name}: {}", moments.join(", "));
    }
}
