use std::cell::{Cell, RefCell};
use std::io::{Cursor, Read};
use std::ops::Range;

use edeploy_ab::fetch::{Fetch, FetchError};

use super::{PACK, Published};

/// A pack or delta behind a server that notes what it is asked for.
pub(crate) struct Server {
    path: &'static str,
    pack: Vec<u8>,
    pub(crate) requests: RefCell<Vec<Range<u64>>>,
    /// So many bytes it sends before it dies.
    pub(crate) lives: Cell<u64>,
    /// Says that it is busy, to every request after those.
    pub(crate) busy_after: Cell<usize>,
}

impl Server {
    pub(crate) fn of(version: &Published) -> Self {
        Self::with(version.pack.clone())
    }

    pub(crate) fn with(pack: Vec<u8>) -> Self {
        Self::at(PACK, pack)
    }
}

impl Server {
    pub(crate) fn at(path: &'static str, pack: Vec<u8>) -> Self {
        Self {
            path,
            pack,
            requests: RefCell::default(),
            lives: Cell::new(u64::MAX),
            busy_after: Cell::new(usize::MAX),
        }
    }
}

impl Fetch for Server {
    fn get(&self, path: &str, _: u64) -> Result<Vec<u8>, FetchError> {
        Err(FetchError::NotFound { url: path.to_owned() })
    }

    fn open(&self, path: &str, range: Option<Range<u64>>) -> Result<Box<dyn Read + '_>, FetchError> {
        assert_eq!(path, self.path);
        let range = range.expect("a pack is fetched by ranges");
        if self.requests.borrow().len() >= self.busy_after.get() {
            return Err(FetchError::Busy { url: path.to_owned(), answer: "503".to_owned() });
        }
        self.requests.borrow_mut().push(range.clone());
        let at = |n: u64| usize::try_from(n).unwrap().min(self.pack.len());
        let bytes = &self.pack[at(range.start)..at(range.end)];
        let sent = bytes.len().min(usize::try_from(self.lives.get()).unwrap_or(usize::MAX));
        self.lives.set(self.lives.get() - sent as u64);
        Ok(Box::new(Cursor::new(&bytes[..sent])))
    }
}
