//! The variables the boot loader and we share, through the kernel's efivarfs.
//!
//! systemd-boot tells there which entry it counted and which it took; `LoaderEntryDefault` and
//! `LoaderEntryOneShot` make it pass over order and counters, so they are looked at and cleared. A
//! value is read whole with one read, as a read in parts may see two states.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::IFlags;

const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// A variable of the loader, all of them texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The file of the entry this boot counts, after it was counted: only there on a trial.
    BootCountPath,
    /// Comes before order and counters at every boot.
    EntryDefault,
    /// Comes before order and counters at the next boot.
    EntryOneShot,
    /// The entry this boot was of.
    EntrySelected,
}

impl Variable {
    /// The name, as in the loader's documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BootCountPath => "LoaderBootCountPath",
            Self::EntryDefault => "LoaderEntryDefault",
            Self::EntryOneShot => "LoaderEntryOneShot",
            Self::EntrySelected => "LoaderEntrySelected",
        }
    }
}

/// Why a variable could not be read or cleared.
#[derive(Debug, thiserror::Error)]
pub enum EfiError {
    /// The file system said no.
    #[error("{doing} the EFI variable {name}")]
    Io {
        /// `reading` or `clearing`.
        doing: &'static str,
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds no text.
    #[error("the EFI variable {0} holds no UTF-16 text")]
    NotText(&'static str),
}

/// The variables of a machine.
#[derive(Clone, Debug)]
pub struct Efi {
    folder: PathBuf,
}

impl Efi {
    /// Those of the machine whose root is `root`; `None` if it was not started by UEFI.
    #[must_use]
    pub fn of(root: &Path) -> Option<Self> {
        let folder = root.join("sys/firmware/efi/efivars");
        folder.is_dir().then_some(Self { folder })
    }

    fn path(&self, variable: Variable) -> PathBuf {
        self.folder.join(format!("{}-{LOADER}", variable.name()))
    }

    /// The text of `variable`, without the NUL at its end; `None` if it is not set.
    ///
    /// # Errors
    /// [`EfiError`].
    pub fn read(&self, variable: Variable) -> Result<Option<String>, EfiError> {
        let failed = |source| EfiError::Io { doing: "reading", name: variable.name(), source };
        let bytes = match read_whole(&self.path(variable)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        text(&bytes).map(Some).ok_or(EfiError::NotText(variable.name()))
    }

    /// Removes `variable`; whether it was there.
    ///
    /// # Errors
    /// [`EfiError`].
    pub fn clear(&self, variable: Variable) -> Result<bool, EfiError> {
        let failed = |source| EfiError::Io { doing: "clearing", name: variable.name(), source };
        let path = self.path(variable);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(failed(e)),
        };
        make_mutable(&file).map_err(failed)?;
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(true)
    }
}

/// The kernel makes every variable it does not know immutable, against `rm -rf`.
fn make_mutable(file: &File) -> io::Result<()> {
    let flags = match rustix::fs::ioctl_getflags(file) {
        Ok(flags) => flags,
        Err(rustix::io::Errno::NOTTY | rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    if flags.contains(IFlags::IMMUTABLE) {
        rustix::fs::ioctl_setflags(file, flags - IFlags::IMMUTABLE)?;
    }
    Ok(())
}

fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; 64 << 10];
    let n = rustix::io::read(&file, &mut bytes[..])?;
    bytes.truncate(n);
    Ok(bytes)
}

/// Four bytes of attributes, then UTF-16, little-endian, with a NUL at its end.
fn text(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.get(4..)?.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let units = units.strip_suffix(&[0]).unwrap_or(&units);
    if !rest.is_empty() || units.contains(&0) {
        return None;
    }
    String::from_utf16(units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(variables: &[(Variable, &[u8])]) -> (tempfile::TempDir, Efi) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("sys/firmware/efi/efivars")).unwrap();
        let efi = Efi::of(root.path()).unwrap();
        for (variable, bytes) in variables {
            std::fs::write(efi.path(*variable), bytes).unwrap();
        }
        (root, efi)
    }

    fn utf16(text: &str) -> Vec<u8> {
        let units = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
        [7, 0, 0, 0].into_iter().chain(units).collect()
    }

    #[test]
    fn a_variable_is_read_without_attributes_and_nul() {
        let path = "\\loader\\entries\\edeploy-b-g2+2-1.conf";
        let (_root, efi) = machine(&[(Variable::BootCountPath, &utf16(path))]);
        assert_eq!(efi.read(Variable::BootCountPath).unwrap().as_deref(), Some(path));
        assert_eq!(efi.read(Variable::EntryDefault).unwrap(), None);
    }

    #[test]
    fn what_is_no_text_is_named() {
        for bytes in [&[7, 0, 0][..], &[7, 0, 0, 0, 65], &[7, 0, 0, 0, 0, 0xd8], &[7, 0, 0, 0, 0, 0, 65, 0]] {
            let (_root, efi) = machine(&[(Variable::EntryOneShot, bytes)]);
            let error = efi.read(Variable::EntryOneShot).unwrap_err();
            assert_eq!(error.to_string(), "the EFI variable LoaderEntryOneShot holds no UTF-16 text");
        }
    }

    #[test]
    fn clearing_says_whether_it_was_there() {
        let (_root, efi) = machine(&[(Variable::EntryDefault, &utf16("old.conf"))]);
        assert!(efi.clear(Variable::EntryDefault).unwrap());
        assert!(!efi.clear(Variable::EntryDefault).unwrap());
        assert_eq!(efi.read(Variable::EntryDefault).unwrap(), None);
    }

    #[test]
    fn a_machine_without_uefi_has_none() {
        assert!(Efi::of(tempfile::tempdir().unwrap().path()).is_none());
    }
}
