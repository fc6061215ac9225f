//! The server of `docs/first-install.md`, set up by the files and commands that stand there: dnsmasq, nginx and the fleet
//! service behind it.
//!
//! It has a network of its own, which leads nowhere: a network namespace. So addresses, ports and the name of its card are
//! those of the guide; folders below /srv and /usr are too, in a mount namespace.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::fleet::Fleet;
use crate::hardware::Wire;
use crate::tool::{edeploy_fleet, repository, run};

/// The card of the server that machines are at.
const CARD: &str = "eth1";

/// Its servers, and the namespaces they are in. Dropping it ends them.
pub struct Server {
    folder: PathBuf,
    fleet: Fleet,
    namespaces: Child,
    servers: Vec<Child>,
}

/// The fleet service of the guide in `folder`, not started yet, for `role` and `version` on disks of a GiB.
///
/// # Panics
/// If the guide has no such profile.
#[must_use]
pub fn fleet(folder: &Path, role: &str, version: &str) -> Fleet {
    let profile = changed(
        "web.toml",
        &[
            ("role = \"web\"", &format!("role = \"{role}\"")),
            ("version = \"newest\"", &format!("version = \"{version}\"")),
            ("\"ge(9)\"", "\"ge(1)\""),
            ("min-size = \"8GiB\"", "min-size = \"1GiB\""),
        ],
    );
    let files = [("state", file("state")), ("web.toml", profile), ("web.cmdb", file("web.cmdb"))];
    Fleet::new(folder, &files)
}

impl Server {
    /// Sets it up in `folder`, for the site at `site` and that service, and waits until it answers.
    ///
    /// # Panics
    /// If something of that fails.
    #[must_use]
    pub fn new(folder: &Path, site: &Path, fleet: Fleet) -> Self {
        let srv = folder.join("srv");
        fs::create_dir_all(&srv).expect("a folder of ours");
        symlink(site, srv.join("edeploy")).expect("a link to the site");
        let namespaces = namespaces(&srv);
        let mut server = Self { folder: folder.to_owned(), fleet, namespaces, servers: Vec::new() };
        server.start_fleet(site);
        server.start_dnsmasq();
        server.start_nginx();
        let mut curl = server.command("curl");
        curl.args(["-s", "--retry", "100", "--retry-connrefused", "--retry-delay", "1", "http://10.0.0.2/"]);
        assert!(curl.output().expect("curl").status.success(), "nginx does not answer");
        server
    }

    /// The wire from its card to a machine.
    #[must_use]
    pub fn wire(&self) -> Wire {
        Wire::Tap(CARD, self.namespaces.id())
    }

    /// Its fleet service.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What dnsmasq said so far.
    ///
    /// # Panics
    /// If that cannot be read.
    #[must_use]
    pub fn dnsmasq(&self) -> String {
        fs::read_to_string(self.folder.join("dnsmasq.log")).expect("a file of ours")
    }

