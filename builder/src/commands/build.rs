//! `rolebuild build RECIPE --version V`: one version of a role, from its recipe.

use std::ffi::OsString;
use std::path::PathBuf;

use edeploy_format::exit::Exit;

use crate::build::{self, Built, Request, Source};
use crate::failure::{Failure, Fault};
use crate::keys::Keys;
use crate::ostree::Repository;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::{cli, clock, sandbox, site};

/// The variable is no time that has been.
#[derive(Debug, thiserror::Error)]
#[error("SOURCE_DATE_EPOCH is {0:?}: it must be a number of seconds since 1970, and not in the future")]
struct NotAnEpoch(String);

impl Fault for NotAnEpoch {
    fn exit(&self) -> Exit {
        Exit::Input
    }
}

/// Builds; `None` when a copy of this program did it as root of a user namespace, and answered itself.
///
/// # Errors
/// Those of [`build::build`].
pub fn run(args: &cli::Build) -> Result<Ended, Failure> {
    let recipe = Recipe::load(&args.recipe, &args.version)?;
    let epoch = epoch()?;
    let progress = Progress::new();
    if !rustix::process::geteuid().is_root() {
        return as_user(args, &recipe, epoch, &progress);
    }
    let keys = Keys::load(&args.keys)?;
    let ostree = Repository::open(&args.repo.join("ostree"))?;
    let serial = match args.serial {
        Some(serial) => serial,
        None => serial(args, &recipe, &ostree)?,
    };
    let request = Request {
        recipe: &recipe,
        epoch,
        source: &source(args),
        builds: &args.builds,
        updater: &updater(args),
        site: &args.repo,
        ostree: &ostree,
        serial,
        signing: keys.needles(),
    };
    build::build(&request, &progress).map(|built| Ended::Here(Box::new(built)))
}

/// Where a build ended.
#[derive(Debug)]
pub enum Ended {
    /// In this process, with this answer.
    Here(Box<Built>),
    /// In a process that has answered, with this exit code.
    Elsewhere(u8),
}

/// Installs the packages as this user, then goes on as root of a user namespace, where owners are real.
fn as_user(args: &cli::Build, recipe: &Recipe, epoch: u64, progress: &Progress) -> Result<Ended, Failure> {
    let mut again: Vec<OsString> = std::env::args_os().skip(1).collect();
    let work = build::work_folder(&args.builds)?;
    if let Source::Packages(keep) = source(args) {
        let archive = build::install_packages(recipe, epoch, work.path(), keep.as_deref(), progress)?;
        again.extend(["--from-tar".into(), archive.into()]);
    }
    let status = sandbox::again_as_root(again, epoch)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Ended::Elsewhere(code.unwrap_or(Exit::Failed as u8)))
}

fn source(args: &cli::Build) -> Source {
    match (&args.from_dir, &args.from_tar) {
        (Some(folder), _) => Source::Folder(folder.clone()),
        (None, Some(archive)) => Source::Archive(archive.clone()),
        (None, None) => Source::Packages(args.keep_base.clone()),
    }
}

/// The serial of a version: the one it has, else one more than the highest that was built or published.
fn serial(args: &cli::Build, recipe: &Recipe, ostree: &Repository) -> Result<u64, Failure> {
    let published = site::next_serial(&args.repo, &recipe.role, &recipe.version)?;
    let held = ostree.versions(&recipe.role)?;
    let own = held.iter().find(|held| held.version == recipe.version).map(|held| held.serial);
    let next = held.last().map_or(1, |held| held.serial + 1);
    Ok(own.unwrap_or(next).max(published))
}

/// The build time of a version: as told by the environment, else now.
fn epoch() -> Result<u64, NotAnEpoch> {
    let now = clock::now().seconds();
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(now) };
    let text = text.to_string_lossy().into_owned();
    // A time in the future would leave the build's own times in the tree.
    text.parse().ok().filter(|epoch| *epoch <= now).ok_or(NotAnEpoch(text))
}

fn updater(args: &cli::Build) -> PathBuf {
    let beside = || std::env::current_exe().unwrap_or_default().with_file_name("edeploy-ab");
    args.updater.clone().unwrap_or_else(beside)
}
