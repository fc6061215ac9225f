//! The help texts: the one place that says in words what each command does.

use edeploy_format::exit::Exit;

use crate::commands::put;
use crate::failure::Failure;

/// Prints the help of a command, or of all.
///
/// # Errors
/// [`Exit::Usage`] if there is no such command.
pub fn show(command: Option<&str>) -> Result<Exit, Failure> {
    let text = match command {
        None | Some("help") => Some(GENERAL),
        Some(command) => of(command),
    };
    let none = || Failure::new(Exit::Usage, format!("no such command: {:?}", command.unwrap_or_default()));
    put(text.ok_or_else(none)?)?;
    Ok(Exit::Done)
}

/// The help of all commands, as a man page is made from it.
pub const GENERAL: &str = "\
edeploy-ab keeps a server's root file system in two slots: one runs, the other
takes the next version whole, and the machine falls back by itself.

Usage: edeploy-ab COMMAND [OPTIONS]

Looking:
  list                  the published versions of this machine's role
  status                slots, boot entries, the last upgrade and what came of it
  test-upgrade VERSION  what an upgrade would do and cost; changes nothing
  test-repair           what a repair would do; changes nothing
  verify                compare the running slot with its signed manifest
  version, role, profile  what this machine runs, one line each
  detect                the machine's hardware, and the disk to install on; only in
                        the installer's build

Doing:
  upgrade VERSION       bring the inactive slot to VERSION and boot it on trial
  rollback              boot the other slot again
  bless                 declare the running slot good, ending its trial
  repair                make a lost ESP or state partition again, from the slots
  install               first install on an empty disk or image file
  remember              change the repository or the profile for good

Options of every command:
  --json                answer with one JSON object on standard output; after a
                        failure there is none, or its beginning
  --disk FILE           work on this disk or image, not on the running machine
  --booted a|b          with --disk: the slot that counts as the running one
  --repo URL            the repository, instead of those the slot remembers; may be
                        given again: where one fails, the next is asked
  --ca FILE             certificates to trust for https, in PEM
  -h, --help            this help; after a command, the help of that command
  -V, --version         the version of this program

Limits of list, test-upgrade, upgrade and install:
  --max-rate BYTES      bytes a second at most: 300000, 512KiB, 2GiB
  --max-bytes BYTES     bytes in all at most; refused beforehand if not enough
  --stall SECONDS       without a byte for so long, a connection counts as broken
  --deadline SECONDS    fetch for so long at most

Exit codes:
  0 done   1 failed   2 usage   3 refused in this state   4 no such role, version
  or transition   5 not to be trusted   6 network   7 no space   8 hook failed
  9 differences found   10 machine or disk unsuitable   100 reboot requested
";

