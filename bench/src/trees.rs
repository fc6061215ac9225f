//! The trees that everything is measured on: Debian roles, each at release and as updated, made by mmdebstrap.
//!
//! `web1` is a web server of Debian 12 at its release, `web2` the same with security and other updates: a new kernel
//! and some two thousand changed files. `web3` is `web2` with one library exchanged and one file configured anew. `db1`
//! and `db2` are with a database server. `min12` and `min13` are the smallest Debian 12 and 13. Debian moves on, so
//! sizes do. Each is a folder `t/NAME` and an archive `trees/NAME.tar` of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::Bench;
use crate::error::{Result, file, unexpected};
use crate::folder;
use crate::run::Call;

/// What all roles have.
const BASE: &str =
    "systemd,systemd-sysv,linux-image-cloud-amd64,openssh-server,nginx,python3,curl,ca-certificates";
/// The time that is in the trees.
const EPOCH: &str = "1780000000";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The package that is older in `web3`.
const LIBRARY: &str = "libexpat1";

/// An older and a newer tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The role that both are versions of.
    pub role: &'static str,
    /// The older.
    pub from: &'static str,
    /// The newer.
    pub to: &'static str,
    /// What the update is.
    pub what: &'static str,
}

impl Pair {
    /// Its name: `web1-web2`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.from, self.to)
    }

    /// The case of what a host fetches beside the delta.
    #[must_use]
    pub fn beside(&self) -> String {
        format!("{} beside", self.name())
    }
}

/// The pairs.
pub const PAIRS: [Pair; 4] = [
    Pair { role: "web", from: "web1", to: "web2", what: "security update with kernel" },
    Pair { role: "web", from: "web2", to: "web3", what: "one package, one configuration file" },
    Pair { role: "db", from: "db1", to: "db2", what: "database role, security update" },
    Pair { role: "min", from: "min12", to: "min13", what: "Debian 12 to 13" },
];

/// Where the trees are.
#[derive(Clone, Debug)]
pub struct Trees {
    folder: PathBuf,
}

impl Trees {
    /// The folder of a tree.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join("t").join(name)
    }

    /// The archive of a tree.
    pub fn archive(&self, name: &str) -> PathBuf {
        self.folder.join("trees").join(format!("{name}.tar"))
    }
}

/// The trees, made where they are missing; those that were given must be there.
///
/// # Errors
/// When one is missing or cannot be made.
pub fn ready(bench: &Bench) -> Result<Trees> {
    let folder = bench.cli.trees.clone().unwrap_or_else(|| bench.path("trees"));
    let trees = Trees { folder };
    if bench.cli.trees.is_none() {
        make(&trees, bench)?;
    }
    for pair in PAIRS {
        for name in [pair.from, pair.to] {
            let (folder, archive) = (trees.folder(name), trees.archive(name));
            for path in [folder, archive] {
                fs::metadata(&path).map_err(file("reading", &path))?;
            }
        }
    }
    Ok(trees)
}

fn make(trees: &Trees, bench: &Bench) -> Result<()> {
    for name in ["t", "trees"] {
        let folder = trees.folder.join(name);
        fs::create_dir_all(&folder).map_err(file("making", &folder))?;
    }
    let database = format!("{BASE},mariadb-server");
    let wanted = [
        ("web1", BASE, Suite::Release),
        ("web2", BASE, Suite::Updated),
        ("db1", &database, Suite::Release),
        ("db2", &database, Suite::Updated),
        ("min12", "", Suite::Updated),
        ("min13", "", Suite::Next),
    ];
    for (name, packages, suite) in wanted {
        if !trees.archive(name).exists() {
            bench.tell(&format!("making the tree {name}"));
            bootstrap(trees, name, packages, suite)?;
            archive(trees, name)?;
        }
    }
    if !trees.archive("web3").exists() {
        bench.tell("making the tree web3");
        small_update(trees)?;
        archive(trees, "web3")?;
    }
    Ok(())
}

