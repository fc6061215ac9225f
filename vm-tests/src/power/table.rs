//! What a replay saw, as a table.

use std::fmt;
use std::sync::atomic::Ordering;

use super::replay::Moment;
use super::survey::{Row, Survey};
use super::trials::Trials;

/// A replay that came to its end.
#[derive(Debug)]
pub struct Table {
    /// Writes, bytes written, flushes, discards of the recording.
    pub counts: [u64; 4],
    /// What would boot.
    pub survey: Survey,
    /// What was examined.
    pub trials: Trials,
}

impl Table {
    /// All that went wrong, and when.
    ///
    /// # Panics
    /// If a trial panicked at the wrong moment.
    #[must_use]
    pub fn failures(&self) -> Vec<(Moment, String)> {
        let of_trials = self.trials.failures.lock().expect("all trials have ended").clone();
        self.survey.failures.iter().cloned().chain(of_trials).collect()
    }

    /// What was not seen, of what there must be to see: cuts after which each version boots, and so many machines that booted.
    #[must_use]
    pub fn unseen(&self, boots: usize) -> Option<String> {
        let sum = |of: fn(&Row) -> usize| self.survey.rows.iter().map(|(_, row)| of(row)).sum::<usize>();
        let (old, new) = (sum(|row| row.old), sum(|row| row.new));
        let booted = self.trials.booted.load(Ordering::Relaxed);
        (old == 0 || new == 0 || booted < boots).then(|| {
            format!("{old} cuts boot the old version, {new} the new one, {booted} of {boots} machines booted")
        })
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| entries on the ESP | flushes | cuts between flushes | distinct | boots old | boots new |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        let mut sum = [0; 5];
        for (entries, row) in &self.rows {
            let short = |name: &str| name.trim_start_matches("edeploy-").trim_end_matches(".conf").to_owned();
            let short: Vec<String> = entries.iter().map(|name| short(name)).collect();
            let counts = [row.flushes, row.samples, row.distinct, row.old, row.new];
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            line(f, &format!("`{}`", short.join("`, `")), counts)?;
        }
        line(f, "all", sum)?;
        if let Some(flush) = self.committed {
            let back = self.back;
            writeln!(
                f,
                "\nthe new version boots from flush {flush} on; later cuts that boot the old: {back}"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [writes, bytes, flushes, discards] = self.counts;
        let megabytes = bytes / 1_000_000;
        writeln!(
            f,
            "{writes} writes, {megabytes} MB, {flushes} flushes, {discards} discards\n\n{}",
            self.survey
        )?;
        let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
        let Trials { verified, went_on, booted, .. } = &self.trials;
        writeln!(f, "slots mounted and verified in full: {}", count(verified))?;
        writeln!(f, "next upgrades run to their end:     {}", count(went_on))?;
        writeln!(f, "machines booted:                    {}", count(booted))?;
        writeln!(f, "failures:                           {}", self.failures().len())
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, counts: [usize; 5]) -> fmt::Result {
    let [flushes, samples, distinct, old, new] = counts;
    writeln!(f, "| {what} | {flushes} | {samples} | {distinct} | {old} | {new} |")
}
