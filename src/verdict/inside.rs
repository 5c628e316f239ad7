//! What is new where both arms failed: one old failure must not hide every other behind it. Pure.

use std::collections::BTreeSet;

use crate::model::event::StepReport;
use crate::model::outcome::StepOutcome;
use crate::model::results::{SubOutcome, SubResult};
use crate::model::scenario::{Scenario, When};
use crate::verdict::model::ArmResult;

/// What fails with the updates and does not fail, or fails otherwise, without them; nothing where there is no such thing or it
/// cannot be told. `None` too where treatment failed before its updates.
pub(super) fn new_failure(scenario: &Scenario, control: &ArmResult, treatment: &ArmResult) -> Option<String> {
    let (index, with) = treatment.failed.as_ref()?;
    let step = scenario.steps.get(*index)?;
    if step.when == When::BeforeUpdates || with.outcome != StepOutcome::Failed {
        return None;
    }
    let name = format!("`{}` on {}", step.name, step.on);
    let known: Vec<&StepReport> = control
        .failed_runs
        .iter()
        .filter(|(failed, _)| failed == index)
        .map(|(_, report)| report)
        .collect();
    if known.is_empty() {
        let passed = control.steps.get(*index)?.as_ref()?.outcome == StepOutcome::Passed;
        let why = with.failures.first().map_or("it did not pass", String::as_str);
        return passed.then(|| format!("{name} passed without the updates: {why}"));
    }
    // New is what no run without the updates knows.
    let mut new = None;
    for without in known {
        if without.outcome != StepOutcome::Failed {
            return None;
        }
        new = Some(new_result(&without.results, &with.results).or_else(|| new_sentence(without, with))?);
    }
    new.map(|new| format!("{name} failed without the updates too, and {new}"))
}

/// A test of a script that failed with the updates and passed without them, or failed of something else.
fn new_result(without: &[SubResult], with: &[SubResult]) -> Option<String> {
    with.iter()
        .filter(|result| result.outcome == SubOutcome::Failed)
        .find_map(|failed| {
            let mut same: Vec<&SubResult> = without
                .iter()
                .filter(|result| result.name == failed.name)
                .collect();
            if same.is_empty() {
                // Some harnesses write times into names.
                let name = signature(&failed.name);
                same = without
                    .iter()
                    .filter(|result| signature(&result.name) == name)
                    .collect();
            }
            let mut failures = same
                .iter()
                .filter(|result| result.outcome == SubOutcome::Failed)
                .peekable();
            let message = if failed.message.is_empty() {
                String::new()
            } else {
                format!(": {}", failed.message)
            };
            if failures.peek().is_some() {
                let known = failures.any(|known| signature(&known.message) == signature(&failed.message));
                return (!known).then(|| format!("test `{}` now fails otherwise{message}", failed.name));
            }
            let passed = same
                .iter()
                .any(|result| matches!(result.outcome, SubOutcome::Passed | SubOutcome::Flaky));
            passed.then(|| {
                format!(
                    "test `{}`, which passed there, fails with them{message}",
                    failed.name
                )
            })
        })
}

/// A sentence that does not stand among those of the other arm. Those that name a test are told by its result.
fn new_sentence(without: &StepReport, with: &StepReport) -> Option<String> {
    let of_step = |report: &StepReport| -> Vec<String> {
        let has_results = !report.results.is_empty();
        let sentences = report.failures.iter();
        sentences
            .filter(|sentence| !(has_results && is_of_test(sentence)))
            .cloned()
            .collect()
    };
    let known: BTreeSet<String> = of_step(without)
        .iter()
        .map(|sentence| signature(sentence))
        .collect();
    of_step(with)
        .into_iter()
        .find(|sentence| !known.contains(&signature(sentence)))
        .map(|sentence| format!("fails otherwise with them: {sentence}"))
}

fn is_of_test(sentence: &str) -> bool {
    sentence.starts_with("test `")
        || (sentence.starts_with("and ") && sentence.ends_with("more tests failed"))
}

/// A message without what differs from run to run: every word that has a digit, and white space.
fn signature(text: &str) -> String {
    let mut signature = String::with_capacity(text.len());
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+');
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.contains(|c: char| c.is_ascii_digit()) {
            signature.push('#');
        } else {
            signature.push_str(word);
        }
        let other = after.find(is_word).unwrap_or(after.len());
        let (between, next) = after.split_at(other);
        let mut was_space = false;
        for character in between.chars() {
            let is_space = character.is_whitespace();
            if !(is_space && was_space) {
                signature.push(if is_space { ' ' } else { character });
            }
            was_space = is_space;
        }
        rest = next;
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(name: &str, outcome: SubOutcome, message: &str) -> SubResult {
        SubResult {
            name: name.to_owned(),
            outcome,
            message: message.to_owned(),
        }
    }

    #[test]
    fn numbers_and_times_do_not_make_a_failure_another() {
        for (one, other) in [
            ("exit code is 3, expected 0", "exit code is 1, expected 0"),
            ("at 10:01:02.123  in  3.2s", "at 11:00:00.5 in 4s"),
            ("session=ab3f9, id 0x7f", "session=99aa, id 0x80"),
        ] {
            assert_eq!(signature(one), signature(other));
        }
        assert_ne!(
            signature("the page is empty"),
            signature("no connection to http://app/")
        );
    }

    #[test]
    fn tests_are_compared_one_by_one() {
        use SubOutcome::{Failed, Flaky, Passed, Skipped};
        let old = result("old", Failed, "12.51 is not 12.50");
        let new = |without: &[SubResult], with: &[SubResult]| new_result(without, with).is_some();
        assert!(!new(
            std::slice::from_ref(&old),
            &[result("old", Failed, "12.52 is not 12.50")]
        ));
        assert!(new(
            std::slice::from_ref(&old),
            &[result("old", Failed, "no connection")]
        ));
        for (before, is) in [(Passed, true), (Flaky, true), (Skipped, false)] {
            let without = [old.clone(), result("till", before, "")];
            assert_eq!(new(&without, &[old.clone(), result("till", Failed, "shut")]), is);
        }
        assert!(!new(
            std::slice::from_ref(&old),
            &[old.clone(), result("unheard of", Failed, "")]
        ));
        let timed = |time: &str, outcome| result(&format!("the till opens in {time}"), outcome, "");
        assert!(new(&[timed("12ms", Passed)], &[timed("40ms", Failed)]));
    }
}
