//! Single results of one script.

use serde::{Deserialize, Serialize};

/// How one test of a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubResult {
    /// Its name.
    pub name: String,
    /// How.
    pub outcome: SubOutcome,
    /// What it said of it; bounded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How one test of a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubOutcome {
    /// Well.
    Passed,
    /// Not so.
    Failed,
    /// It was not run, or is known not to work yet.
    Skipped,
    /// It failed and passed when it was run again, by the script itself.
    Flaky,
}

/// Results that are kept of one step, at most; of more, those that failed come first.
pub const KEPT: usize = 500;

/// Whether some may have been left out.
pub fn is_cut(results: &[SubResult]) -> bool {
    results.len() >= KEPT
}

/// How many results there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// That passed.
    pub passed: usize,
    /// That failed.
    pub failed: usize,
    /// That were skipped.
    pub skipped: usize,
    /// That passed when they were run again.
    pub flaky: usize,
}

impl Counts {
    /// How many tests were run.
    pub fn run(self) -> usize {
        self.passed.saturating_add(self.failed).saturating_add(self.flaky)
    }
}

/// Counts results.
pub fn counts(results: &[SubResult]) -> Counts {
    let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
    Counts {
        passed: count(SubOutcome::Passed),
        failed: count(SubOutcome::Failed),
        skipped: count(SubOutcome::Skipped),
        flaky: count(SubOutcome::Flaky),
    }
}

/// How many there are of each kind, in words: `12 passed, 1 failed, 2 skipped`.
pub fn tally(counts: Counts) -> String {
    let mut words = vec![format!("{} passed", counts.passed)];
    for (count, word) in [
        (counts.failed, "failed"),
        (counts.flaky, "flaky"),
        (counts.skipped, "skipped"),
    ] {
        match count {
            0 => {}
            number => words.push(format!("{number} {word}")),
        }
    }
    words.join(", ")
}
