//! What a demonstration tells as it goes, and once more at its end.

use std::time::Instant;

use crate::shell::Shell;

/// Tells what happens, and how long it took.
pub struct Story {
    begun: Instant,
    summary: Vec<String>,
}

impl Default for Story {
    fn default() -> Self {
        Self { begun: Instant::now(), summary: Vec::new() }
    }
}

impl Story {
    /// Tells a line, with the time since the beginning.
    pub fn tell(&self, line: &str) {
        println!("[{:>4} s] {line}", self.begun.elapsed().as_secs());
    }

    /// Does one chapter, and keeps what it says at its end for the summary.
    pub fn chapter<T>(&mut self, what: &str, run: impl FnOnce(&Self) -> (T, String)) -> T {
        self.tell(what);
        let begun = Instant::now();
        let (result, told) = run(self);
        let line = format!("{what}: {told} ({:.0} s)", begun.elapsed().as_secs_f64());
        self.tell(&told);
        self.summary.push(line);
        result
    }

    /// Shows what a program said.
    pub fn show(&self, output: &str) {
        output.lines().for_each(|line| println!("         | {line}"));
    }

    /// Runs a command in the machine and shows what it says.
    pub fn guest(&self, shell: &mut Shell, command: &str) -> (i32, String) {
        println!("         # {command}");
        shell.run_and_show(command, |line| self.show(line))
    }

    /// Tells all chapters once more.
    pub fn end(&self) {
        println!("\nWhat was seen, in {} s:", self.begun.elapsed().as_secs());
        self.summary.iter().for_each(|line| println!("  {line}"));
    }
}
