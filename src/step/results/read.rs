//! What is read of results, whatever their format. Pure.

use crate::model::results::{Counts, KEPT, SubOutcome, SubResult, counts};

/// Characters of a name or message that are kept.
pub(super) const TEXT: usize = 300;

/// What was read: the results, and what is wrong with them as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The results, bounded; those that failed come first where some had to be left out.
    pub results: Vec<SubResult>,
    /// How many there were, where some had to be left out.
    pub counts: Option<Counts>,
    /// Sentences that make the step fail.
    pub failures: Vec<String>,
}

/// The start of a text.
pub(super) fn clip(text: &str) -> String {
    let mut clipped: String = text.trim().chars().take(TEXT).collect();
    if clipped.len() < text.trim().len() {
        clipped.push('…');
    }
    clipped
}

/// Ends the reading: names what failed, and refuses what tested nothing.
pub(super) fn finish(read: Read) -> Read {
    let Read {
        mut results,
        mut failures,
        counts: _,
    } = read;
    let all = (results.len() > KEPT).then(|| counts(&results));
    let failed = results
        .iter()
        .filter(|result| result.outcome == SubOutcome::Failed);
    let named: Vec<String> = failed
        .map(|result| {
            let message = if result.message.is_empty() { "" } else { ": " };
            format!("test `{}` failed{message}{}", result.name, result.message)
        })
        .collect();
    let passed = results
        .iter()
        .any(|result| matches!(result.outcome, SubOutcome::Passed | SubOutcome::Flaky));
    if results.is_empty() {
        failures.push("there are no results: nothing was tested".to_owned());
    } else if !passed && named.is_empty() {
        failures.push("every test was skipped: nothing was tested".to_owned());
    }
    let more = failures.len().saturating_sub(KEPT) + named.len().saturating_sub(KEPT);
    failures.truncate(KEPT);
    failures.extend(named.into_iter().take(KEPT));
    if more > 0 {
        failures.push(format!("and {more} more tests failed"));
    }
    if results.len() > KEPT {
        results.sort_by_key(|result| match result.outcome {
            SubOutcome::Failed => 0,
            SubOutcome::Flaky => 1,
            SubOutcome::Passed | SubOutcome::Skipped => 2,
        });
        results.truncate(KEPT);
    }
    Read {
        results,
        counts: all,
        failures,
    }
}
