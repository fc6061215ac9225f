//! What is seen of long work: a bar on a terminal, one line per stage elsewhere. Always on standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::answer::say;

/// The stages of one command.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Nothing is shown before the first stage.
    #[must_use]
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::no_length);
        Self { bar }
    }

    /// Begins a stage whose length is not known.
    pub fn stage(&self, name: &str) {
        self.begin(name, "{elapsed_precise} {spinner} {msg}", None);
    }

    /// Begins a stage of that many bytes.
    pub fn bytes(&self, name: &str, total: u64) {
        let style = "{elapsed_precise} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
        self.begin(name, style, Some(total));
    }

    /// Says something beside the stages.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }

    fn begin(&self, name: &str, style: &str, total: Option<u64>) {
        let Some(bar) = &self.bar else {
            say(name);
            return;
        };
        bar.println(name);
        bar.set_style(ProgressStyle::with_template(style).expect("the templates above are templates"));
        bar.set_message(name.to_owned());
        bar.reset();
        match total {
            Some(total) => bar.set_length(total),
            None => bar.unset_length(),
        }
        bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// So many bytes more are done.
    pub fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
