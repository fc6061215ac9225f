//! Hashing many files on two threads, and copying them on the way, so that the disk is busy while bytes are hashed.
//!
//! Files go in on the caller's thread and results come out on it, in any order. A few files are open
//! at a time, and the buffers are fixed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::Record;
use edeploy_format::path::TreePath;

use super::{beside, sparse};

/// A host may have more cores, but they belong to the service that runs on it.
const THREADS: usize = 2;
/// Small files go to a thread and come back so many at a time: waking a thread costs as much as hashing one of them.
const BATCH: usize = 8;
/// No more bytes than this wait for others to go with.
const BATCH_BYTES: u64 = 1 << 20;
/// Batches that wait, their files open.
const QUEUE: usize = 2;
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
    /// The batch that is being gathered, and its bytes.
    batch: RefCell<(Vec<Job>, u64)>,
    jobs: SyncSender<Vec<Job>>,
    results: Receiver<Vec<Done>>,
    /// Those that came and were not taken yet.
    come: RefCell<VecDeque<Done>>,
    /// Where no thread can be made: files are hashed as they go in.
    alone: Option<Sender<Vec<Done>>>,
}

impl Hashers {
    /// Waits while enough files wait already.
    pub(super) fn submit(&self, job: Job) {
        let mut batch = self.batch.borrow_mut();
        batch.1 += size(&job);
        batch.0.push(job);
        let is_full = batch.0.len() >= BATCH || batch.1 >= BATCH_BYTES;
        drop(batch);
        if is_full {
            self.send();
        }
    }

    fn send(&self) {
        let (batch, _) = self.batch.take();
        if batch.is_empty() {
            return;
        }
        match &self.alone {
            Some(done) => settle(batch, &mut vec![0; BUFFER], done),
            None => self.jobs.send(batch).expect("the threads run as long as files can be sent"),
        }
    }

    /// The next of the results there are now.
    pub(super) fn finished(&self) -> Option<Done> {
        let mut come = self.come.borrow_mut();
        if come.is_empty() {
            come.extend(self.results.try_recv().ok()?);
        }
        come.pop_front()
    }

    /// Waits for a result. There must be one more job than results were taken.
    pub(super) fn next(&self) -> Done {
        self.send();
        let mut come = self.come.borrow_mut();
        loop {
            if let Some(done) = come.pop_front() {
                return done;
            }
            come.extend(self.results.recv().expect("the threads run as long as files can be sent"));
        }
    }

    /// All results that are left.
    pub(super) fn rest(self) -> impl Iterator<Item = Done> {
        self.send();
        drop((self.jobs, self.alone));
        self.come.into_inner().into_iter().chain(self.results.into_iter().flatten())
    }
}

/// Runs `work` with threads that hash for it.
pub(super) fn with_hashers<R>(work: impl FnOnce(Hashers) -> R) -> R {
    with_threads(THREADS, work)
}

fn with_threads<R>(most: usize, work: impl FnOnce(Hashers) -> R) -> R {
    let (jobs, waiting) = sync_channel(QUEUE);
    let (done, results) = channel();
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        let mut threads = 0;
        for _ in 0..most {
            let (waiting, done) = (&waiting, done.clone());
            let work = move || {
                let mut buffer = vec![0; BUFFER];
                loop {
                    let batch = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(batch) = batch else { break };
                    settle(batch, &mut buffer, &done);
                }
            };
            threads += usize::from(beside::start(scope, Box::new(work)));
        }
        let alone = (threads == 0).then_some(done);
        work(Hashers { batch: RefCell::default(), jobs, results, come: RefCell::default(), alone })
    })
}

/// Does the jobs of a batch.
fn settle(batch: Vec<Job>, buffer: &mut [u8], done: &Sender<Vec<Done>>) {
    let one = |job: Job| {
        let digest = pass(&job.file, job.copy.as_ref().map(|copy| &copy.to), size(&job), buffer);
        (job, digest)
    };
    // Nobody listens any more when the work failed.
    let _ = done.send(batch.into_iter().map(one).collect());
}

fn size(job: &Job) -> u64 {
    job.record.content().map_or(0, |(size, _)| size)
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

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    /// More files than may wait, with so many threads: their digests, sorted.
    fn digests(threads: usize) -> Vec<Digest> {
        with_threads(threads, |hashers| {
            let mut done = Vec::new();
            for n in 0..4 * QUEUE * BATCH + 1 {
                let (text, mut file) = (n.to_string(), tempfile::tempfile().unwrap());
                file.write_all(text.as_bytes()).unwrap();
                file.rewind().unwrap();
                let line = format!("{n} f 0644 0 0 0 - {} {} -", text.len(), Digest::of(text.as_bytes()));
                hashers.submit(Job { record: line.parse().unwrap(), file, copy: None });
                done.extend(hashers.finished());
            }
            done.extend(hashers.rest());
            let mut digests: Vec<_> = done.into_iter().filter_map(|(_, digest)| digest.ok()).collect();
            digests.sort();
            digests
        })
    }

    #[test]
    fn where_no_thread_can_be_made_files_are_hashed_all_the_same() {
        let mut expected: Vec<_> =
            (0..4 * QUEUE * BATCH + 1).map(|n| Digest::of(n.to_string().as_bytes())).collect();
        expected.sort();
        assert_eq!(digests(0), expected);
        assert_eq!(digests(2), expected);
    }
}