/// The help of one command; `None` if there is no such command.
#[must_use]
pub fn of(command: &str) -> Option<&'static str> {
    Some(match command {
        "list" => {
            "Usage: edeploy-ab list\n\n\
            Lists the published versions of this machine's role, oldest first: version,\n\
            serial, build time, and whether it runs here, is in the other slot, was fallen\n\
            back from or withdrawn; with --json also its architecture and manifest. Fetches\n\
            and checks the signed metadata.\n"
        }
        "status" => {
            "Usage: edeploy-ab status\n\n\
            Says what runs, what each slot holds, which boot entries there are and which\n\
            one the loader would choose next, whether a trial is under way, what the last\n\
            upgrade did, and from what to what and why the machine fell back, if it did.\n\
            Reads the machine only, never the network.\n"
        }
        "upgrade" => {
            "Usage: edeploy-ab upgrade VERSION [--no-reboot] [--retry]\n\n\
            Brings the inactive slot to VERSION: fetches what neither slot has, reads every\n\
            byte back, runs the hooks, and writes a boot entry with three tries. If `post`\n\
            asks for it (exit code 100), reboots. The new slot must pass its health checks\n\
            or the machine boots the old one again.\n\n\
            --no-reboot   exit with 100 instead of rebooting\n\
            --retry       take a version although this machine fell back from it before\n"
        }
        "test-upgrade" => {
            "Usage: edeploy-ab test-upgrade VERSION\n\n\
            Says what `upgrade VERSION` would do: files added, changed, removed and kept by\n\
            exclude, bytes to download and to write, room needed on slot and ESP, hooks that\n\
            would run, and whether it would be refused. Changes nothing.\n"
        }
        "verify" => {
            "Usage: edeploy-ab verify\n\n\
            Reads every file of the running slot and compares it with the signed manifest,\n\
            leaving out what the transition excluded, and checks that the metadata in the\n\
            slot signs that manifest. Lists each difference. Exits with 0 if there is none,\n\
            with 9 if there are some.\n"
        }
        "rollback" => {
            "Usage: edeploy-ab rollback [--no-reboot]\n\n\
            Makes the other slot the one that boots, and reboots. Needs no network. /var is\n\
            shared by both slots and stays as it is.\n\n\
            --no-reboot   exit with 100 instead of rebooting\n"
        }
        "bless" => {
            "Usage: edeploy-ab bless\n\n\
            Declares the running slot good: its boot entry loses its try counter. Called by\n\
            edeploy-bless.service once the health checks have passed.\n"
        }
        "repair" | "test-repair" => {
            "Usage: edeploy-ab repair [--wipe]\n\
            \x20      edeploy-ab test-repair\n\n\
            Makes again what is lost or damaged of ESP and state partition, from slots that\n\
            hold what was signed. No slot is written, nothing is fetched. On the machine, or\n\
            from a rescue system with --disk; there --booted says which slot is to boot next,\n\
            else it is the one that ran last, or the newer. A version that was not found good\n\
            here gets three tries. `test-repair` exits with 9 where something is broken.\n\n\
            --wipe        give up what is on a damaged state partition\n"
        }
        "install" => {
            "Usage: edeploy-ab install --disk DEVICE_OR_FILE --role ROLE --version VERSION\n\
            \x20                         --repo URL --root ROOT.JSON [OPTIONS]\n\n\
            Partitions the disk (ESP, slot a, slot b, state), makes the file systems, writes\n\
            and verifies slot a, and makes it bootable. A file must exist with its full size\n\
            (truncate -s 10G disk.img).\n\n\
            --root FILE       the root metadata to trust first; get it by a safe way\n\
            --wipe            install although the disk holds something, be it what an\n\
            \x20                 interrupted install left; all of it is lost\n\
            --ca FILE         certificates to trust for https, now and later\n\
            --profile TEXT    remembered, and told to hooks\n\
            --hostname NAME   host name to start with\n\
            --later URL       where the machine takes upgrades from, if not from --repo;\n\
            \x20                 as --repo, it may be given again\n"
        }
        "remember" => {
            "Usage: edeploy-ab remember [--repo URL]... [--ca FILE] [--profile TEXT]\n\n\
            Changes for good what install left: where upgrades come from, which certificates\n\
            to trust for https, and the profile that hooks are told. --repo replaces all\n\
            addresses: give it for each of them, the preferred one first. New addresses\n\
            without --ca trust the system's certificates. Nothing is fetched; try `list`\n\
            afterwards.\n"
        }
        "version" | "role" | "profile" => {
            "Usage: edeploy-ab version|role|profile\n\n\
            Prints the version, the role or the profile of the running slot on one line.\n"
        }
        #[cfg(feature = "installer")]
        "detect" => {
            "Usage: edeploy-ab detect [--lldp SECONDS] [--hint KEY=VALUE,...]\n\n\
            Lists the machine's hardware, a line of class, item, attribute and value each, as\n\
            eDeploy's specs match them; with --json a list of lists of these four. With\n\
            --hint says instead which disk an install would take: exactly one must fit and\n\
            be neither removable nor in use. Exits with 10 if none does, or more than one.\n\n\
            --lldp SECONDS    wait so long for what switches say of themselves; they speak\n\
            \x20                 every 30 seconds\n\
            --hint KEY=VALUE,...  name, by-id, serial, model, min-size, max-size (100G,\n\
            \x20                 512GiB) and rotational (yes, no); all must hold\n"
        }
        #[cfg(not(feature = "installer"))]
        "detect" => {
            "Usage: edeploy-ab detect\n\n\
            This build is without it; the installer's program has it, built with the feature\n\
            `installer`.\n"
        }
        "boot" => {
            "Usage: edeploy-ab boot\n\n\
            Early boot, called by edeploy-boot.service: mounts the state partition at /var,\n\
            binds the persistent paths, sets the host name, records the boot.\n"
        }
        "health" => {
            "Usage: edeploy-ab health\n\n\
            Runs the health checks, called by edeploy-health.service: each program in\n\
            /usr/lib/edeploy/health.d/required must exit with 0, those in wanted should.\n"
        }
        _ => return None,
    })
}
