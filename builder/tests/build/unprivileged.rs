//! A build by an ordinary user: the same version as root builds.

use std::fs;
use std::process::Command;

use crate::fixture::{Case, EPOCH, done};

/// `nobody`, and numbers that are given to it for the time of the test.
const USER: u32 = 65534;
const RANGE: &str = "nobody:300000:65536\n";

#[test]
fn an_ordinary_user_builds_the_same_version_as_root() {
    let case = Case::new();
    std::os::unix::fs::chown(case.path("tree/var/lib/site"), Some(33), Some(34)).expect("owners need root");
    // As mmdebstrap and others pack it: a device that an ordinary user could not make.
    let (kind, mode) = (rustix::fs::FileType::CharacterDevice, rustix::fs::Mode::from(0o666));
    fs::create_dir(case.path("tree/dev")).unwrap();
    let null = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(rustix::fs::CWD, case.path("tree/dev/null"), kind, mode, null).unwrap();
    let tar = ["--create", "--directory=tree", "--file=tree.tar", "--numeric-owner", "."];
    assert!(Command::new("tar").args(tar).current_dir(case.path("")).status().unwrap().success());
    case.rolebuild(&["build", "recipes/web", "--updater=edeploy-ab", "--from-tar=tree.tar", "--version=1"]);

    case.write("range", RANGE);
    fs::copy(env!("CARGO_BIN_EXE_rolebuild"), case.path("rolebuild")).unwrap();
    fs::create_dir(case.path("user")).unwrap();
    std::os::unix::fs::chown(case.path("user"), Some(USER), None).unwrap();
    let script = format!(
        "mount --bind range /etc/subuid && mount --bind range /etc/subgid && cd user &&
         exec setpriv --reuid={USER} --regid={USER} --clear-groups ../rolebuild build ../recipes/web \
         --updater=../edeploy-ab --from-tar=../tree.tar --version=1"
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .current_dir(case.path(""))
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .output()
        .unwrap();
    done(&output);
    let of = |path: &str| fs::read(case.path(path)).unwrap();
    assert!(of("user/builds/web@1/manifest") == of("builds/web@1/manifest"));
    assert!(of("user/builds/web@1/pack") == of("builds/web@1/pack"));
    assert_eq!(fs::read_dir(case.path("user/builds")).unwrap().count(), 1);
}
