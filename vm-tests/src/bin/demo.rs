//! `just demo`: the whole loop on a real Debian role, told as it goes.

use std::fs;
use std::path::Path;
use std::time::Instant;

use vm_tests::machine::Machine;
use vm_tests::shell::Shell;
use vm_tests::site::Site;
use vm_tests::story::Story;
use vm_tests::tool::repository;

const ROLE: &str = "web";
const DISK: u64 = 10 << 30;
const PORT: u16 = 18_080;

fn main() {
    let folder = repository().join("target/demo");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("target/demo");
    let mut story = Story::default();
    let recipes = Site::recipes_with_shell(&folder, ROLE);
    let mut site = Site::new(&folder, &recipes);
    // 1.0.1 and 1.0.2 have the same packages: they are installed once.
    let packages = folder.join("packages.tar");
    for (version, base) in [("D12-1.0.0", None), ("D12-1.0.1", Some(&*packages))] {
        build(&mut story, &site, version, base);
        story.chapter(&format!("publishing {version}"), |_| {
            ((), site.publish(ROLE, version).trim().to_owned())
        });
    }
    build(&mut story, &site, "D12-1.0.2", Some(&packages));
    let port = site.serve();
    story.tell(&format!("the site is served at http://127.0.0.1:{port}/"));
    let image = folder.join("disk.img");
    story.chapter("installing D12-1.0.0 on an empty disk of 10 GiB", |story| {
        let said =
            site.install(port, ROLE, "D12-1.0.0", &image, DISK, &["--hostname", "web1", "--profile", "demo"]);
        story.show(&said);
        ((), said.trim().to_owned())
    });
    let mut machine = Machine::over(&image, &folder, "web1");
    machine.forward(PORT);
    machine.narrate(|line| println!("         . {line}"));
    let mut shell = story.chapter("booting it (UEFI, systemd-boot)", |story| {
        machine.start();
        let mut shell = machine.shell("");
        let page = page(&mut machine, "D12-1.0.0");
        story.guest(&mut shell, "edeploy-ab status");
        (shell, format!("nginx answers: {page}"))
    });
    leave_traces(&mut shell);
    let mut shell = upgrade(&mut story, &mut machine, shell);
    check_traces(&mut story, &mut shell);
    fall_back(&mut story, &mut machine, shell, &site);
    story.end();
}

/// Builds a version, on the packages kept at `base` where there is one.
fn build(story: &mut Story, site: &Site, version: &str, base: Option<&Path>) {
    let what = match base {
        Some(kept) if kept.exists() => format!("building {ROLE} {version} on the packages of the last one"),
        Some(_) | None => format!("building {ROLE} {version} from Debian packages"),
    };
    story.chapter(&what, |story| {
        let built = match base {
            Some(base) => site.build_on(base, ROLE, version),
            None => site.build(ROLE, version),
        };
        story.show(&built);
        ((), built.lines().last().unwrap_or_default().to_owned())
    });
}

/// Waits for the page of a version; its text.
fn page(machine: &mut Machine, version: &str) -> String {
    let url = format!("http://127.0.0.1:{PORT}/");
    machine.wait_until(&format!("page of {version}"), |_| {
        let output = vm_tests::tool::output("curl", &["-s", "-m", "5", &url]);
        let page = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        page.contains(version).then_some(page)
    })
}

/// What must survive an upgrade: an excluded file, a persistent path, data under /var.
fn leave_traces(shell: &mut Shell) {
    shell.must("echo mine > /root/persistent && mkdir -p /var/lib/web && echo data > /var/lib/web/data");
    // /usr/local/ is excluded by the transition; an operator has to open the read-only root for it.
    shell.must("mount -o remount,rw / && echo local > /usr/local/excluded && mount -o remount,ro /");
}

