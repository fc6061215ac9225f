//! A recipe: what a role is made of, its parents' parts included.
//!
//! `recipes/<role>/` holds `recipe.toml`, and where wanted `files/` (laid over the tree), `scripts/` (run in the
//! tree) and `health.d/{required,wanted}/`. `versions/<version>/` holds `files/` and `health.d/` of one version.
//! A role takes its parent's parts first, then its own, then those of the version: lists grow, single values and
//! files are replaced.

mod text;
pub mod value;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::name::{Architecture, Role, Version};
use edeploy_format::path::TreePath;

use crate::failure::Fault;
use text::Text;
pub use text::{Ids, User};
use value::{Argument, InitrdForm, Package, Pattern, Persistent, ScriptName, SourceLine, Suite, Variant};

/// The file of a recipe in its folder.
const TEXT: &str = "recipe.toml";
/// Parents of parents are followed this far: a longer chain is a circle.
const CHAIN_LIMIT: usize = 16;

/// One role version to be built.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The role.
    pub role: Role,
    /// The version.
    pub version: Version,
    /// The suite of Debian; `None` where only imported trees can be built.
    pub suite: Option<Suite>,
    /// How much of Debian there is before the packages.
    pub variant: Variant,
    /// The architecture of the tree.
    pub architecture: Architecture,
    /// apt's sources; empty: those of this machine.
    pub sources: Vec<SourceLine>,
    /// Packages to install, each once, in order.
    pub packages: Vec<Package>,
    /// What is laid over the tree and run in it, in order.
    pub layers: Vec<Layer>,
    /// Paths that belong to the machine, sorted, each once.
    pub persistent: Vec<Persistent>,
    /// Arguments of the kernel, in order.
    pub kernel_arguments: Vec<Argument>,
    /// Bytes a slot must have; `None`: the default for the tree's size.
    pub slot_size: Option<u64>,
    /// The host name until the machine gets its own.
    pub hostname: String,
    /// Whether documentation is left out, copyright files excepted.
    pub exclude_docs: bool,
    /// What becomes of the initrd.
    pub initrd: InitrdForm,
    /// Fixed numbers of users and groups.
    pub ids: Ids,
    /// Files that may hold a private key.
    pub private_keys: Vec<TreePath>,
}

/// The files of one role, or of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Removed first.
    pub remove: Vec<Pattern>,
    /// Laid over the tree.
    pub files: Option<PathBuf>,
    /// Run in the tree after the files were laid.
    pub scripts: Vec<PathBuf>,
    /// Health checks.
    pub health: Option<PathBuf>,
}

/// Why there is no such recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// It cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not parse, or a key or value is wrong.
    #[error("{path}:{line}: {key}: {message}")]
    Text {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key at this place.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The role named inside is not the folder's name.
    #[error("{path}: role: the recipe of {role} belongs in a folder of that name")]
    Name {
        /// The file.
        path: PathBuf,
        /// The role it names.
        role: Role,
    },
    /// A role is its own parent.
    #[error("{0}: parent: the chain of parents is a circle")]
    Circle(PathBuf),
    /// A script that is named is not there.
    #[error("{path}: scripts: there is no file {script}")]
    Script {
        /// The recipe.
        path: PathBuf,
        /// The file that is missing.
        script: PathBuf,
    },
}

impl Fault for RecipeError {
    fn exit(&self) -> Exit {
        Exit::Input
    }
}

impl Recipe {
    /// Reads the recipe that lies at `path` (its folder, or its `recipe.toml`) and those of its parents.
    ///
    /// # Errors
    /// [`RecipeError`] names file, line and key where it can.
    pub fn load(path: &Path, version: &Version) -> Result<Self, RecipeError> {
        let named = path.file_name().is_some_and(|name| name == TEXT);
        let folder = path.parent().filter(|_| named).unwrap_or(path);
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let chain = chain(folder)?;
        let own = chain.last().expect("a chain holds the role itself");
        let architecture = |part: &Part| part.text.architecture.clone();
        let mut recipe = Self {
            role: own.text.role.clone(),
            version: version.clone(),
            suite: None,
            variant: Variant::Minbase,
            architecture: chain.iter().rev().find_map(architecture).unwrap_or_else(this_architecture),
            sources: Vec::new(),
            packages: Vec::new(),
            layers: Vec::new(),
            persistent: Vec::new(),
            kernel_arguments: Vec::new(),
            slot_size: None,
            hostname: own.text.role.to_string(),
            exclude_docs: false,
            initrd: InitrdForm::default(),
            ids: Ids::default(),
            private_keys: Vec::new(),
        };
        for part in chain {
            recipe.add(part)?;
        }
        recipe.persistent.sort();
        recipe.persistent.dedup_by(|a, b| a.path == b.path);
        Ok(recipe)
    }

