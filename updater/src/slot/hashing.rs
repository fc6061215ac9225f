//! Hashing many files on two threads, and copying them on the way, so that the disk is busy while bytes are hashed.
//!
//! Files go in on the caller's thread and results come out on it, in any order. A few files are open
//! at a time, and the buffers are fixed.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::Record;
use edeploy_format::path::TreePath;

use super::sparse;

/// A host may have more cores, but they belong to the service that runs on it.
const THREADS: usize = 2;
/// Files that wait, open.
const QUEUE: usize = 16;
const BUFFER: usize = 256 << 10;

/// A file that is read to its end.
pub(super) struct Job {
    /// What it should be; no more than a note to the caller.
    pub(super) record: Record,
    pub(super) file: File,
    pub(super) copy: Option<Copy>,
}

/// Where what is read goes as well.
pub(super) struct Copy {
    /// An empty file.
    pub(super) to: File,
    /// Notes to the caller: what is read, where the record stands in its manifest, how many sources were
    /// tried before.
    pub(super) source: TreePath,
    pub(super) offset: u64,
    pub(super) tried: usize,
}

/// Why there is no digest.
pub(super) enum HashError {
    Read(io::Error),
    Write(io::Error),
}

/// A job that is done.
pub(super) type Done = (Job, Result<Digest, HashError>);

/// Where files go in and digests come out.
pub(super) struct Hashers {
    jobs: SyncSender<Job>,
    results: Receiver<Done>,
}

impl Hashers {
    /// Waits while enough files wait already.
    pub(super) fn submit(&self, job: Job) {
        self.jobs.send(job).expect("the threads run as long as files can be sent");
    }

    /// The next of the results there are now.
    pub(super) fn finished(&self) -> Option<Done> {
        self.results.try_recv().ok()
    }

    /// Waits for a result. There must be one more job than results were taken.
    pub(super) fn next(&self) -> Done {
        self.results.recv().expect("the threads run as long as files can be sent")
    }

    /// All results that are left.
    pub(super) fn rest(self) -> impl Iterator<Item = Done> {
        drop(self.jobs);
        self.results.into_iter()
    }
}

/// Runs `work` with threads that hash for it.
pub(super) fn with_hashers<R>(work: impl FnOnce(Hashers) -> R) -> R {
    let (jobs, waiting) = sync_channel::<Job>(QUEUE);
    let (done, results) = channel();
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (waiting, done) = (&waiting, done.clone());
            scope.spawn(move || {
                let mut buffer = vec![0; BUFFER];
                loop {
                    let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { break };
                    let size = job.record.content().map_or(0, |(size, _)| size);
                    let digest = pass(&job.file, job.copy.as_ref().map(|copy| &copy.to), size, &mut buffer);
                    // Nobody listens any more when the work failed.
                    let _ = done.send((job, digest));
                }
            });
        }
        drop(done);
        work(Hashers { jobs, results })
    })
}

/// The digest of all that `file` holds from where it stands.
pub(super) fn digest(file: &File, buffer: &mut [u8]) -> io::Result<Digest> {
    pass(file, None, u64::MAX, buffer).map_err(|error| match error {
        HashError::Read(error) | HashError::Write(error) => error,
    })
}

/// As [`digest`], and copies it to a file that is empty. What grows beyond `size` meanwhile is not read on.
fn pass(from: &File, to: Option<&File>, size: u64, buffer: &mut [u8]) -> Result<Digest, HashError> {
    to.map_or(Ok(()), |to| to.set_len(size)).map_err(HashError::Write)?;
    let (mut hasher, mut at) = (Hasher::new(), 0);
    loop {
        let n = fill(from, buffer).map_err(HashError::Read)?;
        hasher.update(&buffer[..n]);
        if let Some(to) = to {
            sparse::write_at(to, &buffer[..n], at).map_err(HashError::Write)?;
        }
        at += n as u64;
        if n < buffer.len() || at > size {
            return Ok(hasher.finish());
        }
    }
}

/// Fills `buffer` as far as the file goes, so that blocks are written whole.
fn fill(mut from: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
