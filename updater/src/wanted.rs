//! A published version that a command is to bring: chosen, checked, and ready to be written.

use std::fs::File;
use std::io::{BufReader, Seek};

use edeploy_format::delta::{self, IndexReader};
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Reader};
use edeploy_format::name::{Architecture, Object, Version};
use edeploy_format::transition::{Rule, Transition};
use edeploy_format::tuf::{AGAINST_LIMIT, Contents, Listed, Target};

use crate::failure::Failure;
use crate::fetch::{Fetch, FetchError};
use crate::progress::Progress;
use crate::slot::{Boot, Frames, Tree, survey};
use crate::trust::{ObjectError, Scratch, Trusted, into_memory, unpacked};

/// What an upgrade writes beside that, into its journal: a few lines, or all of it anew.
const JOURNAL: u64 = crate::journal::LIMIT;
/// No transition is longer.
const TRANSITION_LIMIT: u64 = 4 << 20;

/// What a slot calls the manifest of what it holds.
pub const MANIFEST: &str = "manifest";
/// And the index of its pack, which is there where it is short enough to be of use.
const PACK_INDEX: &str = "pack-index";

/// A version with all that is needed to bring it, its pack left on the site.
pub struct Wanted {
    /// What made it believable.
    pub trusted: Trusted,
    /// Which it is.
    pub published: Listed,
    /// Its manifest, in a scratch file.
    pub manifest: File,
    /// The head of the manifest.
    pub head: Head,
    /// What it boots with.
    pub boot: Boot,
    /// Bytes of what came to describe it: manifest, transition and indexes.
    pub described: u64,
    transition: Transition,
    pack_index: File,
    index_length: u64,
    pack_path: String,
    delta: Option<Delta>,
}

/// A delta with its index, left on the site itself.
struct Delta {
    from: Version,
    index: File,
    /// Bytes of the index, as they came.
    described: u64,
    path: String,
}

