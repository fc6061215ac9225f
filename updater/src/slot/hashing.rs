//! Hashing many files on two threads, so that the disk is read while bytes are hashed.
//!
//! Files go in on the caller's thread and results come out on it, in any order. A few files are open
//! at a time, and the buffers are fixed.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use edeploy_format::digest::{Digest, Hasher};

/// A host may have more cores, but they belong to the service that runs on it.
const THREADS: usize = 2;
/// Files that wait, open.
const QUEUE: usize = 16;
const BUFFER: usize = 256 << 10;

/// Where files go in and digests come out; `T` says what the file is to the caller.
pub(super) struct Hashers<T> {
    jobs: SyncSender<(T, File)>,
    results: Receiver<(T, io::Result<Digest>)>,
}

impl<T> Hashers<T> {
    /// Waits while enough files wait already.
    pub(super) fn submit(&self, what: T, file: File) {
        self.jobs.send((what, file)).expect("the threads run as long as files can be sent");
    }

    /// The results there are now.
    pub(super) fn finished(&self) -> impl Iterator<Item = (T, io::Result<Digest>)> {
        self.results.try_iter()
    }

    /// All results that are left.
    pub(super) fn rest(self) -> impl Iterator<Item = (T, io::Result<Digest>)> {
        drop(self.jobs);
        self.results.into_iter()
    }
}

/// Runs `work` with threads that hash for it.
pub(super) fn with_hashers<T: Send, R>(work: impl FnOnce(Hashers<T>) -> R) -> R {
    let (jobs, waiting) = sync_channel::<(T, File)>(QUEUE);
    let (done, results) = channel();
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (waiting, done) = (&waiting, done.clone());
            scope.spawn(move || {
                let mut buffer = vec![0; BUFFER];
                loop {
                    let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((what, file)) = job else { break };
                    // Nobody listens any more when the work failed.
                    let _ = done.send((what, digest(&file, &mut buffer)));
                }
            });
        }
        drop(done);
        work(Hashers { jobs, results })
    })
}

/// The digest of all that `file` holds from where it stands.
pub(super) fn digest(mut file: &File, buffer: &mut [u8]) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
