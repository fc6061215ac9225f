//! Work on many items with a few threads, results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many threads work at once.
#[must_use]
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// `work` of every item, in the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    map_with(items, || (), |(), item| work(item))
}

/// As [`map`], with something of its own for each thread, made by `own` before the threads begin.
pub fn map_with<T: Sync, R: Send, S: Send>(
    items: &[T],
    own: impl Fn() -> S,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = |mut own: S| {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return done };
            done.push((i, work(&mut own, item)));
        }
    };
    let worker = &worker;
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let start = |own: S| scope.spawn(move || worker(own));
        let workers: Vec<_> = (0..threads().min(items.len())).map(|_| start(own())).collect();
        let join = |w: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| w.join();
        workers.into_iter().flat_map(|w| join(w).unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// `work` of every item; `sink` gets the results, in the order of the items, while the work goes on. Nothing is begun
/// while what was begun and did not leave `sink` weighs `most` or more.
///
/// # Errors
/// The first of `sink`, after which nothing more is begun.
pub fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    (weight, most): (impl Fn(&T) -> u64 + Sync, u64),
    work: impl Fn(&T) -> R + Sync,
    mut sink: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let line = Line { state: Mutex::new(State::default()), changed: Condvar::new() };
    let worker = || {
        let _end = OnPanic(&line);
        while let Some(i) = line.begin(items, &weight, most) {
            let result = work(&items[i]);
            line.change(|state| drop(state.done.insert(i, result)));
        }
    };
    thread::scope(|scope| {
        let _end = OnPanic(&line);
        for _ in 0..threads().min(items.len()) {
            scope.spawn(worker);
        }
        for (i, item) in items.iter().enumerate() {
            // Without one, a thread panicked: so do we, when all have ended.
            let Some(result) = line.take(i) else { break };
            let gone = sink(item, result);
            line.change(|state| {
                state.weight -= weight(item);
                // A thread may have panicked meanwhile.
                state.is_over |= gone.is_err();
            });
            gone?;
        }
        Ok(())
    })
}

/// What threads and their master know of the work.
struct Line<R> {
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    /// The item that is begun next.
    next: usize,
    /// What those weigh that were begun and did not leave the sink.
    weight: u64,
    done: BTreeMap<usize, R>,
    is_over: bool,
}

impl<R> Default for State<R> {
    fn default() -> Self {
        Self { next: 0, weight: 0, done: BTreeMap::new(), is_over: false }
    }
}

impl<R> Line<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<R>)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until something may be begun: its number.
    fn begin<T>(&self, items: &[T], weight: impl Fn(&T) -> u64, most: u64) -> Option<usize> {
        let full = |state: &mut State<R>| !state.is_over && state.weight >= most;
        let wait = self.changed.wait_while(self.lock(), full);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
        let item = items.get(state.next).filter(|_| !state.is_over)?;
        state.weight += weight(item);
        state.next += 1;
        Some(state.next - 1)
    }

    /// Waits for the result of this item; `None` if it never comes.
    fn take(&self, i: usize) -> Option<R> {
        let missing = |state: &mut State<R>| !state.is_over && !state.done.contains_key(&i);
        let wait = self.changed.wait_while(self.lock(), missing);
        wait.unwrap_or_else(PoisonError::into_inner).done.remove(&i)
    }
}

/// Ends the work for all where one thread panics.
struct OnPanic<'l, R>(&'l Line<R>);

impl<R> Drop for OnPanic<'_, R> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.change(|state| state.is_over = true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_handed_on_in_order_while_the_work_goes_on_and_no_more_is_begun_than_may_be() {
        let items: Vec<u64> = (0..500).collect();
        let (begun, handed_on) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut seen = Vec::new();
        let work = |n: &u64| {
            let ahead = begun.fetch_add(1, Ordering::SeqCst) + 1 - handed_on.load(Ordering::SeqCst);
            assert!(ahead <= 9, "{ahead}");
            n * n
        };
        let done = in_order(&items, (|_| 1, 9), work, |item, square| {
            seen.push((*item, square));
            handed_on.fetch_add(1, Ordering::SeqCst);
            Ok::<(), ()>(())
        });
        assert_eq!(done, Ok(()));
        assert_eq!(seen, items.iter().map(|n| (*n, n * n)).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_ends_the_work_and_a_panic_is_ours() {
        let items: Vec<u64> = (0..500).collect();
        let until =
            |n: u64| in_order(&items, (|_| 1, 4), |n| *n, |_, m| if m == n { Err(m) } else { Ok(()) });
        assert_eq!(until(7), Err(7));
        assert_eq!(until(1000), Ok(()));
        let work = |n: &u64| assert!(*n < 9, "too large");
        let panicked =
            std::panic::catch_unwind(|| in_order(&items, (|_| 1, 4), work, |_, ()| Ok::<(), ()>(())));
        assert!(panicked.is_err());
        let sink = |_: &u64, n: u64| if n == 9 { panic!("too large") } else { Ok::<(), ()>(()) };
        let panicked = std::panic::catch_unwind(|| in_order(&items, (|_| 1, 4), |n| *n, sink));
        assert!(panicked.is_err());
    }

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = items.iter().map(|n| n * n).collect();
        assert_eq!(map(&items, |n| n * n), squares);
        assert_eq!(map(&[0_u64; 0], |n| *n), [0; 0]);
    }
}