impl Wanted {
    /// Fetches and checks `version`; its pack is not touched.
    ///
    /// # Errors
    /// [`Exit::NotFound`], [`Exit::Untrusted`], [`Exit::Network`] or [`Exit::Space`].
    pub fn fetch(
        fetch: &dyn Fetch,
        trusted: Trusted,
        version: &Version,
        architecture: &Architecture,
        running: Option<Running<'_>>,
        scratch: Scratch<'_>,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let published = trusted.find(version)?;
        allowed(&trusted, &published, architecture)?;
        progress.stage("fetching the manifest", 0);
        let text = |object| Text::of(&trusted, version, object);
        let (manifest, index) = (text(Object::Manifest)?, text(Object::PackIndex)?);
        // Each is there compressed too while it is unpacked.
        let compressed = manifest.target.length.max(index.target.length);
        let sizes = [manifest.contents.size, index.contents.size, compressed, JOURNAL];
        let needed = sizes.into_iter().fold(0, u64::saturating_add);
        scratch.must_have(&format!("what describes {version}"), needed)?;
        let (index_length, mut described) = (index.contents.size, 0);
        let mut plain = |text: &Text<'_>| {
            let (file, bytes) = text.fetch(fetch, &trusted, running, scratch, progress)?;
            described += bytes;
            Ok::<_, Failure>(file)
        };
        let (manifest, pack_index) = (plain(&manifest)?, plain(&index)?);
        let (name, target) = trusted.object(Object::Transition, version)?;
        let described = described + target.length;
        let bytes = into_memory(fetch, &name, target, TRANSITION_LIMIT)?;
        let transition = Transition::parse(&bytes, trusted.role(), version)?;
        let (name, target) = trusted.object(Object::Pack, version)?;
        let pack_path = format!("targets/{}", target.file(&name));
        progress.done();
        let head = head(&manifest)?;
        identical(&head, &trusted, &published)?;
        let boot = survey(&manifest)?;
        let delta = None;
        Ok(Self {
            published,
            manifest,
            head,
            boot,
            described,
            transition,
            pack_index,
            index_length,
            pack_path,
            delta,
            trusted,
        })
    }

    /// Fetches and checks the index of the delta from the version `from` with this manifest, if it is published.
    /// A delta is only a saving: where it does not do, that is told, and the pack does.
    ///
    /// # Errors
    /// [`Exit::Network`] where the server is busy: whole contents are more for it.
    pub fn fetch_delta(
        &mut self,
        fetch: &dyn Fetch,
        from: &Version,
        manifest: Digest,
        scratch: Scratch<'_>,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        match self.delta_index(fetch, from, manifest, scratch) {
            Ok(delta) => {
                self.described += delta.as_ref().map_or(0, |delta| delta.described);
                self.delta = delta;
            }
            Err(failure) if is_busy(&failure) => return Err(failure),
            Err(failure) => progress.note(&format!("no delta from {from}: {failure}")),
        }
        Ok(())
    }

    /// The same for the delta of the version from itself, which every machine can take.
    ///
    /// # Errors
    /// As [`Wanted::fetch_delta`].
    pub fn fetch_own_delta(
        &mut self,
        fetch: &dyn Fetch,
        scratch: Scratch<'_>,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let own = self.published.version.clone();
        self.fetch_delta(fetch, &own, self.digest(), scratch, progress)
    }

    fn delta_index(
        &self,
        fetch: &dyn Fetch,
        from: &Version,
        manifest: Digest,
        scratch: Scratch<'_>,
    ) -> Result<Option<Delta>, Failure> {
        let (trusted, version) = (&self.trusted, &self.published.version);
        let Ok((name, target)) = trusted.object(Object::DeltaIndex(from), version) else { return Ok(None) };
        let (delta, published) = trusted.object(Object::Delta(from), version)?;
        let path = format!("targets/{}", published.file(&delta));
        let contents: Contents = target.custom(&name).map_err(|e| Failure::new(Exit::Untrusted, e))?;
        let needed = [target.length, JOURNAL].into_iter().fold(contents.size, u64::saturating_add);
        scratch.must_have(&format!("the index of the delta from {from}"), needed)?;
        let index = unpacked(fetch, &name, target, contents, &[], scratch)?;
        let (head, mut frames) = IndexReader::new(BufReader::new(&index))?;
        // Another tree of that version runs: it was published anew, and the delta is not for us.
        if head != (delta::Head { from: manifest, to: self.digest() }) {
            return Ok(None);
        }
        // To its end: a form of a later program is found now.
        while frames.next_frame()?.is_some() {}
        drop(frames);
        Ok(Some(Delta { from: from.clone(), index, described: target.length, path }))
    }

    /// The delta whose index was fetched last, if there is one.
    #[must_use]
    pub fn delta<'a>(&'a self, fetch: &'a dyn Fetch) -> Option<Frames<'a>> {
        self.delta.as_ref().map(|Delta { index, path, .. }| Frames { fetch, path, index })
    }

    /// Whether that delta is the one of the version from itself.
    #[must_use]
    pub fn has_own_delta(&self) -> bool {
        self.delta.as_ref().is_some_and(|delta| delta.from == self.published.version)
    }

    /// The digest of its manifest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.published.identity.contents.blake3
    }

    /// Its pack on the site.
    #[must_use]
    pub fn pack<'a>(&'a self, fetch: &'a dyn Fetch) -> Frames<'a> {
        Frames { fetch, path: &self.pack_path, index: &self.pack_index }
    }

    /// What a slot keeps of what describes it, by its names there: what the next version may be compressed against.
    #[must_use]
    pub fn texts(&self) -> Vec<(&'static str, &File)> {
        let mut texts = vec![(MANIFEST, &self.manifest)];
        if self.index_length <= AGAINST_LIMIT {
            texts.push((PACK_INDEX, &self.pack_index));
        }
        texts
    }

    /// The rule by which it may be reached from what runs.
    ///
    /// # Errors
    /// [`Exit::NotFound`] if no rule allows it.
    pub fn rule(&self, from: &Head) -> Result<&Rule, Failure> {
        let (to, lower) = (&self.head.version, self.head.serial < from.serial);
        let rule = self.transition.rule(&from.version).filter(|rule| !lower || rule.is_exact());
        rule.ok_or_else(|| {
            let exact = if lower { " (a lower version needs one whose names are exact)" } else { "" };
            let text = format!("no transition leads from {} to {to}{exact}", from.version);
            Failure::new(Exit::NotFound, text)
        })
    }
}

/// What runs: its version, and the tree that holds its texts.
pub type Running<'a> = (&'a Version, &'a Tree);

/// A text that describes a version, as it is published whole.
struct Text<'a> {
    name: String,
    target: &'a Target,
    contents: Contents,
}

