//! `rolebuild delta`: a delta between two published versions is made, applied, and published; also that of a version
//! from itself, which `rolebuild publish` makes with the version.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use edeploy_format::delta::Head;
use edeploy_format::exit::Exit;
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::tuf::{Target, Time};

use super::check::{CheckError, Work, check};
use super::choose::Effort;
use super::make::{Cost, Made, MakeError, Tree, make};
use super::own;
use super::published::{Published, PublishedError};
use super::texts;
use crate::durable::Ready;
use crate::failure::Fault;
use crate::keys::Keys;
use crate::publish::{PublishError, compressed, copied};
use crate::site::{Draft, Lifetimes, Site, SiteError};

/// Which delta is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The role.
    pub role: Role,
    /// The version it starts from; the one it leads to, for the delta of a version from itself.
    pub from: Version,
    /// The version it leads to.
    pub to: Version,
    /// How small, and at what cost.
    pub effort: Effort,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Done {
    /// Bytes of delta and index, as published.
    pub bytes: u64,
    /// Bytes of the frames of the pack that it spares.
    pub spares: u64,
    /// Whether it is published; not if it spares nothing.
    pub published: bool,
    /// What its contents cost, in the order of the manifest.
    pub costs: Vec<Cost>,
}

/// Why there is no delta.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// One of the versions.
    #[error(transparent)]
    Published(#[from] PublishedError),
    /// It cannot be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// What was made is wrong.
    #[error("the delta that was made is wrong, and not published; this is a bug")]
    Check(#[from] CheckError),
    /// Scratch files cannot be written.
    #[error("scratch files in {path}")]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written to the site.
    #[error(transparent)]
    Write(#[from] PublishError),
    /// It cannot be signed.
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl Fault for DeltaError {
    fn exit(&self) -> Exit {
        match self {
            Self::Published(error) => error.exit(),
            Self::Make(error) => error.exit(),
            Self::Check(_) | Self::Scratch { .. } => Exit::Failed,
            Self::Write(error) => error.exit(),
            Self::Site(error) => error.exit(),
        }
    }
}

/// Objects with their target names, on the site and without a name there yet.
pub(crate) type Objects = Vec<(String, Target, Ready)>;

/// Makes the delta and publishes it; `made` is told of the bytes of each content that is done.
///
/// # Errors
/// [`DeltaError`]; clients see the state before then.
pub fn publish(
    site: &mut Site,
    wanted: &Wanted,
    keys: &Keys,
    lifetimes: Lifetimes,
    now: Time,
    made: impl FnMut(u64),
) -> Result<Done, DeltaError> {
    let Wanted { role, from, to, .. } = wanted;
    let new = Published::open(site, role, to)?;
    let old = if from == to { None } else { Some(Published::open(site, role, from)?) };
    let (older, newer) = (old.as_ref().map(Published::tree), new.tree());
    let (done, mut objects) = stage(site, wanted, older.as_ref(), &newer, made)?;
    if !done.published {
        return Ok(done);
    }
    if let Some(older) = &older {
        let metadata = site.state().role(role)?;
        objects.extend(texts::stage(&site.targets(), metadata, role, (from, older), (to, &newer))?);
    }
    let mut document = (**site.state().role(role)?.document()).clone();
    for (name, target, ready) in objects {
        ready.put(&target.file(&name)).map_err(PublishError::from)?;
        document.targets.insert(name, target);
    }
    let mut draft = Draft::default();
    draft.roles.insert(role.clone(), document);
    site.commit(draft, keys, lifetimes, now)?;
    Ok(done)
}

/// Makes and applies the delta from `old` to `new`, or that of `new` from itself; there are no objects of one that
/// spares nothing.
pub(crate) fn stage(
    site: &Site,
    wanted: &Wanted,
    old: Option<&Tree<'_>>,
    new: &Tree<'_>,
    made: impl FnMut(u64),
) -> Result<(Done, Objects), DeltaError> {
    let Wanted { role, from, to, effort } = wanted;
    let (targets, place) = (site.targets(), site.folder().to_owned());
    let scratch = |source| DeltaError::Scratch { path: place.clone(), source };
    let folder = tempfile::Builder::new().prefix(".delta-").tempdir_in(&place).map_err(scratch)?;
    let [delta, index] = ["delta", "index"].map(|name| folder.path().join(name));
    let create = |path: &Path| File::create(path).map(BufWriter::new).map_err(scratch);
    let (mut to_delta, mut to_index) = (create(&delta)?, create(&index)?);
    let work = match old {
        Some(old) => make(old, new, *effort, folder.path(), &mut to_delta, &mut to_index, made)?,
        None => own::make(new, *effort, folder.path(), &mut to_delta, &mut to_index)?,
    };
    [&mut to_delta, &mut to_index].into_iter().try_for_each(Write::flush).map_err(scratch)?;
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(scratch);
    let Made { wanted: makes, kept, contents: all, .. } = &work;
    let head = Head { from: old.unwrap_or(new).digest, to: new.digest };
    let expected = Work {
        head,
        wanted: makes,
        kept: &|content| kept.contains(content),
        read: &|content| all.read(content).map(Cow::Borrowed),
    };
    check(open(&index)?, open(&delta)?, &expected)?;

    let (index_ready, contents, index_length, index_hash) = compressed(&targets, "delta-index", &index)?;
    let (delta_ready, delta_length, delta_hash) = copied(&targets, "delta", &delta)?;
    let (bytes, spares) = (index_length + delta_length, work.spares);
    let done = Done { bytes, spares, published: bytes < spares, costs: work.costs };
    if !done.published {
        return Ok((done, Vec::new()));
    }
    let delta = Target::new(delta_length, delta_hash, None::<&()>);
    let index = Target::new(index_length, index_hash, Some(&contents));
    let objects = vec![
        (Object::Delta(from).target(role, to), delta, delta_ready),
        (Object::DeltaIndex(from).target(role, to), index, index_ready),
    ];
    Ok((done, objects))
}
