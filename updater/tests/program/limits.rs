//! What fetching may take: bytes, rate, time.

use std::net::TcpListener;

use edeploy_format::digest::Digest;
use serde_json::json;

use crate::documented::documented;
use crate::lab::{Lab, Ran, program, rule, tree};
use crate::version::Version;

const PLANNED: &str = "… bytes would come in all, --max-bytes allows …";

/// A tree with 256 KiB that no compression makes less.
pub(crate) fn large(version: &str) -> Version {
    let mut tree = tree(version);
    let noise: Vec<u8> = (0..8192_u32).flat_map(|n| Digest::of(&n.to_le_bytes()).0).collect();
    tree.file("etc/noise", &noise);
    tree
}

/// Version 1 is installed, version 3 is large.
fn lab() -> Lab {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &large("3"), &rule("3", &json!({})), |_| ());
    lab
}

/// What an upgrade to version 3 downloads in all, and what of it is the pack's.
fn needed(lab: &Lab) -> (u64, u64) {
    let ran = lab.run(&["test-upgrade", "3", "--max-bytes", "100000", "--json"]);
    let json = ran.json();
    let verdict = json["verdict"].as_str().unwrap();
    assert_eq!(ran.code, 3, "{ran:?}");
    let needed =
        verdict.strip_prefix("refused: ").and_then(|rest| rest.split_once(" bytes would come in all"));
    (needed.unwrap_or_else(|| panic!("{verdict}")).0.parse().unwrap(), json["download"].as_u64().unwrap())
}

#[test]
fn an_upgrade_that_would_download_too_much_is_refused_before_the_pack_is_touched() {
    let lab = lab();
    let (needed, pack) = needed(&lab);
    assert!(pack > 256 << 10 && needed > pack, "{needed} {pack}");
    // It is not there to be asked for.
    let packs =
        std::fs::read_dir(lab.site_folder().join("targets")).unwrap().map(|object| object.unwrap().path());
    packs
        .filter(|path| path.to_str().unwrap().ends_with("@pack"))
        .for_each(|path| std::fs::remove_file(path).unwrap());
    let less = (needed - 1).to_string();
    let ran = lab.run(&["upgrade", "3", "--max-bytes", &less]);
    documented(&ran, 3, PLANNED);
    assert_eq!(ran.failed().1, format!("{needed} bytes would come in all, --max-bytes allows {less}"));
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
    let last = lab.journal().pop().unwrap();
    assert_eq!(last.0, "failed");
    assert!(last.1["reason"].as_str().unwrap().contains("--max-bytes"), "{last:?}");
}

#[test]
fn an_upgrade_may_take_just_what_is_allowed_and_a_rate_changes_nothing_else() {
    let lab = lab();
    let (needed, _) = needed(&lab);
    let (bytes, rate) = (needed.to_string(), "1GiB");
    let ran =
        lab.run(&["upgrade", "3", "--max-bytes", &bytes, "--max-rate", rate, "--deadline", "600"]).done();
    assert!(ran.out.contains("boots next"), "{ran:?}");
}

#[test]
fn what_describes_a_version_counts_too() {
    let lab = Lab::installed();
    let reached = "more than the … bytes that --max-bytes allows have come";
    for words in [&["upgrade", "2"][..], &["test-upgrade", "2"], &["list"]] {
        documented(&lab.run(&[words, &["--max-bytes", "10"]].concat()), 3, reached);
    }
}

#[test]
fn an_install_that_would_download_too_much_leaves_the_disk_as_it_is() {
    let mut lab = Lab::new();
    lab.publish("1", 1, &large("1"), &rule("1", &json!({})), |_| ());
    lab.disk();
    let before = lab.fingerprint();
    documented(&lab.install(&["--max-bytes", "256KiB"]), 3, PLANNED);
    assert_eq!(lab.fingerprint(), before);
}

#[test]
fn a_server_that_never_answers_ends_with_the_deadline() {
    let lab = Lab::installed();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let repo = format!("http://{}/", silent.local_addr().unwrap());
    let mut command = program();
    command
        .args(["list", "--deadline", "1", "--booted", "a", "--repo", &repo, "--disk"])
        .arg(lab.path("disk"));
    let ran = Ran::of(command.output().unwrap());
    documented(&ran, 6, "not all came within the … s of --deadline");
}

#[test]
fn a_limit_is_refused_where_nothing_is_fetched_or_it_is_none() {
    let refused = |words: &[&str]| Ran::of(program().args(words).output().unwrap());
    assert_eq!(
        refused(&["rollback", "--max-rate", "1MiB"]).failed(),
        (2, "rollback takes no limit: it fetches nothing")
    );
    assert_eq!(refused(&["list", "--max-bytes", "0"]).code, 2);
}
