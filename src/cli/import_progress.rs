//! How far an import is, shown.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::print;
use crate::image::import::told::{ImportProgress, Step};

/// How often a plain line says how far a step is.
const EVERY: Duration = Duration::from_secs(10);

/// A display of an import, on standard error: a bar on a terminal, plain lines elsewhere.
pub struct Progress {
    bar: Option<ProgressBar>,
    now: Mutex<Now>,
}

/// The step that goes on.
struct Now {
    words: String,
    began: Instant,
    told: Instant,
}

impl Progress {
    #[expect(clippy::disallowed_methods, reason = "a terminal shows the time that passes")]
    /// One that shows nothing yet.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            bar: std::io::stderr().is_terminal().then(|| {
                let bar = ProgressBar::new_spinner();
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            }),
            now: Mutex::new(Now {
                words: String::new(),
                began: now,
                told: now,
            }),
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How far a step is, in words: `3 of 12 MiB, some 4 s left`.
fn far(done: u64, of: Option<u64>, spent: Duration) -> String {
    let mib = |bytes: u64| bytes >> 20;
    match of {
        Some(of) if of > 0 && done > 0 => {
            let left = spent
                .as_millis()
                .saturating_mul(u128::from(of.saturating_sub(done)))
                / u128::from(done)
                / 1000;
            format!(
                "{} of some {} MiB, some {left} s left",
                mib(done),
                mib(of.max(done))
            )
        }
        Some(_) | None => format!("{} MiB", mib(done)),
    }
}

impl ImportProgress for Progress {
    #[expect(clippy::disallowed_methods, reason = "a terminal shows the time that passes")]
    fn step(&self, name: &str, step: Step) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now {
            words: format!("{name}: {}", step.words()),
            began: Instant::now(),
            told: Instant::now(),
        };
        match &self.bar {
            Some(bar) => {
                // The template is a constant that is known to parse.
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                    bar.set_style(style);
                }
                bar.set_message(crate::input::safe::whole(&now.words));
            }
            None => print::note(&now.words),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a terminal shows the time that passes")]
    fn bytes(&self, done: u64, of: Option<u64>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let words = format!("{}: {}", now.words, far(done, of, now.began.elapsed()));
        match &self.bar {
            Some(bar) => bar.set_message(crate::input::safe::whole(&words)),
            None if now.told.elapsed() >= EVERY => {
                print::note(&words);
                now.told = Instant::now();
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_estimated_from_what_is_done() {
        let second = Duration::from_secs(1);
        assert_eq!(
            far(3 << 20, Some(12 << 20), second),
            "3 of some 12 MiB, some 3 s left"
        );
        assert_eq!(far(3 << 20, None, second), "3 MiB");
        assert_eq!(far(0, Some(5 << 20), second), "0 MiB");
        // It was more than somebody thought.
        assert_eq!(
            far(6 << 20, Some(5 << 20), second),
            "6 of some 6 MiB, some 0 s left"
        );
    }
}
