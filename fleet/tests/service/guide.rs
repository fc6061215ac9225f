//! What `docs/first-install.md` has an operator write into files, given to the programs that read them.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use vm_tests::guide::{file, nginx, unpacked};

use crate::fleet::Fleet;

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `./setup.sh`"))
}

/// The words with which a program ends that finds nothing wrong.
fn checked(command: &mut Command) -> String {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn the_guides_dhcp_servers_take_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("dnsmasq.conf"), file("/etc/dnsmasq.d/edeploy.conf")).unwrap();
    let check = |name: &str| {
        let mut command = Command::new("/usr/sbin/dnsmasq");
        command.args(["--test", "-C"]).arg(at(name));
        command
    };
    let said = checked(&mut check("dnsmasq.conf"));
    assert!(said.contains("syntax check OK"), "{said}");
    let wrong = file("/etc/dnsmasq.d/edeploy.conf").replace("dhcp-boot", "dhcp-boots");
    fs::write(at("wrong.dnsmasq"), wrong).unwrap();
    assert!(!output(&mut check("wrong.dnsmasq")).status.success(), "it would take anything");

    let text = file("/etc/dhcp/dhcpd.conf");
    fs::write(at("dhcpd.conf"), &text).unwrap();
    fs::write(at("leases"), "").unwrap();
    let check = |name: &str| {
        let mut command = Command::new(unpacked("usr/sbin/dhcpd"));
        command.args(["-t", "-cf"]).arg(at(name)).arg("-lf").arg(at("leases"));
        command
    };
    checked(&mut check("dhcpd.conf"));
    fs::write(at("wrong.conf"), text.replace("elsif", "elseif")).unwrap();
    assert!(!output(&mut check("wrong.conf")).status.success(), "it would take anything");
}

#[test]
fn the_guides_profile_is_sound_and_fits_the_machine_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["web.toml", "web.cmdb"] {
        fs::write(folder.path().join(name), file(name)).unwrap();
    }
    fs::write(folder.path().join("state"), file("state")).unwrap();
    let hardware = r#"[["disk", "vda", "size", "20"], ["network", "eth0", "serial", "52:54:00:12:34:56"],
        ["network", "eth0", "link", "yes"]]"#;
    fs::write(folder.path().join("hw.json"), hardware).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_edeploy-fleet"));
    check.arg("check").arg(folder.path()).arg("--hardware").arg(folder.path().join("hw.json"));
    let output = output(&mut check);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("web01"), "its first entry: {said}");
    assert!(!said.contains("WARNING"), "nobody is to copy that: {said}");
}

/// The guide's nginx before a service; ends with it.
struct Nginx {
    _folder: TempDir,
    child: Child,
    machines: u16,
    operators: u16,
}

impl Nginx {
    /// The guide's file, but for ports, paths and the user that it runs as.
    fn before(fleet: &Fleet) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let [machines, operators] =
            [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let changes = [
            ("listen 80;", format!("listen 127.0.0.1:{machines};")),
            ("listen 443 ssl;", format!("listen 127.0.0.1:{operators} ssl;")),
            ("127.0.0.1:8420", fleet.address.clone()),
            ("/srv/edeploy", at("site")),
            ("root /srv;", format!("root {};", at("srv"))),
        ];
        let changes = changes.each_ref().map(|(of_guide, here)| (*of_guide, &**here));
        let conf = nginx(folder.path(), &changes);
        for (path, text) in [
            ("site/install/vmlinuz", "a kernel"),
            ("site/metadata/1.root.json", "a root"),
            ("srv/ipxe/snponly.efi", "iPXE"),
        ] {
            fs::create_dir_all(Path::new(&at(path)).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        }
        let mut command = Command::new(unpacked("usr/sbin/nginx"));
        let child = command.arg("-c").arg(conf).arg("-p").arg(folder.path()).spawn().unwrap();
        let nginx = Self { _folder: folder, child, machines, operators };
        while TcpStream::connect(("127.0.0.1", operators)).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        nginx
    }

    /// The status and the text of what curl gets.
    fn get(port: &str, path: &str, more: &[&str]) -> (String, String) {
        let mut curl = Command::new("curl");
        curl.args([
            "-sk",
            "--path-as-is",
            "--max-time",
            "20",
            "-w",
            "\n%{http_code}",
            &format!("{port}{path}"),
        ])
        .args(more);
        let said = String::from_utf8(output(&mut curl).stdout).unwrap();
        let (text, status) = said.rsplit_once('\n').unwrap();
        (status.to_owned(), text.to_owned())
    }

    fn machine_gets(&self, path: &str) -> (String, String) {
        Self::get(&format!("http://127.0.0.1:{}", self.machines), path, &[])
    }

    fn operator_gets(&self, path: &str, more: &[&str]) -> (String, String) {
        Self::get(&format!("https://127.0.0.1:{}", self.operators), path, more)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn behind_the_guides_nginx_machines_get_what_is_theirs_and_operators_the_rest_with_a_token() {
    let fleet = Fleet::start(crate::profiles::CROWD);
    let token = fleet.operator();
    let nginx = Nginx::before(&fleet);
    let got = |text: &str| ("200".to_owned(), text.to_owned());
    assert_eq!(nginx.machine_gets("/install/vmlinuz"), got("a kernel"));
    assert_eq!(nginx.machine_gets("/repo/metadata/1.root.json"), got("a root"));
    assert_eq!(nginx.machine_gets("/ipxe/snponly.efi"), got("iPXE"));
    for script in ["/v1/boot.ipxe", "/v1/boot?mac=52:54:00:12:34:56&platform=efi"] {
        let (status, text) = nginx.machine_gets(script);
        assert!(status == "200" && text.starts_with("#!ipxe"), "{script}: {status} {text}");
    }
    // A machine is not to be told more of its service than that.
    for path in ["/", "/v1/hosts", "/v1/permissions", "/v1/events", "/install", "/repo/../fleet.key"] {
        assert_eq!(nginx.machine_gets(path).0, "404", "{path}");
    }
    let (status, text) = nginx.machine_gets("/v1/machine/plan");
    assert!(
        status.starts_with('4') && text.contains("about:blank"),
        "the service itself answers: {status} {text}"
    );

    assert_eq!(nginx.operator_gets("/v1/hosts", &[]).0, "401");
    // However the caller calls it: the pages are open only to the machine that the service runs on.
    for more in [&[][..], &["-H", "Host: localhost"], &["-H", "X-Forwarded-Host: localhost"]] {
        let (status, text) = nginx.operator_gets("/", more);
        assert!(status != "200" && !text.contains("52:54"), "{more:?}: {status} {text}");
    }
    let (_, answer) = nginx.operator_gets("/login", &["-i", "-d", &format!("token={token}")]);
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: ").or(line.strip_prefix("Set-Cookie: ")));
    assert!(cookie.is_some_and(|cookie| cookie.ends_with("; Secure")), "{answer}");
    let bearer = format!("Authorization: Bearer {token}");
    let (status, text) = nginx.operator_gets("/v1/hosts", &["-H", &bearer]);
    assert!(status == "200" && text.contains("52:54:00:12:34:56"), "{status} {text}");
}
