//! The product, as its users have it: two programs, a published site, a disk image.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::Bench;
use crate::error::{Result, file, unexpected};
use crate::folder;
use crate::run::{Call, Ended};
use crate::trees::{PAIRS, Pair, Trees};

/// The loader of Debian's systemd-boot-efi.
const LOADER: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// The time that is in the trees; fixed, so that building again makes the same.
const EPOCH: &str = "1763000000";
/// An upgrade that asks for a reboot ends with it.
const REBOOT: i32 = 100;

/// A role of the benchmark.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its name.
    pub name: &'static str,
    /// The size of its slots; also that of the image which image-based updaters would write.
    pub slot: &'static str,
    /// Whether its trees come without kernel and initrd.
    pub bare: bool,
}

/// The roles of the trees.
pub const ROLES: [Role; 3] = [
    Role { name: "web", slot: "700MiB", bare: false },
    Role { name: "db", slot: "1200MiB", bare: false },
    Role { name: "min", slot: "400MiB", bare: true },
];

/// A site that is made and asked by the two programs.
#[derive(Clone, Debug)]
pub struct Site {
    rolebuild: PathBuf,
    updater: PathBuf,
    folder: PathBuf,
    /// What all sites of a work folder share: keys, recipes, transitions.
    shared: PathBuf,
}

impl Site {
    /// The site in a folder; it need not be there yet.
    pub fn at(bench: &Bench, folder: PathBuf) -> Self {
        let Bench { cli, .. } = bench;
        let (rolebuild, updater) = (cli.rolebuild.clone(), cli.updater.clone());
        Self { rolebuild, updater, folder, shared: bench.path("shared") }
    }