/// Which packages of Debian.
#[derive(Clone, Copy, Debug)]
enum Suite {
    /// Debian 12 as released, with what its point releases brought.
    Release,
    /// The same with its updates and security updates.
    Updated,
    /// Debian 13.
    Next,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Release | Self::Updated => "bookworm",
            Self::Next => "trixie",
        }
    }

    /// Lines for apt, from the mirrors that this machine uses.
    fn sources(self) -> Result<String> {
        let main = mirror("bookworm")?;
        let line = |uri: &str, suite: &str| format!("deb [signed-by={KEYRING}] {uri} {suite} main\n");
        let suites = match self {
            Self::Release => vec![line(&main, "bookworm")],
            Self::Next => vec![line(&main, "trixie")],
            Self::Updated => {
                let security = mirror("bookworm-security")?;
                let names =
                    [(&main, "bookworm"), (&main, "bookworm-updates"), (&security, "bookworm-security")];
                names.into_iter().map(|(uri, suite)| line(uri, suite)).collect()
            }
        };
        Ok(suites.concat())
    }
}

/// Where this machine's apt takes a suite from.
fn mirror(suite: &str) -> Result<String> {
    let told = Call::new("apt-get").words("indextargets --format").arg("$(CODENAME) $(REPO_URI)").run()?;
    let found = told.lines().find_map(|line| line.strip_prefix(suite)?.strip_prefix(' '));
    found.map(str::to_owned).ok_or_else(|| unexpected("apt's sources", format!("there is no {suite}")))
}

fn bootstrap(trees: &Trees, name: &str, packages: &str, suite: Suite) -> Result<()> {
    let to = trees.folder(name);
    folder::remove(&to)?;
    let sources = trees.folder.join("sources.list");
    fs::write(&sources, suite.sources()?).map_err(file("writing", &sources))?;
    // What it mounts goes with it, also when it is killed.
    let mut call = Call::new("unshare")
        .words("--mount env")
        .arg(format!("SOURCE_DATE_EPOCH={EPOCH}"))
        .words("mmdebstrap --mode=root --variant=minbase --format=directory");
    if !packages.is_empty() {
        call = call.option("--include", packages);
    }
    call.arg(suite.name()).arg(&to).arg(&sources).run().map(|_| ())
}

/// Takes out what belongs to the making of a tree, and packs the rest in one way.
fn archive(trees: &Trees, name: &str) -> Result<()> {
    let tree = trees.folder(name);
    let script =
        "cd \"$1\"; rm -rf dev/* var/cache/apt/*.bin var/lib/apt/lists/* var/cache/apt/archives/*.deb";
    Call::shell(script).arg(&tree).run()?;
    let (to, new) = (trees.archive(name), trees.archive(&format!("{name}.new")));
    Call::new("tar")
        .words("--sort=name --numeric-owner --format=posix --xattrs --xattrs-include=* --acls")
        .arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
        .arg("-C")
        .arg(&tree)
        .arg("-cf")
        .arg(&new)
        .arg(".")
        .run()?;
    fs::rename(&new, &to).map_err(file("renaming", &new))
}

/// `web3`: one library in another version, and a configuration changed.
fn small_update(trees: &Trees) -> Result<()> {
    let (old, from, to) = (trees.folder("web1"), trees.folder("web2"), trees.folder("web3"));
    folder::remove(&to)?;
    Call::new("cp").arg("-a").arg(&from).arg(&to).run()?;
    write(&to.join("etc/nginx/conf.d/tokens.conf"), "server_tokens off;\n")?;
    let path = to.join("etc/nginx/nginx.conf");
    let text = fs::read_to_string(&path).map_err(file("reading", &path))?;
    let changed = |line: &str| {
        let is_it = line.trim_start().starts_with("worker_connections ");
        if is_it { "\tworker_connections 4096;".to_owned() } else { line.to_owned() }
    };
    write(&path, &(text.lines().map(changed).collect::<Vec<_>>().join("\n") + "\n"))?;
    let version = Call::new("chroot").arg(&old).words("dpkg-query -W -f ${Version}").arg(LIBRARY).run()?;
    let temporary = to.join("tmp");
    Call::new("apt-get").arg("download").arg(format!("{LIBRARY}={version}")).within(&temporary).run()?;
    let script = format!("dpkg -i /tmp/{LIBRARY}_*.deb; rm /tmp/{LIBRARY}_*.deb");
    Call::new("chroot").arg(&to).words("sh -euc").arg(script).run().map(|_| ())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(file("writing", path))
}
