//! One version of a role, from its recipe to manifest, pack and bill of materials.
//!
//! All work is done in a folder of its own beside the builds; the finished build appears there under its name in one
//! rename, in place of an earlier build of the same version. What is published stays: a build that makes something
//! else under the name of a published version is refused, and leaves refs, objects and builds as they were.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Reader};
use edeploy_format::name::{Role, Version};
use serde::Serialize;
use tempfile::TempDir;

use crate::failure::{Failure, Fault};
use crate::finish::{self, Boot};
use crate::ids::{self, Accounts};
use crate::import;
use crate::keys::Needles;
use crate::mmdebstrap;
use crate::ostree::{Identity, OstreeError, Pending, Repository};
use crate::overlay::Overlay;
use crate::pack::{self, Earlier, Packed, Plan};
use crate::progress::Progress;
use crate::recipe::{Layer, Recipe};
use crate::sandbox;
use crate::sbom;
use crate::scan::{self, Content, Survey};
use crate::site::{Site, SiteError};
use crate::tree::Tree;

/// The least updater that can install the trees made here.
const LEAST_UPDATER: &str = "0.1.0";
/// The least a slot has by default; also three times the tree, so that it can grow.
const LEAST_SLOT: u64 = 4 << 30;

/// Where a tree comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// From the recipe's packages; the archive they made is kept there, where one is named.
    Packages(Option<PathBuf>),
    /// From a folder.
    Folder(PathBuf),
    /// From a tar archive.
    Archive(PathBuf),
}

/// What is to be built.
#[derive(Debug)]
pub struct Request<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// No file of the tree is younger than this, in seconds since 1970; the build time of the version.
    pub epoch: u64,
    /// Where the tree comes from.
    pub source: &'a Source,
    /// The folder of builds.
    pub builds: &'a Path,
    /// The host binary.
    pub updater: &'a Path,
    /// The folder of the published site, where there is one.
    pub site: &'a Path,
    /// Its OSTree repository.
    pub ostree: &'a Repository,
    /// The serial of the version.
    pub serial: u64,
    /// What no file may hold of the keys of the site.
    pub signing: &'a Needles,
}

/// What was built.
#[derive(Debug, Serialize)]
pub struct Built {
    role: String,
    version: String,
    serial: u64,
    manifest: String,
    ostree: String,
    entries: u64,
    bytes: u64,
    pack_bytes: u64,
    pack_frames: u64,
    folder: PathBuf,
}

impl fmt::Display for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} (serial {}) in {}", self.role, self.version, self.serial, self.folder.display())?;
        writeln!(f, "manifest {}\nostree commit {}", self.manifest, self.ostree)?;
        write!(f, "{} paths, {} bytes, packed {} bytes", self.entries, self.bytes, self.pack_bytes)
    }
}

/// A file or folder of the build cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path}")]
pub struct BuildError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Fault for BuildError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// The version is published, and this build is another.
#[derive(Debug, thiserror::Error)]
#[error(
    "{role} {version} is published with manifest {published}, this build has {built}; a change needs a new version"
)]
pub struct Another {
    role: Role,
    version: Version,
    published: Digest,
    built: Digest,
}

