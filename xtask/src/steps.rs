//! Progress a person can follow: which step runs, how long it took, where it stopped.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The steps of one run and how long each took.
pub struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    pub fn new() -> Self {
        Self { done: Vec::new() }
    }

    /// Runs one step, tells its name before and its duration after.
    ///
    /// # Errors
    /// What the step returns, with the name of the step.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        eprintln!("==> {name}");
        let started = Instant::now();
        step().with_context(|| format!("step \"{name}\" failed after {}", seconds(started.elapsed())))?;
        eprintln!("    {name}: passed in {}", seconds(started.elapsed()));
        self.done.push((name.to_owned(), started.elapsed()));
        Ok(())
    }

    /// Runs a command as a step; its output goes where ours goes.
    ///
    /// # Errors
    /// When the command cannot be started or does not end with success.
    pub fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.run(name, || {
            let program = command.get_program().to_string_lossy().into_owned();
            let status = command.status().with_context(|| format!("{program} cannot be started"))?;
            if !status.success() {
                bail!("{program} ended with {status}; its output above says why");
            }
            Ok(())
        })
    }

    /// The closing table.
    pub fn summary(&self) {
        let total: Duration = self.done.iter().map(|(_, duration)| *duration).sum();
        eprintln!("\nEverything passed.");
        for (name, duration) in &self.done {
            eprintln!("  {name:<22} {:>8}", seconds(*duration));
        }
        eprintln!("  {:<22} {:>8}", "in all", seconds(total));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
