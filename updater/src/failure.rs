//! A command's failure: what to say, and the exit code that goes with it.

use std::error::Error;
use std::fmt;
use std::io;

use edeploy_format::address::masked;
use edeploy_format::exit::Exit;
use edeploy_format::frames::IndexError;
use edeploy_format::manifest::ManifestError;
use edeploy_format::tuf::Fault;

use crate::esp::EspError;
use crate::fetch::{FetchError, LimitError, limit};
use crate::lock::LockError;
use crate::machine::Refusal;
use crate::settings::SettingsError;
use crate::slot::{CarryError, FillError, FramesError, KeptError, PlanError};
use crate::trust::{ObjectError, StoreError, TrustError};

/// Why a command failed, with the kind of fault its exit code tells.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// What failed, if it is one of these.
    pub(crate) fn of<E: Error + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(&*self.error))
    }
}

/// All causes are told already: it has no source of its own.
impl Error for Failure {}

/// An error and all its sources on one line, for people: no address in it says who asks.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut said = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        // An error that only passes another on says the same as its source.
        if next != said {
            text = format!("{text}: {next}");
        }
        said = next;
        source = cause.source();
    }
    masked(&text).into_owned()
}

/// Which exit code stands for which error, wherever `?` meets it.
macro_rules! exits {
    ($($error:ty => $exit:expr;)*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let exit: fn(&$error) -> Exit = $exit;
                Self::new(exit(&error), error)
            }
        }
    )*};
}

#[cfg(feature = "installer")]
exits! {
    crate::detect::hint::ChoiceError => |_| Exit::Unsuitable;
}

exits! {
    crate::disk::cold::ColdError => |_| Exit::Failed;
    crate::disk::fs::ToolError => |_| Exit::Failed;
    crate::disk::gpt::GptError => |_| Exit::Unsuitable;
    crate::disk::loopdev::LoopError => |_| Exit::Failed;
    crate::disk::mount::MountError => |_| Exit::Failed;
    crate::disk::place::PlaceError => |_| Exit::Unsuitable;
    crate::disk::sectors::SectorsError => |_| Exit::Failed;
    crate::efi::EfiError => |_| Exit::Failed;
    crate::esp::EspError => |e| match e {
        EspError::NoSpace { .. } | EspError::FolderFull { .. } => Exit::Space,
        EspError::Rotten { .. } => Exit::Refused,
        _ => Exit::Failed,
    };
    crate::fetch::FetchError => network;
    crate::hooks::HookError => |_| Exit::Hook;
    crate::journal::JournalError => |e| storage(&e.source);
    crate::lock::LockError => |e| match e {
        LockError::Held { .. } => Exit::Refused,
        LockError::Io { .. } => Exit::Failed,
    };
    crate::machine::Refusal => |e| match e {
        Refusal::NotInstalled | Refusal::NothingHeld => Exit::Unsuitable,
        Refusal::EspForgets => Exit::Failed,
        _ => Exit::Refused,
    };
    crate::settings::SettingsError => |e| match e {
        SettingsError::Slot(fault) => storage(&fault.source),
        SettingsError::State { source, .. } => storage(source),
        SettingsError::Missing | SettingsError::Form { .. } => Exit::Unsuitable,
    };
    crate::slot::Fault => |e| storage(&e.source);
    crate::slot::FillError => |e| match e {
        FillError::Scratch(e) => storage(e),
        FillError::Frames(e) => frames(e),
        FillError::Slot(e) => storage(&e.source),
        FillError::Running(_) => Exit::Failed,
        FillError::Manifest(e) => manifest(e),
        FillError::Missing(_)
        | FillError::Content(_)
        | FillError::Patch(_)
        | FillError::Form { .. }
        | FillError::Piece(_)
        | FillError::Order(_) => {
            Exit::Untrusted
        }
    };
    crate::slot::KeptError => |e| match e {
        KeptError::Rule { .. } | KeptError::Lint { .. } => Exit::Untrusted,
        KeptError::Slot(e) => storage(&e.source),
    };
    crate::slot::CarryError => |e| match e {
        CarryError::Slot(fault) => storage(&fault.source),
        CarryError::Special { .. } | CarryError::Conflict { .. } => Exit::Refused,
        CarryError::Differs(_) => Exit::Differs,
        CarryError::Walk(_) | CarryError::Running(_) => Exit::Failed,
    };
    crate::slot::PlanError => |e| match e {
        PlanError::Pack(e) => frames(e),
        PlanError::Manifest { .. } | PlanError::Running(_) | PlanError::Inactive(_) => Exit::Failed,
    };
    crate::slot::MergeError => |_| Exit::Failed;
    crate::slot::SurveyError => |_| Exit::Untrusted;
    crate::trust::ObjectError => |e| match e {
        ObjectError::Fetch(e) => network(e),
        ObjectError::Read { source, .. } => broken(source),
        ObjectError::Differs { .. } | ObjectError::TooLong { .. } => Exit::Untrusted,
        ObjectError::NoRoom { .. } => Exit::Space,
        ObjectError::Scratch { source, .. } => storage(source),
    };
    crate::trust::StoreError => store;
    crate::trust::TrustError => |e| match e {
        TrustError::Store(e) => store(e),
        TrustError::Fetch(e) => network(e),
        TrustError::NoVersion { .. } => Exit::NotFound,
        TrustError::Tuf(e) => match e.fault {
            Fault::NoSuchRole(_) => Exit::NotFound,
            _ => Exit::Untrusted,
        },
        TrustError::NoRoot | TrustError::Target(_) | TrustError::NoObject(_) => Exit::Untrusted,
    };
    edeploy_format::frames::IndexError => index;
    edeploy_format::manifest::ManifestError => manifest;
    edeploy_format::transition::TransitionError => |_| Exit::Untrusted;
}