impl Fault for Another {
    fn exit(&self) -> Exit {
        Exit::Refused
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError { doing, path, source }
}

/// A folder for the work of one build, which goes when it is done.
///
/// # Errors
/// [`BuildError`].
pub fn work_folder(builds: &Path) -> Result<TempDir, BuildError> {
    fs::create_dir_all(builds).map_err(failed("making", builds))?;
    tempfile::Builder::new().prefix(".work-").tempdir_in(builds).map_err(failed("making a folder in", builds))
}

/// Builds a version.
///
/// # Errors
/// [`Failure`] of whichever part failed; an earlier build of the version is then still there.
pub fn build(request: &Request<'_>, progress: &Progress) -> Result<Built, Failure> {
    let work = work_folder(request.builds)?;
    let (tree, _overlay) = base(request, work.path(), progress)?;
    finish::defaults(&tree, request.recipe)?;
    for layer in &request.recipe.layers {
        lay(&tree, request, layer, progress)?;
    }
    let sbom = sbom::document(&tree, request.recipe, request.epoch)?;
    progress.stage("finishing the tree");
    let Request { recipe, updater, signing, .. } = *request;
    let (boot, survey) = finish::finish(&tree, recipe, updater, signing, progress)?;
    check_ids(request, &tree)?;
    let site = site(request)?;
    let commit = commit(request, &tree, survey, progress)?;
    let out = work.path().join("out");
    fs::create_dir(&out).map_err(failed("making", &out))?;
    let head = head(request, boot, survey, commit.checksum().to_owned());
    let manifest = write_manifest(&tree, &head, commit.contents(), &out, progress)?;
    let commit = keep(request, site.as_ref(), commit, manifest)?;
    drop(site);
    let earlier = Earlier::find(request.builds, &request.recipe.role);
    let packed = write_pack(&tree, survey, &out, &earlier, progress)?;
    let path = out.join("sbom");
    fs::write(&path, sbom).map_err(failed("writing", &path))?;
    let folder = publish_locally(request, work.path(), &out)?;
    Ok(Built {
        role: recipe.role.to_string(),
        version: recipe.version.to_string(),
        serial: request.serial,
        manifest: manifest.to_string(),
        ostree: commit,
        entries: survey.entries,
        bytes: survey.bytes,
        pack_bytes: packed.compressed,
        pack_frames: packed.frames,
        folder,
    })
}

/// The tree as it comes, in the work folder or over the folder that it comes from.
fn base(request: &Request<'_>, work: &Path, progress: &Progress) -> Result<(Tree, Option<Overlay>), Failure> {
    // Scripts run in another process, which the overlay is not for.
    let scripts = request.recipe.layers.iter().any(|layer| !layer.scripts.is_empty());
    if let (Source::Folder(folder), false) = (request.source, scripts)
        && let Some(overlay) = Overlay::over(folder, work)
    {
        return Ok((Tree::new(overlay.root()), Some(overlay)));
    }
    let root = work.join("tree");
    fs::create_dir(&root).map_err(failed("making", &root))?;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).map_err(failed("making", &root))?;
    match request.source {
        Source::Packages(keep) => {
            let archive = install_packages(request.recipe, request.epoch, work, keep.as_deref(), progress)?;
            progress.stage("unpacking the tree");
            import::from_tar(&archive, &root)?;
            fs::remove_file(&archive).map_err(failed("removing", &archive))?;
        }
        Source::Archive(archive) => {
            progress.stage("unpacking the tree");
            import::from_tar(archive, &root)?;
        }
        Source::Folder(folder) => {
            progress.stage("copying the tree");
            import::from_dir(folder, &root)?;
        }
    }
    Ok((Tree::new(root), None))
}

/// Makes an archive of the recipe's packages in the work folder, and copies it to where it is kept.
///
/// # Errors
/// Those of mmdebstrap, or [`BuildError`].
pub fn install_packages(
    recipe: &Recipe,
    epoch: u64,
    work: &Path,
    keep: Option<&Path>,
    progress: &Progress,
) -> Result<PathBuf, Failure> {
    progress.stage("installing packages");
    let archive = work.join("base.tar");
    mmdebstrap::install(recipe, epoch, &archive)?;
    if let Some(keep) = keep {
        fs::copy(&archive, keep).map_err(failed("writing", keep))?;
    }
    Ok(archive)
}

/// Removes what a layer does not want, lays its files over the tree, then runs its scripts in it.
fn lay(tree: &Tree, request: &Request<'_>, layer: &Layer, progress: &Progress) -> Result<(), Failure> {
    finish::remove(tree, &layer.remove)?;
    if let Some(files) = &layer.files {
        finish::lay_files(tree, files)?;
    }
    for script in &layer.scripts {
        progress.stage(&format!("running {}", script.display()));
        sandbox::run_script(tree, request.recipe, request.epoch, script)?;
    }
    Ok(())
}

/// Checks the numbers of users and groups against the recipe's table and the latest other version.
fn check_ids(request: &Request<'_>, tree: &Tree) -> Result<(), Failure> {
    let Request { recipe, ostree, .. } = request;
    let accounts = Accounts::of(tree)?;
    accounts.check_fixed(&recipe.ids)?;
    let held = ostree.versions(&recipe.role)?;
    let Some(latest) = held.iter().rfind(|held| held.version != recipe.version) else { return Ok(()) };
    let text = |path: &str| ostree.read(&latest.commit, path).map(Option::unwrap_or_default);
    let earlier = Accounts::parse(&text(ids::PASSWD)?, &text(ids::GROUP)?);
    Ok(accounts.check_drift(&earlier, &latest.version)?)
}

