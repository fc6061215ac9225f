//! What of a slot belongs to the machine and not to the signed tree: the rules of a transition.
//!
//! `exclude` covers paths of the slot: the machine's come from the running slot, even where the tree
//! has none. `add_only` covers files and links of the tree: the machine's stay where it has them.
//! Where the running slot has nothing at a covered path, the tree's stays. Both texts are kept with
//! the slot they were used for, so that `verify` leaves the same paths alone. The product's own folder
//! is never covered.

use edeploy_format::exclude::{ExcludeError, InOrder, LintError, Rules, is_own};
use edeploy_format::manifest::Head;
use edeploy_format::path::TreePath;

use super::tree::{Fault, Tree};

const EXCLUDE: &str = "exclude";
const ADD_ONLY: &str = "add_only";
/// No list that people write is longer.
const LIMIT: u64 = 1 << 20;

/// The two lists, as texts and as rules.
#[derive(Clone, Debug)]
pub struct Kept {
    exclude: List,
    add_only: List,
}

#[derive(Clone, Debug)]
struct List {
    text: String,
    rules: Rules,
}

/// Why the lists cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// A line is wrong.
    #[error("{file}")]
    Rule {
        /// `exclude` or `add_only`.
        file: &'static str,
        /// Which line, and what of it.
        #[source]
        source: ExcludeError,
    },
    /// A line covers what must come from the signed tree.
    #[error("{file}")]
    Lint {
        /// `exclude` or `add_only`.
        file: &'static str,
        /// Which line covers what.
        #[source]
        source: LintError,
    },
    /// The slot's copies cannot be read or written.
    #[error(transparent)]
    Slot(#[from] Fault),
}

impl Kept {
    /// Nothing is kept: a first install.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new("", "").expect("empty lists have no wrong line")
    }

    /// The lists of a transition.
    ///
    /// # Errors
    /// [`KeptError::Rule`].
    pub fn new(exclude: &str, add_only: &str) -> Result<Self, KeptError> {
        let list = |file, text: &str, rules: Result<Rules, ExcludeError>| match rules {
            Ok(rules) => Ok(List { text: text.to_owned(), rules }),
            Err(source) => Err(KeptError::Rule { file, source }),
        };
        Ok(Self {
            exclude: list(EXCLUDE, exclude, Rules::exclude(exclude))?,
            add_only: list(ADD_ONLY, add_only, Rules::add_only(add_only))?,
        })
    }

    /// Refuses lists that cover what makes the slot bootable.
    ///
    /// # Errors
    /// [`KeptError::Lint`].
    pub fn lint(&self, head: &Head) -> Result<(), KeptError> {
        let lint = |file| move |source| KeptError::Lint { file, source };
        self.exclude.rules.lint(head).map_err(lint(EXCLUDE))?;
        self.add_only.rules.lint(head).map_err(lint(ADD_ONLY))
    }

    /// The lists that a slot was filled by; nothing for a slot that has none.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn load(slot: &Tree) -> Result<Self, KeptError> {
        let text = |file| slot.own_text(file, LIMIT).map(Option::unwrap_or_default);
        Self::new(&text(EXCLUDE)?, &text(ADD_ONLY)?)
    }

    /// The lists by their names in the slot's own folder, to be left with the slot they are used for.
    #[must_use]
    pub fn texts(&self) -> [(&'static str, &str); 2] {
        [(EXCLUDE, &self.exclude.text), (ADD_ONLY, &self.add_only.text)]
    }

    /// Whether a path of the tree is covered by either list.
    #[must_use]
    pub fn covers(&self, path: &TreePath, is_folder: bool) -> bool {
        let covered = |list: &List| list.rules.covers(path, is_folder);
        !is_own(path.as_bytes()) && (covered(&self.exclude) || covered(&self.add_only))
    }

    pub(super) fn in_order(&self) -> KeptInOrder<'_> {
        KeptInOrder { exclude: self.exclude.rules.in_order(), add_only: self.add_only.rules.in_order() }
    }
}

/// Which list covers a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Covered {
    /// The machine's, wherever it is.
    pub(super) excluded: bool,
    /// The machine's, if the tree has it too.
    pub(super) only_added: bool,
}

impl Covered {
    pub(super) fn by_either(self) -> bool {
        self.excluded || self.only_added
    }
}

/// Judges paths in walking order.
pub(super) struct KeptInOrder<'a> {
    exclude: InOrder<'a>,
    add_only: InOrder<'a>,
}

impl KeptInOrder<'_> {
    /// Every path must be asked for, in walking order.
    pub(super) fn judge(&mut self, path: &[u8], is_folder: bool) -> Covered {
        let excluded = self.exclude.covers(path, is_folder);
        let only_added = self.add_only.covers(path, is_folder);
        if is_own(path) { Covered::default() } else { Covered { excluded, only_added } }
    }
}