fn store(error: &StoreError) -> Exit {
    match error {
        StoreError::Io { source, .. } => storage(source),
        StoreError::Missing { .. } => Exit::Failed,
    }
}

fn network(error: &FetchError) -> Exit {
    match error {
        FetchError::TooLong { .. } => Exit::Untrusted,
        FetchError::NotFound { .. }
        | FetchError::Forbidden { .. }
        | FetchError::Answer { .. }
        | FetchError::Busy { .. }
        | FetchError::Io { .. } => Exit::Network,
        FetchError::Limit(e) => limited(*e),
    }
}

/// Why a stream broke.
fn broken(error: &io::Error) -> Exit {
    limit(error).map_or(Exit::Network, limited)
}

fn limited(error: LimitError) -> Exit {
    match error {
        LimitError::Planned { .. } | LimitError::Bytes { .. } => Exit::Refused,
        LimitError::Deadline { .. } => Exit::Network,
    }
}

fn frames(error: &FramesError) -> Exit {
    match error {
        FramesError::Fetch(e) => network(e),
        FramesError::Read { source, .. } => broken(source),
        FramesError::Index(e) => index(e),
        FramesError::Manifest(e) => manifest(e),
        FramesError::Digest { .. } | FramesError::Decompress { .. } => Exit::Untrusted,
    }
}

fn index(error: &IndexError) -> Exit {
    match error {
        IndexError::Read(_, e) => content(e),
        _ => Exit::Untrusted,
    }
}

fn manifest(error: &ManifestError) -> Exit {
    match error {
        ManifestError::Read(e) => content(e),
        _ => Exit::Untrusted,
    }
}

/// Of a file that should hold something signed: the disk's fault, where the system says so, or that of what it holds.
fn content(error: &io::Error) -> Exit {
    if error.raw_os_error().is_some() { storage(error) } else { Exit::Untrusted }
}

fn storage(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::Space,
        _ => Exit::Failed,
    }
}