    /// The folder that is published.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn rolebuild(&self, command: &str) -> Call {
        Call::new("env").arg(format!("SOURCE_DATE_EPOCH={EPOCH}")).arg(&self.rolebuild).arg(command)
    }

    fn keys(&self) -> PathBuf {
        self.shared.join("keys")
    }

    /// Makes it, empty.
    ///
    /// # Errors
    /// When `rolebuild init` fails.
    pub fn init(&self) -> Result<()> {
        folder::remove(&self.folder)?;
        let rules = self.shared.join("metadata/any/any/any");
        fs::create_dir_all(&rules).map_err(file("making", &rules))?;
        for name in ["exclude", "add_only"] {
            fs::write(rules.join(name), "").map_err(file("writing", &rules))?;
        }
        self.rolebuild("init").option("--repo", &self.folder).option("--keys", self.keys()).run().map(|_| ())
    }

    /// The recipe of a role, written anew.
    ///
    /// # Errors
    /// When it cannot be written, or this machine has no loader to lay into the tree.
    pub fn recipe(&self, role: Role) -> Result<PathBuf> {
        let recipe = self.shared.join("recipes").join(role.name);
        let lay = |path: &str, bytes: &[u8]| -> Result<()> {
            let path = recipe.join(path);
            let parent = path.parent().unwrap_or(&recipe);
            fs::create_dir_all(parent).map_err(file("making", parent))?;
            fs::write(&path, bytes).map_err(file("writing", &path))
        };
        let text = format!("role = \"{}\"\nslot-size = \"{}\"\n", role.name, role.slot);
        lay("recipe.toml", text.as_bytes())?;
        let loader = Path::new("/").join(LOADER);
        let loader = fs::read(&loader)
            .map_err(|_| unexpected(loader.display().to_string(), "apt-get install systemd-boot-efi"))?;
        lay(&format!("files/{LOADER}"), &loader)?;
        if role.bare {
            // The same in both versions, and small: no part of what is compared.
            lay("files/boot/vmlinuz-0", &[0x90; 4096])?;
            let empty =
                Call::shell("echo . | cpio --quiet --reproducible -R 0:0 -o -H newc").within(&self.shared);
            lay("files/boot/initrd.img-0", empty.run()?.as_bytes())?;
        }
        Ok(recipe)
    }

    /// Builds a version from a tree, an archive or a folder.
    ///
    /// # Errors
    /// When `rolebuild build` fails.
    pub fn build(&self, role: Role, version: &str, tree: &Path) -> Result<Ended> {
        let recipe = self.recipe(role)?;
        let from = if tree.is_dir() { "--from-dir" } else { "--from-tar" };
        let call = self.rolebuild("build").arg(recipe).arg("--json").option("--version", version);
        let call = call.option("--repo", &self.folder).option("--builds", self.builds());
        call.option("--updater", &self.updater).option(from, tree).measure()
    }

    /// Where builds of this site are.
    pub fn builds(&self) -> PathBuf {
        self.folder.with_extension("builds")
    }

    /// Publishes a version that was built.
    ///
    /// # Errors
    /// When `rolebuild publish` fails.
    pub fn publish(&self, role: &str, version: &str) -> Result<()> {
        let call = self.rolebuild("publish").args([role, version]).option("--repo", &self.folder);
        let call = call.option("--builds", self.builds()).option("--keys", self.keys());
        call.option("--metadata", self.shared.join("metadata")).run().map(|_| ())
    }

    /// Makes and publishes the delta between two versions.
    ///
    /// # Errors
    /// When `rolebuild delta` fails.
    pub fn delta(&self, role: &str, from: &str, to: &str, more: &[&str]) -> Result<Ended> {
        let call = self.rolebuild("delta").args([role, from, to]).arg("--json").args(more);
        call.option("--repo", &self.folder).option("--keys", self.keys()).measure()
    }

    /// An object of a version, as it is fetched.
    ///
    /// # Errors
    /// When there is none.
    pub fn target(&self, role: &str, version: &str, object: &str) -> Result<PathBuf> {
        let found = self.targets(role, version, object)?.into_iter().next();
        found
            .map(|(path, _)| path)
            .ok_or_else(|| unexpected(format!("{role} {version}"), format!("no {object}")))
    }

    /// The length of an object of a version; 0 where there is none.
    ///
    /// # Errors
    /// When the site cannot be read.
    pub fn object(&self, role: &str, version: &str, object: &str) -> Result<u64> {
        Ok(self.targets(role, version, object)?.first().map_or(0, |(_, length)| *length))
    }

    /// The objects of that name, the newest first: a delta that is made again may leave the one before it.
    fn targets(&self, role: &str, version: &str, object: &str) -> Result<Vec<(PathBuf, u64)>> {
        let name = format!(".{role}@{version}@{object}");
        let mut files = folder::files(&self.folder.join("targets"))?;
        files.retain(|(path, _)| path.to_string_lossy().ends_with(&name));
        let written = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
        files.sort_by_cached_key(|(path, _)| std::cmp::Reverse(written(path)));
        Ok(files)
    }

    /// The delta and its index, in bytes.
    ///
    /// # Errors
    /// When there is none: the whole contents are fewer bytes.
    pub fn delta_bytes(&self, role: &str, from: &str, to: &str) -> Result<u64> {
        let delta = self.object(role, to, &format!("delta@{from}"))?;
        let index = self.object(role, to, &format!("delta-index@{from}"))?;
        if delta == 0 {
            return Err(unexpected(format!("the delta {from} to {to}"), "it spares nothing"));
        }
        Ok(delta + index)
    }

    /// A copy of it that shares the files: what one of both changes does not show in the other, as each file is written
    /// anew and renamed.
    ///
    /// # Errors
    /// When that fails.
    pub fn copy(&self, folder: PathBuf) -> Result<Self> {
        folder::remove(&folder)?;
        let parent = folder.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(file("making", parent))?;
        Call::new("cp").arg("-al").arg(&self.folder).arg(&folder).run()?;
        Ok(Self { folder, ..self.clone() })
    }

    /// Installs a version on a new image.
    ///
    /// # Errors
    /// When `edeploy-ab install` fails.
    pub fn install(&self, role: &str, version: &str, image: &Path, size: u64) -> Result<Ended> {
        folder::remove(image)?;
        let new = fs::File::create(image).map_err(file("making", image))?;
        new.set_len(size).map_err(file("making", image))?;
        // Not as JSON: that leaves out how long each stage took.
        let call = Call::new(&self.updater).words("install --disk").arg(image);
        let call =
            call.args(["--role", role, "--version", version, "--repo"]).arg(&self.folder).arg("--root");
        call.arg(self.folder.join("metadata/1.root.json")).measure()
    }

    /// A call of the host's program on an image of which slot `booted` counts as running.
    pub fn host(&self, command: &str, image: &Path, booted: &str) -> Call {
        Call::new(&self.updater).args([command, "--json", "--disk"]).arg(image).args(["--booted", booted])
    }

    /// Upgrades an image that runs slot a.
    ///
    /// # Errors
    /// When `edeploy-ab upgrade` fails.
    pub fn upgrade(&self, image: &Path, version: &str) -> Result<Ended> {
        self.upgrade_from(&self.folder, image, version).measure()
    }

    /// The call that upgrades an image that runs slot a, from an address.
    pub fn upgrade_from(&self, repo: impl AsRef<OsStr>, image: &Path, version: &str) -> Call {
        let call = self.host("upgrade", image, "a").arg("--repo").arg(repo);
        call.args(["--no-reboot", version]).or_code(REBOOT)
    }

    /// What an upgrade would do, as JSON.
    ///
    /// # Errors
    /// When `edeploy-ab test-upgrade` fails, or says something else.
    pub fn plan(&self, image: &Path, version: &str) -> Result<Value> {
        let call = self.host("test-upgrade", image, "a").arg("--repo").arg(&self.folder).arg(version);
        parse(&call.run()?)
    }
}