fn commit<'a>(
    request: &Request<'a>,
    tree: &Tree,
    survey: Survey,
    progress: &Progress,
) -> Result<Pending<'a>, OstreeError> {
    progress.bytes("committing the tree to OSTree", survey.bytes);
    let Recipe { role, version, .. } = request.recipe;
    let identity = Identity { role, version, serial: request.serial, epoch: request.epoch };
    request.ostree.commit(tree.root(), identity, |bytes| progress.advance(bytes))
}

/// The site, held until the commit has its ref: nobody publishes or prunes meanwhile.
fn site(request: &Request<'_>) -> Result<Option<Site>, SiteError> {
    match Site::open(request.site) {
        Ok(site) => Ok(Some(site)),
        Err(SiteError::NoSite(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives the commit its ref, unless the version is published with another manifest.
fn keep(
    request: &Request<'_>,
    site: Option<&Site>,
    commit: Pending<'_>,
    built: Digest,
) -> Result<String, Failure> {
    let Recipe { role, version, .. } = request.recipe;
    match site.and_then(|site| site.state().published(role, version)) {
        Some(published) if published != built => {
            let (role, version) = (role.clone(), version.clone());
            Err(Another { role, version, published, built }.into())
        }
        Some(_) | None => Ok(commit.finish()?),
    }
}

fn head(request: &Request<'_>, boot: Boot, survey: Survey, commit: String) -> Head {
    let recipe = request.recipe;
    let default_slot = LEAST_SLOT.max(survey.bytes.saturating_mul(3).next_multiple_of(1 << 20));
    Head {
        role: recipe.role.clone(),
        version: recipe.version.clone(),
        serial: request.serial,
        architecture: recipe.architecture.clone(),
        built: request.epoch,
        kernel: boot.kernel,
        initrd: boot.initrd,
        loader: boot.loader,
        options: recipe.options(),
        slot_size: recipe.slot_size.unwrap_or(default_slot),
        persistent: recipe.persistent.iter().map(|p| p.path.clone()).collect(),
        ostree: Some(commit),
        updater: LEAST_UPDATER.to_owned(),
        entries: survey.entries,
        bytes: survey.bytes,
    }
}

fn write_manifest(
    tree: &Tree,
    head: &Head,
    contents: &[Content],
    out: &Path,
    progress: &Progress,
) -> Result<Digest, Failure> {
    progress.stage("writing the manifest");
    let path = out.join("manifest");
    let file = BufWriter::new(File::create(&path).map_err(failed("writing", &path))?);
    let (_, digest) = scan::write_manifest(tree.root(), head, contents, file)?;
    Ok(digest)
}

fn write_pack(
    tree: &Tree,
    survey: Survey,
    out: &Path,
    earlier: &Earlier,
    progress: &Progress,
) -> Result<Packed, Failure> {
    progress.bytes("packing the tree", survey.bytes);
    let path = out.join("manifest");
    let manifest = File::open(&path).map_err(failed("opening", &path))?;
    let mut manifest = Reader::new(BufReader::new(manifest)).map_err(pack::PackError::Manifest)?;
    let plan = Plan::of(tree.root(), &mut manifest)?;
    let told = |bytes| progress.advance(bytes);
    if let Some(packed) = earlier.share(&plan, out)? {
        told(packed.contents);
        return Ok(packed);
    }
    let create = |name: &str| {
        let path = out.join(name);
        File::create_new(&path).map(BufWriter::new).map_err(failed("writing", &path))
    };
    let (mut pack, mut index) = (create("pack")?, create("pack-index")?);
    Ok(pack::write(tree.root(), &plan, &mut pack, &mut index, earlier, told)?)
}

/// Moves the finished build to its name; an earlier one goes with the work folder.
fn publish_locally(request: &Request<'_>, work: &Path, out: &Path) -> Result<PathBuf, BuildError> {
    let recipe = request.recipe;
    let folder = request.builds.join(format!("{}@{}", recipe.role, recipe.version));
    if folder.exists() {
        fs::rename(&folder, work.join("before")).map_err(failed("replacing", &folder))?;
    }
    fs::rename(out, &folder).map_err(failed("making", &folder))?;
    Ok(folder)
}
