//! Sites over HTTP that die in the middle, or know no ranges.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::json;

use crate::dying_site::answer;
use crate::lab::{Lab, Ran, program, rule};
use crate::limits::large;

/// Serves `site` whole, whatever range is asked for. In the middle of a pack it may die: from then on it closes
/// each connection unanswered.
fn serve(site: PathBuf, dies: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut dead = false;
        for stream in listener.incoming() {
            dead = dead || answer(&stream.unwrap(), &site, dies);
        }
    });
    base
}

#[test]
fn an_upgrade_outlives_a_mirror_that_dies_and_one_without_ranges_goes_on() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &large("3"), &rule("3", &json!({})), |_| ());
    let [dying, plain] = [true, false].map(|dies| serve(lab.site_folder(), dies));
    let mut command = program();
    command.args(["upgrade", "3", "--booted", "a", "--repo", &dying, "--repo", &plain, "--disk"]);
    let ran = Ran::of(command.arg(lab.path("disk")).output().unwrap()).done();
    assert!(ran.err.contains(&format!("{dying} is asked last from now on")), "{ran:?}");
    assert!(ran.err.contains(&format!("{plain}/targets/")) && ran.err.contains("ignores ranges"), "{ran:?}");
    assert!(ran.out.contains("3 is in slot b, verified, and boots next"), "{ran:?}");
}

#[test]
fn an_upgrade_whose_only_site_dies_is_run_again_elsewhere() {
    let lab = Lab::installed();
    let dying = serve(lab.site_folder(), true);
    let mut command = program();
    command.args(["upgrade", "2", "--booted", "a", "--repo", &dying, "--disk"]).arg(lab.path("disk"));
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.failed().1.contains(&dying), "{ran:?}");
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
    lab.run(&["upgrade", "2"]).done();
}