/// The answer of a program in JSON.
///
/// # Errors
/// When it is something else.
pub fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| unexpected("an answer", format!("{e}: {text}")))
}

/// A number of an answer.
///
/// # Errors
/// When it is not there.
pub fn number(answer: &Value, key: &str) -> Result<u64> {
    answer[key].as_u64().ok_or_else(|| unexpected("an answer", format!("no number {key:?}")))
}

/// The role of a name.
///
/// # Errors
/// When there is none.
pub fn role(name: &str) -> Result<Role> {
    ROLES.into_iter().find(|role| role.name == name).ok_or_else(|| unexpected("roles", name))
}

/// The site with all trees published and no deltas; made anew for another build of ours.
///
/// # Errors
/// When a tree cannot be built.
pub fn site(bench: &mut Bench, trees: &Trees) -> Result<Site> {
    let (stamp, build) = (bench.path("site.stamp"), bench.build()?.to_owned());
    let site = Site::at(bench, bench.path("site"));
    if fs::read_to_string(&stamp).unwrap_or_default() != build {
        folder::remove(&stamp)?;
        // What was made from it is of no use any more.
        for made in ["deltas", "finished", "images"] {
            folder::remove(&bench.path(made))?;
        }
        site.init()?;
        fs::write(&stamp, &build).map_err(file("writing", &stamp))?;
    }
    let wanted = |pair: &Pair| bench.wants(&pair.name()) || bench.wants(&pair.beside());
    let wanted: Vec<Pair> = PAIRS.into_iter().filter(wanted).collect();
    for pair in wanted {
        for version in [pair.from, pair.to] {
            if site.object(pair.role, version, "manifest")? == 0 {
                bench.tell(&format!("building and publishing {version}"));
                site.build(role(pair.role)?, version, &trees.archive(version))?;
                site.publish(pair.role, version)?;
                folder::remove(&site.builds())?;
            }
        }
    }
    Ok(site)
}