    /// Adds a role's part, then what it says of this version.
    fn add(&mut self, part: Part) -> Result<(), RecipeError> {
        let Part { folder, mut text } = part;
        let of_version = text.version.remove(&self.version).unwrap_or_default();
        self.suite = text.suite.or(self.suite.take());
        self.variant = text.variant.unwrap_or(self.variant);
        if !text.sources.is_empty() {
            self.sources = text.sources;
        }
        self.slot_size = text.slot_size.map(|size| size.0).or(self.slot_size);
        if let Some(hostname) = text.hostname {
            self.hostname = hostname.to_string();
        }
        self.exclude_docs = text.exclude_docs.unwrap_or(self.exclude_docs);
        self.initrd = text.initrd.unwrap_or(self.initrd);
        self.persistent.extend(text.persistent);
        self.ids.users.extend(text.ids.users);
        self.ids.groups.extend(text.ids.groups);
        self.private_keys.extend(text.allow.private_keys.into_iter().map(|p| p.path().clone()));
        for package in text.packages.into_iter().chain(of_version.packages) {
            if !self.packages.contains(&package) {
                self.packages.push(package);
            }
        }
        self.kernel_arguments.extend(text.kernel_arguments.into_iter().chain(of_version.kernel_arguments));
        self.layers.push(layer(&folder, &folder, text.remove, &text.scripts)?);
        let version_folder = folder.join("versions").join(self.version.as_str());
        self.layers.push(layer(&folder, &version_folder, of_version.remove, &of_version.scripts)?);
        Ok(())
    }

    /// The kernel's arguments as one text.
    #[must_use]
    pub fn options(&self) -> String {
        let arguments: Vec<&str> = self.kernel_arguments.iter().map(Argument::as_str).collect();
        arguments.join(" ")
    }
}

/// The recipe of one role alone.
struct Part {
    folder: PathBuf,
    text: Text,
}

/// The recipe in `folder` and its parents, the eldest first.
fn chain(folder: &Path) -> Result<Vec<Part>, RecipeError> {
    let mut chain = Vec::new();
    let mut next = Some(folder.to_owned());
    while let Some(folder) = next {
        let path = folder.join(TEXT);
        let source = fs::read_to_string(&path);
        let source = source.map_err(|source| RecipeError::Read { path: path.clone(), source })?;
        let text = text::parse(&path, &source)?;
        let absolute = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
        if absolute.file_name().is_none_or(|name| name != text.role.as_str()) {
            return Err(RecipeError::Name { path, role: text.role });
        }
        if chain.len() == CHAIN_LIMIT {
            return Err(RecipeError::Circle(path));
        }
        next = text.parent.as_ref().map(|parent| absolute.with_file_name(parent.as_str()));
        chain.push(Part { folder, text });
    }
    chain.reverse();
    Ok(chain)
}

/// The layer in `folder`; scripts lie with the recipe, in `recipe`.
fn layer(
    recipe: &Path,
    folder: &Path,
    remove: Vec<Pattern>,
    scripts: &[ScriptName],
) -> Result<Layer, RecipeError> {
    let there = |path: PathBuf| path.is_dir().then_some(path);
    let script = |name: &ScriptName| {
        let script = recipe.join("scripts").join(name.as_str());
        if script.is_file() {
            return Ok(script);
        }
        Err(RecipeError::Script { path: recipe.join(TEXT), script })
    };
    Ok(Layer {
        remove,
        files: there(folder.join("files")),
        scripts: scripts.iter().map(script).collect::<Result<_, _>>()?,
        health: there(folder.join("health.d")),
    })
}

/// Debian's name of the architecture of this machine.
fn this_architecture() -> Architecture {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    name.parse().expect("Rust's names have small letters and digits")
}

#[cfg(test)]
mod tests;