impl<'a> Text<'a> {
    fn of(trusted: &'a Trusted, version: &Version, object: Object<'_>) -> Result<Self, Failure> {
        let (name, target) = trusted.object(object, version)?;
        let contents = target.custom(&name).map_err(|e| Failure::new(Exit::Untrusted, e))?;
        Ok(Self { name, target, contents })
    }

    /// Fetches it, compressed against that of what runs where that is published, else whole; with the bytes that came.
    ///
    /// # Errors
    /// [`Exit::Network`] also where the server is busy: the whole one is more for it.
    fn fetch(
        &self,
        fetch: &dyn Fetch,
        trusted: &Trusted,
        running: Option<Running<'_>>,
        scratch: Scratch<'_>,
        progress: &dyn Progress,
    ) -> Result<(File, u64), Failure> {
        if let Some((name, target, against)) = running.and_then(|running| self.against(trusted, running)) {
            match unpacked(fetch, &name, target, self.contents, against.as_bytes(), scratch) {
                Ok(file) => return Ok((file, target.length)),
                Err(error) => {
                    let failure = Failure::from(error);
                    if is_busy(&failure) {
                        return Err(failure);
                    }
                    progress.note(&format!("all of {} is fetched: {failure}", self.name));
                }
            }
        }
        let file = unpacked(fetch, &self.name, self.target, self.contents, &[], scratch)?;
        Ok((file, self.target.length))
    }

    /// The object that is compressed against the text of what runs, and that text.
    fn against<'t>(
        &self,
        trusted: &'t Trusted,
        (from, tree): Running<'_>,
    ) -> Option<(String, &'t Target, String)> {
        let (name, target) =
            trusted.against(&self.name, from).filter(|(_, target)| target.length < self.target.length)?;
        let against: Contents = target.custom(&name).ok()?;
        // A slot calls its texts what their objects are called.
        let (_, own) = self.name.rsplit_once('@')?;
        let text = tree.own_text(own, AGAINST_LIMIT).ok()??;
        // Another one of that version may run.
        (Digest::of(text.as_bytes()) == against.blake3).then_some((name, target, text))
    }
}

fn head(mut manifest: &File) -> Result<Head, Failure> {
    manifest.rewind().map_err(|e| Failure::new(Exit::Failed, e))?;
    Ok(Reader::new(BufReader::new(manifest))?.head().clone())
}

/// Whether a server said that it has no time.
fn is_busy(failure: &Failure) -> bool {
    matches!(failure.of(), Some(ObjectError::Fetch(FetchError::Busy { .. })))
}

/// Whether this machine may take it.
fn allowed(trusted: &Trusted, published: &Listed, architecture: &Architecture) -> Result<(), Failure> {
    let (version, identity) = (&published.version, &published.identity);
    if identity.serial < trusted.min_serial() {
        let (serial, least) = (identity.serial, trusted.min_serial());
        let text = format!("{version} has serial {serial}; versions below serial {least} were withdrawn");
        return Err(Failure::new(Exit::Untrusted, text));
    }
    if identity.architecture != *architecture {
        let text = format!("{version} is for {}, this machine is {architecture}", identity.architecture);
        return Err(Failure::new(Exit::Untrusted, text));
    }
    Ok(())
}

/// Whether the manifest speaks of what the metadata listed, and this program can install it.
fn identical(head: &Head, trusted: &Trusted, published: &Listed) -> Result<(), Failure> {
    let same = head.role == *trusted.role()
        && head.version == published.version
        && head.serial == published.identity.serial
        && head.architecture == published.identity.architecture;
    if !same {
        let text = format!("the manifest of {} speaks of {} {}", published.version, head.role, head.version);
        return Err(Failure::new(Exit::Untrusted, text));
    }
    let ours = env!("CARGO_PKG_VERSION");
    if numbers(&head.updater) > numbers(ours) {
        let text = format!("{} needs edeploy-ab {}, this is {ours}", head.version, head.updater);
        return Err(Failure::new(Exit::Refused, text));
    }
    Ok(())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|n| n.parse().unwrap_or(u64::MAX)).collect()
}

/// The architecture of this program, in Debian's words.
#[must_use]
pub fn own_architecture() -> Architecture {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    name.parse().expect("the compiler's names follow the rule")
}
