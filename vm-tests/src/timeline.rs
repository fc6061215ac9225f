//! When a machine came to what: found on its console, in the order in which it comes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a machine has come to, and when, since it was switched on.
#[derive(Clone, Debug)]
pub struct Timeline {
    begun: Instant,
    /// What is next on the console: the name of the moment, and the text that it is known by.
    next: Vec<(&'static str, &'static str)>,
    /// So much of the console was looked at.
    seen: usize,
    moments: Vec<(&'static str, Duration)>,
}

impl Timeline {
    /// One that begins now, with moments to be found on the console, in this order.
    #[must_use]
    pub fn of(next: &[(&'static str, &'static str)]) -> Self {
        Self { begun: Instant::now(), next: next.to_vec(), seen: 0, moments: Vec::new() }
    }

    /// Looks at the console; the names of the moments that came since.
    pub fn look(&mut self, console: &[u8]) -> Vec<&'static str> {
        let mut came = Vec::new();
        while let Some(&(name, text)) = self.next.first() {
            let new = console.get(self.seen..).unwrap_or_default();
            let found = new.windows(text.len()).position(|bytes| bytes == text.as_bytes());
            let Some(at) = found else { break };
            self.seen += at + text.len();
            self.next.remove(0);
            self.reach(name);
            came.push(name);
        }
        came
    }

    /// A moment that is not found on the console is now.
    pub fn reach(&mut self, name: &'static str) {
        self.moments.push((name, self.begun.elapsed()));
    }

    /// The moments so far, since the beginning.
    #[must_use]
    pub fn moments(&self) -> &[(&'static str, Duration)] {
        &self.moments
    }

    /// What is still to come.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        self.next.iter().map(|(name, _)| *name)
    }

    /// The moments as JSON, in the order in which they came: seconds since the beginning.
    #[must_use]
    pub fn json(&self) -> Value {
        let second = |time: &Duration| (time.as_secs_f64() * 10.0).round() / 10.0;
        let one = |(name, time): &(&str, Duration)| json!({ "stage": name, "seconds": second(time) });
        Value::Array(self.moments.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_found_in_their_order_and_each_once() {
        let mut timeline = Timeline::of(&[("firmware", "iPXE"), ("installer", "up"), ("done", "up")]);
        assert_eq!(timeline.look(b"up .. iPX"), Vec::<&str>::new());
        assert_eq!(timeline.look(b"up .. iPXE .. up ."), ["firmware", "installer"]);
        assert_eq!(timeline.missing().collect::<Vec<_>>(), ["done"]);
        timeline.look(b"up .. iPXE .. up .. up");
        timeline.reach("serving");
        let names: Vec<_> = timeline.moments().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["firmware", "installer", "done", "serving"]);
        assert_eq!(timeline.json()[0]["stage"], "firmware");
    }
}
