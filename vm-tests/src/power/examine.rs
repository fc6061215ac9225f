//! Whether a machine goes on from the disk that a cut left.

use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use super::esp::{Decision, decide};
use super::medium::Medium;
use super::own::mounted;
use crate::disk::{ALL, SLOTS, STATE, check_raw};
use crate::tool::{edeploy_ab, output};

/// A version and the manifest it is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub name: String,
    /// The digest of its manifest.
    pub manifest: Digest,
}

/// The versions of a recording.
#[derive(Clone, Debug)]
pub struct Versions {
    /// What ran before, in slot a.
    pub old: Version,
    /// What was upgraded to, in slot b.
    pub new: Version,
    /// What is upgraded to where the new one runs.
    pub next: Version,
    /// The published folder.
    pub site: PathBuf,
}

/// What would run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The version from before.
    Old,
    /// The version that was upgraded to.
    New,
}

impl Versions {
    /// The versions of a role on a site.
    ///
    /// # Panics
    /// If one of them was not built there.
    #[must_use]
    pub fn on(site: &Path, builds: &Path, role: &str, [old, new, next]: [&str; 3]) -> Self {
        let version = |name: &str| {
            let manifest = builds.join(format!("{role}@{name}")).join("manifest");
            let manifest = std::fs::read(manifest).expect("the manifest of a build");
            Version { name: name.to_owned(), manifest: Digest::of(&manifest) }
        };
        Self { old: version(old), new: version(new), next: version(next), site: site.to_owned() }
    }

    /// What a decision means.
    ///
    /// # Errors
    /// If it is another version than these, or one in the wrong slot.
    pub fn outcome(&self, decision: &Decision) -> Result<Outcome, String> {
        match (decision.name.slot, decision.manifest) {
            (Slot::A, manifest) if manifest == self.old.manifest => Ok(Outcome::Old),
            (Slot::B, manifest) if manifest == self.new.manifest => Ok(Outcome::New),
            (slot, manifest) => {
                Err(format!("{} boots manifest {manifest} in slot {slot}", decision.choice.file))
            }
        }
    }

    /// Replays the journals of the slot that boots and of the state partition, as their mounting does, and
    /// verifies the whole slot.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn verify(&self, image: &Path, slot: Slot) -> Result<(), String> {
        let medium = Medium::of(image);
        for number in [SLOTS[slot.index()], STATE] {
            mounted(image, medium.place(number), "true")?;
        }
        edeploy(image, slot, &["verify"], &[0]).map(drop)
    }

    /// Runs the next upgrade, as a machine does that boots what `decision` says, to its end: the new version is
    /// staged, would boot, and verifies; a new version that runs already is blessed and left for the next one.
    /// Afterwards all file systems are sound.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn go_on(&self, image: &Path, decision: &Decision) -> Result<(), String> {
        let (slot, counted) = (decision.name.slot, decision.choice.counted);
        match self.outcome(decision)? {
            Outcome::Old => self.upgrade(image, slot, &self.new)?,
            Outcome::New => {
                self.command(image, slot, &["upgrade", &self.new.name], &[0])?;
                if counted {
                    edeploy(image, slot, &["bless"], &[0])?;
                }
                let blessed = decide(&Medium::of(image))?;
                if blessed.choice.counted || blessed.manifest != self.new.manifest {
                    return Err(format!("after the blessing {} boots", blessed.choice.file));
                }
                self.upgrade(image, slot, &self.next)?;
            }
        }
        check_raw(image, &ALL)
    }

    /// Upgrades from `slot` to `version`, and looks at what would boot then.
    fn upgrade(&self, image: &Path, slot: Slot, version: &Version) -> Result<(), String> {
        // 0: it was staged and armed already.
        self.command(image, slot, &["upgrade", &version.name], &[100, 0])?;
        let staged = decide(&Medium::of(image))?;
        if (staged.name.slot, staged.manifest) != (slot.other(), version.manifest) || !staged.choice.counted {
            return Err(format!("after the upgrade to {} boots {staged:?}", version.name));
        }
        edeploy(image, slot.other(), &["verify"], &[0]).map(drop)
    }

    fn command(&self, image: &Path, slot: Slot, command: &[&str], codes: &[i32]) -> Result<String, String> {
        edeploy(image, slot, &[command, &["--repo", text(&self.site)]].concat(), codes)
    }
}

/// Runs the program on an image whose running slot is `slot`; what it said.
fn edeploy(image: &Path, slot: Slot, command: &[&str], codes: &[i32]) -> Result<String, String> {
    let booted = slot.to_string();
    let args = [command, &["--disk", text(image), "--booted", &booted]].concat();
    let ended = output(edeploy_ab(), &args);
    let [out, err] = [&ended.stdout, &ended.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match ended.status.code() {
        Some(code) if codes.contains(&code) => Ok(out + &err),
        _ => Err(format!("edeploy-ab {args:?}: {}\n{out}{err}", ended.status)),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