fn upgrade(story: &mut Story, machine: &mut Machine, mut shell: Shell) -> Shell {
    story.chapter("upgrading to D12-1.0.1 from inside the machine", |story| {
        story.guest(&mut shell, "edeploy-ab list");
        let (_, dry) = shell.run("edeploy-ab test-upgrade D12-1.0.1");
        let lines: Vec<&str> = dry.lines().collect();
        println!("         # edeploy-ab test-upgrade D12-1.0.1");
        story.show(&lines[lines.len().saturating_sub(8)..].join("\n"));
        let boot = shell.boot().expect("it is ready");
        let said = upgrade_and_reboot(story, &mut shell, "D12-1.0.1");
        drop(shell);
        let mut shell = machine.shell(&boot);
        page(machine, "D12-1.0.1");
        wait_for_blessing(machine, &mut shell, "D12-1.0.1");
        story.guest(&mut shell, "edeploy-ab status");
        (shell, format!("rebooted into D12-1.0.1, healthy and blessed; {said}"))
    })
}

/// Upgrades, after which the machine reboots by itself; how long it took, and what came from where.
fn upgrade_and_reboot(story: &Story, shell: &mut Shell, version: &str) -> String {
    let begun = Instant::now();
    let command = format!("edeploy-ab upgrade {version} 2>&1");
    println!("         # {command}");
    let mut said = Vec::new();
    let answer = shell.try_and_show(&command, |line| {
        story.show(line);
        said.push(line.to_owned());
    });
    // The reboot may be faster than the answer.
    assert!(answer.is_none_or(|(code, _)| code == 100), "the upgrade did not ask for a reboot");
    assert!(said.iter().any(|line| line == "rebooting"), "the upgrade did not reboot the machine");
    let took = begun.elapsed().as_secs();
    story.tell(&format!("written and verified in {took} s; post asked for a reboot"));
    let sources = said.iter().find(|line| line.contains("downloaded")).cloned().unwrap_or_default();
    format!("{took} s, {sources}")
}

fn wait_for_blessing(machine: &mut Machine, shell: &mut Shell, version: &str) {
    machine.wait_until(&format!("blessing of {version}"), |_| {
        let (_, status) = shell.run("edeploy-ab status");
        let good = status.lines().any(|line| line.contains(&format!("{version} (good")));
        (good && status.contains(&format!(" {version} in slot"))).then_some(())
    });
}

fn check_traces(story: &mut Story, shell: &mut Shell) {
    story.chapter("looking for what must survive", |_| {
        for (command, expected) in [
            ("cat /usr/local/excluded", "local\n"),
            ("cat /root/persistent", "mine\n"),
            ("cat /var/lib/web/data", "data\n"),
            ("hostname", "web1\n"),
        ] {
            let found = shell.must(command);
            assert!(found == expected, "`{command}` says {found:?} and not {expected:?}");
        }
        let told = "the excluded file in /usr/local, the persistent /root, data under /var, the host name: as they were";
        ((), told.to_owned())
    });
}

fn fall_back(story: &mut Story, machine: &mut Machine, mut shell: Shell, site: &Site) {
    story.chapter("taking D12-1.0.2, which is sick on purpose", |story| {
        site.publish(ROLE, "D12-1.0.2");
        let boot = shell.boot().expect("it is ready");
        upgrade_and_reboot(story, &mut shell, "D12-1.0.2");
        drop(shell);
        story.tell("its health check fails three times; the loader then takes the old entry");
        let status = status_after_fall_back(machine, boot);
        story.show(&status);
        let line = status.lines().find(|line| line.starts_with("fell back")).unwrap_or_default().to_owned();
        ((), line)
    });
}

/// What `edeploy-ab status` says on the first boot that knows of a fall-back.
fn status_after_fall_back(machine: &mut Machine, mut boot: String) -> String {
    loop {
        let mut shell = machine.shell(&boot);
        boot = shell.boot().expect("it is ready");
        // A trial may end while it is asked.
        if let Some((_, status)) = shell.try_run("edeploy-ab status")
            && status.contains("fell back")
        {
            return status;
        }
    }
}
