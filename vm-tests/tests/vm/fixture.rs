//! What all tests share: one published site and the disks installed from it, made once per run.
//!
//! The versions that nobody is installed with are built and published while the first machines run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock, mpsc};
use std::time::Instant;

use edeploy_format::manifest::{Kind, Reader};
use vm_tests::fleet::Fleet;
use vm_tests::guide;
use vm_tests::rack::profiles;
use vm_tests::site::{Site, kept_packages};
use vm_tests::tool::repository;

pub(crate) const ROLE: &str = "minimal";
/// The same role under another name.
pub(crate) const OTHER_ROLE: &str = "store";
/// Published before any machine runs.
const FIRST: [&str; 2] = ["0.9-sick", "1.0"];
/// Published while machines run, in this order, which is that of their serials.
pub(crate) const LATER: [&str; 6] =
    ["1.1", "1.4-panics", "1.2-sick", "1.5-stuck", "1.3-hangs", "1.6-emergency"];
pub(crate) const DISK: u64 = 3 << 29;
/// What the role may hold at most.
const ROLE_LIMIT: u64 = 150_000_000;

/// The shared part.
pub(crate) struct Fixture {
    /// Everything of this run lies below it.
    pub(crate) folder: PathBuf,
    /// Two machines of 1.0, installed one after the other.
    pub(crate) twins: [PathBuf; 2],
    /// A machine whose first version is 0.9-sick.
    pub(crate) sick: PathBuf,
    /// The published folder.
    pub(crate) published: PathBuf,
    /// Where it is served.
    pub(crate) port: u16,
    /// The fleet service, with the profiles of the rack.
    pub(crate) fleet: Fleet,
}

/// The fixture; the first who asks makes it.
pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
        assert!(is_root(), "these tests install through loop devices: run them as root");
        let (send, receive) = mpsc::channel();
        // The server ends with the thread that started it, so that thread stays.
        std::thread::spawn(move || keep(&send));
        receive.recv().expect("the site and the disks; see above what failed")
    });
    &FIXTURE
}

/// Waits until `version` is published.
pub(crate) fn wait_for(version: &str) {
    let at = LATER.iter().position(|later| *later == version).expect("a version that is published later");
    assert!(PUBLISHED[at].wait(), "{version} is not published; see above what failed");
}

/// Whether each of the later versions could be published, once that is known.
static PUBLISHED: [OnceLock<bool>; LATER.len()] = [const { OnceLock::new() }; LATER.len()];

fn is_root() -> bool {
    vm_tests::tool::run("id", &["-u"]).trim() == "0"
}

/// Tells on standard error what is being done.
pub(crate) fn tell(who: &str, what: &str) {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    eprintln!("[{:>4} s] {who}: {what}", BEGUN.get_or_init(Instant::now).elapsed().as_secs());
}

/// Makes the fixture, publishes the later versions, and serves them for ever.
fn keep(send: &mpsc::Sender<Fixture>) {
    let kept = repository().join("target/vm-tests");
    let folder = kept.join("run");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("target/vm-tests");
    let base = kept_packages(ROLE);
    let recipes = Site::copy_recipes(&folder);
    Site::rename_recipe(&recipes, ROLE, OTHER_ROLE);
    let mut site = Site::new(&folder, &recipes);
    FIRST.iter().for_each(|version| publish(&site, &base, ROLE, version));
    publish(&site, &base, OTHER_ROLE, FIRST[1]);
    let size = size(&site.built(ROLE, "1.0").join("manifest"));
    tell("site", &format!("{ROLE} 1.0 holds {} MB", size / 1_000_000));
    assert!(size <= ROLE_LIMIT, "the minimal role holds {size} bytes");
    let files = profiles([[ROLE, FIRST[1]], [OTHER_ROLE, FIRST[1]]]);
    let mut fleet = Fleet::new(&folder.join("fleet"), &files);
    let of_guide = service_of_the_guide(&folder).key();
    site.delegate_fleet(&[&crate::service::public(), &fleet.key(), &of_guide]);
    let port = site.serve();
    // The installer is made later; it is served from when it is there.
    fleet.serve(&folder.join("repo/install"), port);
    send.send(install(&site, port, folder, fleet)).expect("somebody waits");
    for (version, published) in LATER.iter().zip(&PUBLISHED) {
        let done = catch_unwind(AssertUnwindSafe(|| publish(&site, &base, ROLE, version)));
        published.set(done.is_ok()).expect("set here only");
    }
    loop {
        std::thread::park();
    }
}

/// The fleet service of the guide, which has its key from the beginning, and is started by its test.
pub(crate) fn service_of_the_guide(folder: &Path) -> Fleet {
    guide::fleet(&folder.join("guide"), ROLE, FIRST[1])
}

fn publish(site: &Site, base: &Path, role: &str, version: &str) {
    tell("site", &format!("building and publishing {role} {version}"));
    site.build_on(base, role, version);
    site.publish(role, version);
}

fn install(site: &Site, port: u16, folder: PathBuf, fleet: Fleet) -> Fixture {
    let install = |name: &str, version: &str| {
        tell("site", &format!("installing {version} as {name}"));
        let image = folder.join(format!("{name}.img"));
        site.install(port, ROLE, version, &image, DISK, &["--hostname", name, "--profile", "test"]);
        image
    };
    let twins = [install("one", "1.0"), install("two", "1.0")];
    let sick = install("sick", "0.9-sick");
    Fixture { folder, twins, sick, published: site.published(), port, fleet }
}

/// The bytes of all files of a tree.
fn size(manifest: &Path) -> u64 {
    let file = fs::File::open(manifest).expect("the manifest of a build");
    let records = Reader::new(std::io::BufReader::new(file)).expect("a manifest");
    let bytes = |kind: &Kind| if let Kind::File { size, .. } = kind { *size } else { 0 };
    records.map(|record| bytes(&record.expect("a record").kind)).sum()
}
