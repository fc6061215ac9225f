//! What opens encrypted keys: the first line of a file, or what is typed on the terminal. Never an argument, which
//! every user of the machine can read, nor a variable of the environment, which every child is given.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::KeysError;
use super::file;

/// A passphrase. It is wiped when it is dropped, and never printed.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// The first line of `path`, without its end: what `openssl -passin file:` takes.
    fn read(path: &Path) -> Result<Self, KeysError> {
        let text = file::read_passphrase(path)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(KeysError::NoPassphrase(path.to_owned()));
        }
        Ok(Self(Zeroizing::new(line.as_bytes().to_vec())))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where passphrases come from.
#[derive(Debug, Default)]
pub struct Passphrases {
    /// Those of files, in their order; new keys are encrypted by the first, unless `new` is there.
    files: Vec<Passphrase>,
    /// What was typed and opened a key. No new key is encrypted by it.
    opened: Vec<Passphrase>,
    /// What was typed for new keys.
    new: Option<Passphrase>,
    /// Whether a person may be asked.
    asks: bool,
    /// Whether new keys are to have one that is asked for.
    wanted: bool,
}

impl Passphrases {
    /// Those in `files`. Where none opens a key, the terminal is asked, if there is one. With `wanted` it is asked in
    /// any case, for new keys.
    ///
    /// # Errors
    /// [`KeysError`] when a file cannot be read, others may read it, or it has none.
    pub fn read(files: &[PathBuf], wanted: bool) -> Result<Self, KeysError> {
        let files = files.iter().map(|path| Passphrase::read(path)).collect::<Result<_, _>>()?;
        Ok(Self { files, asks: true, wanted, ..Self::default() })
    }

    /// Where tests run there may be a terminal.
    #[cfg(test)]
    pub(super) fn never_ask(&mut self) {
        self.asks = false;
    }

    /// What may open a key.
    pub(super) fn known(&self) -> impl Iterator<Item = &Passphrase> {
        self.files.iter().chain(&self.opened)
    }

    /// Whether new keys must be encrypted and it is not known yet by what.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted && self.new.is_none()
    }

    /// What new keys are encrypted by: what was typed for them, or the first that was given in a file.
    pub(super) fn for_new(&self) -> Option<&Passphrase> {
        self.new.as_ref().or(self.files.first())
    }

    /// Asks for the passphrase of `file`, `again` after a wrong one; `None` where nobody can be asked, or nothing is typed.
    pub(super) fn ask_for(&mut self, file: &Path, again: bool) -> Result<Option<Passphrase>, KeysError> {
        if !self.asks {
            return Ok(None);
        }
        let Ok(terminal) = Terminal::open() else {
            self.asks = false;
            return Ok(None);
        };
        let wrong = if again { "that does not open it; " } else { "" };
        let prompt = format!("{wrong}passphrase of {} (none: leave it locked): ", file.display());
        let typed = terminal.ask(&prompt)?;
        Ok((!typed.is_empty()).then_some(Passphrase(typed)))
    }

    /// Keeps a passphrase that opened a key.
    pub(super) fn learn(&mut self, passphrase: Passphrase) {
        self.opened.push(passphrase);
    }

    /// Asks twice for the passphrase of new keys.
    pub(super) fn ask_for_new(&mut self) -> Result<(), KeysError> {
        let terminal = Terminal::open().map_err(KeysError::NoTerminal)?;
        let typed = terminal.ask("passphrase for new keys: ")?;
        if typed.is_empty() {
            return Err(KeysError::Typed("an empty passphrase is none"));
        }
        if typed != terminal.ask("once more: ")? {
            return Err(KeysError::Typed("the two passphrases differ"));
        }
        self.new = Some(Passphrase(typed));
        Ok(())
    }
}

/// The terminal of this process, not its standard input, which may be a pipe.
struct Terminal(File);

/// Puts the terminal back as it was.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

impl Terminal {
    fn open() -> io::Result<Self> {
        Ok(Self(File::options().read(true).write(true).open("/dev/tty")?))
    }

    /// What is typed, without its end. It is not shown. Meanwhile ^C, ^\\ and ^Z are read as bytes and not sent as signals:
    /// whom one ends or stops cannot put the terminal back.
    fn ask(&self, prompt: &str) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let failed = |e: io::Error| file::unread(Path::new("/dev/tty"))(e);
        let mut terminal = &self.0;
        let before = tcgetattr(terminal).map_err(|e| failed(e.into()))?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        let signals = [SpecialCodeIndex::VINTR, SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP];
        let signals = signals.map(|index| before.special_codes[index]);
        // They end the line, or nothing would be read before it ends.
        quiet.special_codes[SpecialCodeIndex::VEOL] = signals[0];
        quiet.special_codes[SpecialCodeIndex::VEOL2] = signals[1];
        let restored = Quiet { terminal, before };
        tcsetattr(terminal, OptionalActions::Now, &quiet).map_err(|e| failed(e.into()))?;
        terminal.write_all(prompt.as_bytes()).map_err(failed)?;
        // A terminal gives one line at a time, and none that is longer.
        let mut line = Zeroizing::new(vec![0; 4096]);
        let length = terminal.read(&mut line).map_err(failed)?;
        terminal.write_all(b"\n").map_err(failed)?;
        drop(restored);
        if line[..length].iter().any(|b| *b != 0 && signals.contains(b)) {
            return Err(KeysError::Typed("nothing is done: it was interrupted"));
        }
        let end = line[..length].iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(length);
        line.truncate(end);
        Ok(line)
    }
}
