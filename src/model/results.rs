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

/// How many there are of each kind, in words: `12 passed, 1 failed, 2 skipped`.
pub fn tally(results: &[SubResult]) -> String {
    let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
    let mut words = vec![format!("{} passed", count(SubOutcome::Passed))];
    for (outcome, word) in [
        (SubOutcome::Failed, "failed"),
        (SubOutcome::Flaky, "flaky"),
        (SubOutcome::Skipped, "skipped"),
    ] {
        match count(outcome) {
            0 => {}
            number => words.push(format!("{number} {word}")),
        }
    }
    words.join(", ")
}
