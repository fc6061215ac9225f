//! Work on many items with a few threads, results in order.

use std::sync::atomic::{AtomicUsize, Ordering};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = items.iter().map(|n| n * n).collect();
        assert_eq!(map(&items, |n| n * n), squares);
        assert_eq!(map(&[0_u64; 0], |n| *n), [0; 0]);
    }
}