    /// A program on the server; ends with this thread.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        let namespaces = self.namespaces.id().to_string();
        command.args(["--pdeathsig", "KILL", "nsenter", "-n", "-m", "-t", &namespaces]);
        command.arg(program.as_ref()).current_dir(repository());
        command
    }

    /// As the unit of the guide has it.
    fn start_fleet(&mut self, site: &Path) {
        let unit = file("/etc/systemd/system/edeploy-fleet.service").replace("\\\n", "");
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/edeploy-fleet "));
        let root = site.join("metadata/1.root.json").display().to_string();
        let words = line.expect("the unit starts it").split_whitespace().map(|word| match word {
            "/etc/edeploy-fleet/profiles" => self.fleet.profiles(),
            "/etc/edeploy-fleet/root.json" => root.clone(),
            word => word.to_owned(),
        });
        let mut command = self.command(edeploy_fleet());
        command.args(words).args(["--data", &self.fleet.data(), "--kernel-arguments", "console=ttyS0"]);
        self.fleet.start(&mut command);
    }

    fn start_dnsmasq(&mut self) {
        let at = |name: &str| self.folder.join(name);
        fs::write(at("dnsmasq.conf"), file("/etc/dnsmasq.d/edeploy.conf")).expect("a file of ours");
        let mut command = self.command("/usr/sbin/dnsmasq");
        command.args(["--keep-in-foreground", "--user=root", "--pid-file", "--log-facility=-"]);
        command.arg(format!("--dhcp-leasefile={}", at("leases").display()));
        command.arg(format!("--conf-file={}", at("dnsmasq.conf").display()));
        command.stderr(File::create(at("dnsmasq.log")).expect("a file of ours"));
        self.servers.push(command.spawn().expect("setpriv of util-linux"));
    }

    fn start_nginx(&mut self) {
        let conf = nginx(&self.folder, &[]).display().to_string();
        let mut command = self.command(unpacked("usr/sbin/nginx"));
        command.args(["-c", &conf, "-p", &self.folder.display().to_string()]);
        self.servers.push(command.spawn().expect("setpriv of util-linux"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for server in self.servers.iter_mut().chain([&mut self.namespaces]) {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Namespaces with the server's card, with `srv` as /srv, and with iPXE where the guide puts it.
fn namespaces(srv: &Path) -> Child {
    let commands = block("On Debian:");
    let commands: Vec<&str> = commands.lines().filter(|line| !line.starts_with("apt-get ")).collect();
    let script = format!(
        "ip link set lo up
         ip tuntap add dev {CARD} mode tap
         ip addr add 10.0.0.2/24 dev {CARD}
         ip link set {CARD} up
         mount --bind '{}' /srv
         mount --bind '{}' /usr/lib/ipxe
         {}
         echo ready
         exec sleep infinity",
        srv.display(),
        unpacked("usr/lib/ipxe").display(),
        commands.join("\n"),
    );
    let mut namespaces = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-ec", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv of util-linux");
    let mut said = String::new();
    let mut lines = BufReader::new(namespaces.stdout.take().expect("piped"));
    lines.read_line(&mut said).expect("a pipe");
    assert!(said == "ready\n", "the server's network: see above; `./setup.sh` installs what it needs");
    namespaces
}

/// The configuration of an nginx that keeps to `folder`: the guide's file with each of these changed, and with a certificate.
///
/// # Panics
/// If it cannot be written.
#[must_use]
pub fn nginx(folder: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    let [key, certificate] = ["fleet.key", "fleet.pem"].map(at);
    let subject = ["-subj", "/CN=fleet.example", "-keyout", &key, "-out", &certificate];
    let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    run("openssl", &[&kind[..], &subject].concat());
    let tls = [("/etc/nginx/tls/fleet.pem", &*certificate), ("/etc/nginx/tls/fleet.key", &*key)];
    let sites = changed("/etc/nginx/conf.d/edeploy.conf", &[changes, &tls].concat());
    let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", at(kind)))
        .concat();
    let conf = format!(
        "daemon off; master_process off; error_log stderr; pid {};\nevents {{}}\n\
         http {{ access_log off; {scratch}\n{sites}}}\n",
        at("nginx.pid")
    );
    fs::write(at("nginx.conf"), conf).expect("a file of ours");
    folder.join("nginx.conf")
}

/// What `just guide-servers` unpacked.
///
/// # Panics
/// If it did not.
#[must_use]
pub fn unpacked(path: &str) -> PathBuf {
    let path = repository().join("target/guide").join(path);
    assert!(path.exists(), "{} is missing; run `just guide-servers`", path.display());
    path
}

/// The text of the file that the guide introduces by a line with this name.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn file(name: &str) -> String {
    block(&format!("`{name}`"))
}

/// That file with each of these changed.
fn changed(name: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(file(name), |text, (of_guide, here)| {
        assert!(text.contains(of_guide), "{name} of the guide no longer has {of_guide:?}");
        text.replace(of_guide, here)
    })
}

/// The first block of the guide that is indented after a line with these words.
fn block(introduction: &str) -> String {
    let guide = fs::read_to_string(repository().join("docs/first-install.md")).expect("the guide");
    let introduced = guide.lines().skip_while(|line| !line.contains(introduction));
    let block = introduced.skip(1).skip_while(|line| !line.starts_with("    "));
    let block = block.take_while(|line| line.starts_with("    ") || line.is_empty());
    let text: String = block.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    assert!(!text.is_empty(), "the guide has no block after {introduction:?}");
    text
}
