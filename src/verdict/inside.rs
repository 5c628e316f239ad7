//! What is new inside of a scenario: one old failure must not hide every other behind it, and tests that are no longer run must
//! not pass for passed ones. Pure.
//!
//! New is what no run without the updates shows, in whatever pair of arms. Where these runs do not agree among themselves, what
//! they disagree on varies by itself, and nothing of it is new.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::event::StepReport;
use crate::model::outcome::StepOutcome;
use crate::model::results::{SubOutcome, SubResult, is_cut};
use crate::model::scenario::{Scenario, When};
use crate::verdict::model::{ArmOutcome, ArmResult};

/// Something that is new with the updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct New {
    /// By what it is the same in another pair of arms.
    pub(super) key: String,
    /// A fragment that tells it.
    pub(super) words: String,
}

/// All that fails, is skipped or is not there with the updates, and passes in each of these runs without them, or fails
/// otherwise. Nothing where that cannot be told, or treatment failed before its updates.
pub(super) fn new(scenario: &Scenario, controls: &[&ArmResult], treatment: &ArmResult) -> Vec<New> {
    let mut new = Vec::new();
    if treatment.outcome == ArmOutcome::Failed {
        new.extend(failing(scenario, controls, treatment).unwrap_or_default());
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        let with = report(treatment, index).filter(|_| step.when != When::BeforeUpdates);
        let without: Option<Vec<&StepReport>> =
            controls.iter().map(|control| report(control, index)).collect();
        if let (Some(with), Some(without)) = (with, without) {
            new.extend(untested(index, &without, with).into_iter().map(|new| New {
                words: format!("`{}` on {}: {}", step.name, step.on, new.words),
                ..new
            }));
        }
    }
    new
}

fn report(result: &ArmResult, step: usize) -> Option<&StepReport> {
    result.steps.get(step)?.as_ref()
}

/// What is told of several that are new: the first, and how many more there are.
pub(super) fn words(new: &[New]) -> Option<String> {
    let (first, more) = new.split_first()?;
    Some(match more.len() {
        0 => first.words.clone(),
        more => format!("{}; and {more} more", first.words),
    })
}

/// The reason of a verdict by what is new in a pair of arms.
pub(super) fn told(control: ArmOutcome, treatment: ArmOutcome, new: &str) -> String {
    let also = match (control, treatment) {
        (ArmOutcome::Failed, ArmOutcome::Failed) => "both arms failed, and treatment of something new",
        (ArmOutcome::Failed, _) => "control failed and treatment passed, but not by the same tests",
        (_, ArmOutcome::Failed) => "control passed, treatment failed",
        (_, _) => "both arms passed, but not by the same tests",
    };
    format!("{also}: {new}")
}

fn failing(scenario: &Scenario, controls: &[&ArmResult], treatment: &ArmResult) -> Option<Vec<New>> {
    let (index, with) = treatment.failed.as_ref()?;
    let step = scenario.steps.get(*index)?;
    if step.when == When::BeforeUpdates || with.outcome != StepOutcome::Failed {
        return None;
    }
    let name = format!("`{}` on {}", step.name, step.on);
    let mut known: Vec<&StepReport> = Vec::new();
    let mut has_passed = false;
    for control in controls {
        let before = known.len();
        let of_step = control.failed_runs.iter().filter(|(failed, _)| failed == index);
        known.extend(of_step.map(|(_, report)| report));
        if known.len() == before {
            // A control that did not come to it does not know.
            has_passed |= control.steps.get(*index)?.as_ref()?.outcome == StepOutcome::Passed;
            if !has_passed {
                return None;
            }
        }
    }
    if known.is_empty() {
        let why = with.failures.first().map_or("it did not pass", String::as_str);
        return Some(vec![New {
            key: format!("step {index}"),
            words: format!("{name} passed without the updates: {why}"),
        }]);
    }
    if has_passed || known.iter().any(|report| report.outcome != StepOutcome::Failed) {
        return None;
    }
    let mut new = new_results(&known, with);
    new.extend(new_sentences(&known, with));
    Some(
        new.into_iter()
            .map(|new| New {
                words: format!("{name} failed without the updates too, and {}", new.words),
                ..new
            })
            .collect(),
    )
}

/// The results of one script, by their names.
struct Index<'a> {
    report: &'a StepReport,
    named: BTreeMap<&'a str, Vec<&'a SubResult>>,
    signed: BTreeMap<String, Vec<&'a SubResult>>,
}

impl<'a> Index<'a> {
    fn of(report: &'a StepReport) -> Self {
        let mut index = Self {
            report,
            named: BTreeMap::new(),
            signed: BTreeMap::new(),
        };
        for result in &report.results {
            index.named.entry(&result.name).or_default().push(result);
            index
                .signed
                .entry(signature(&result.name))
                .or_default()
                .push(result);
        }
        index
    }

    /// The results of the same test as one of another script's. Some harnesses write times into names: where no name is the
    /// same, the only one of either side with that signature is it.
    fn same(&self, other: &Self, result: &SubResult) -> &[&'a SubResult] {
        if let Some(named) = self.named.get(result.name.as_str()) {
            return named;
        }
        let signature = signature(&result.name);
        let is_only = other.signed.get(&signature).is_some_and(|own| own.len() == 1);
        self.signed
            .get(&signature)
            .filter(|signed| is_only && signed.len() == 1)
            .map_or(&[], Vec::as_slice)
    }

    fn failed(&self) -> impl Iterator<Item = &'a SubResult> {
        let all = self.report.results.iter();
        all.filter(|result| result.outcome == SubOutcome::Failed)
    }

    /// What became of a test of another script's.
    fn state(&self, other: &Self, result: &SubResult) -> State {
        let same = self.same(other, result);
        let failures: BTreeSet<String> = same
            .iter()
            .filter(|result| result.outcome == SubOutcome::Failed)
            .map(|result| bag(&result.message))
            .collect();
        if !failures.is_empty() {
            return State::Failed(failures);
        }
        if same.iter().any(|result| result.outcome == SubOutcome::Passed) {
            return State::Passed;
        }
        if same.iter().any(|result| result.outcome == SubOutcome::Flaky) {
            return State::Flaky;
        }
        match same.first() {
            Some(result) => State::Skipped(result.message.clone()),
            // Of results that were cut, those that failed are kept first.
            None if is_cut(&self.report.results) => State::Cut,
            None => State::Absent,
        }
    }

    /// Whether the same tests fail in both.
    fn fails_as(&self, other: &Self) -> bool {
        let is_in = |one: &Self, other: &Self| {
            one.failed()
                .all(|failed| matches!(other.state(one, failed), State::Failed(_)))
        };
        is_in(self, other) && is_in(other, self)
    }
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Passed,
    Flaky,
    /// With what it said.
    Failed(BTreeSet<String>),
    /// With why.
    Skipped(String),
    /// It is not among the results that were kept, so it did not fail.
    Cut,
    Absent,
}

fn with_message(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// Tests of a script that fail with the updates and passed without them, or fail of something else.
fn new_results(known: &[&StepReport], with: &StepReport) -> Vec<New> {
    let with = Index::of(with);
    let known: Vec<Index<'_>> = known.iter().map(|report| Index::of(report)).collect();
    let Some((first, others)) = known.split_first() else {
        return Vec::new();
    };
    if !others.iter().all(|other| first.fails_as(other)) {
        return Vec::new();
    }
    with.failed()
        .filter_map(|failed| {
            let states: Vec<State> = known.iter().map(|index| index.state(&with, failed)).collect();
            let message = with_message(&failed.message);
            let key = first
                .same(&with, failed)
                .first()
                .filter(|same| same.name != failed.name)
                .map_or_else(|| failed.name.clone(), |same| signature(&same.name));
            let passes = |state: &State| matches!(state, State::Passed | State::Flaky | State::Cut);
            if states.iter().all(passes) {
                return Some(New {
                    key: format!("test {key}"),
                    words: format!(
                        "test `{}`, which passed there, fails with them{message}",
                        failed.name
                    ),
                });
            }
            let State::Failed(known) = states.first()? else {
                return None;
            };
            let signature = bag(&failed.message);
            let is_steady = states.iter().all(|state| Some(state) == states.first());
            (is_steady && !known.contains(&signature)).then(|| New {
                key: format!("test {key}: {signature}"),
                words: format!("test `{}` now fails otherwise{message}", failed.name),
            })
        })
        .collect()
}

/// Sentences that do not stand among those of any other run. Those that name a test are told by its result.
fn new_sentences(known: &[&StepReport], with: &StepReport) -> Vec<New> {
    let of_step = |report: &StepReport| -> Vec<String> {
        let has_results = !report.results.is_empty();
        let sentences = report.failures.iter();
        sentences
            .filter(|sentence| !(has_results && is_of_test(sentence)))
            .cloned()
            .collect()
    };
    let signed = |report: &StepReport| -> BTreeSet<String> {
        of_step(report).iter().map(|sentence| bag(sentence)).collect()
    };
    let Some((first, others)) = known.split_first() else {
        return Vec::new();
    };
    let first = signed(first);
    if others.iter().any(|other| signed(other) != first) {
        return Vec::new();
    }
    of_step(with)
        .into_iter()
        .map(|sentence| (bag(&sentence), sentence))
        .filter(|(signature, _)| !first.contains(signature))
        .map(|(signature, sentence)| New {
            key: format!("sentence {signature}"),
            words: format!("fails otherwise with them: {sentence}"),
        })
        .collect()
}

fn is_of_test(sentence: &str) -> bool {
    sentence.starts_with("test `")
        || (sentence.starts_with("and ") && sentence.ends_with("more tests failed"))
}

/// Tests of a step that passed in all runs without the updates, and are skipped or not there with them.
fn untested(step: usize, without: &[&StepReport], with: &StepReport) -> Vec<New> {
    if without.iter().any(|report| report.results.is_empty()) {
        return Vec::new();
    }
    let with_index = Index::of(with);
    let known: Vec<Index<'_>> = without.iter().map(|report| Index::of(report)).collect();
    let Some((first, others)) = known.split_first() else {
        return Vec::new();
    };
    // Names of one signature that only one side has, as times in them make: as many of these are the same tests.
    let mut renamed: BTreeMap<&str, usize> = BTreeMap::new();
    for (signature, results) in &with_index.signed {
        let only = results.iter().filter(|result| {
            result.outcome != SubOutcome::Skipped && !first.named.contains_key(result.name.as_str())
        });
        renamed.insert(signature, only.count());
    }
    let mut new = Vec::new();
    let passed = first.report.results.iter();
    for result in passed.filter(|result| result.outcome == SubOutcome::Passed) {
        if others
            .iter()
            .any(|other| other.state(first, result) != State::Passed)
        {
            continue;
        }
        let how = match with_index.state(first, result) {
            State::Passed | State::Flaky | State::Failed(_) | State::Cut => continue,
            State::Skipped(message) => format!("is skipped with them{}", with_message(&message)),
            // A script that failed may have ended early, and says so.
            State::Absent if with.outcome != StepOutcome::Passed => continue,
            State::Absent => match renamed.get_mut(signature(&result.name).as_str()) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    continue;
                }
                Some(_) | None => "is not run with them".to_owned(),
            },
        };
        new.push(New {
            key: format!("test {step} {}", result.name),
            words: format!("test `{}`, which passed without the updates, {how}", result.name),
        });
    }
    if new.is_empty() && with.outcome == StepOutcome::Passed {
        new.extend(fewer(step, without, with));
    }
    new
}

/// Of results that were cut only their number tells that some are missing.
fn fewer(step: usize, without: &[&StepReport], with: &StepReport) -> Option<New> {
    let is_cut = |report: &StepReport| report.counts.is_some();
    if !is_cut(with) && !without.iter().any(|report| is_cut(report)) {
        return None;
    }
    let first = without.first()?.counts().run();
    let is_steady = without.iter().all(|report| report.counts().run() == first);
    let run = with.counts().run();
    (is_steady && run < first).then(|| New {
        key: format!("count {step}"),
        words: format!("{run} of its tests are run with the updates, {first} without them"),
    })
}

/// A message without what differs from run to run: every word that has a digit, and white space.
fn signature(text: &str) -> String {
    let mut signature = String::with_capacity(text.len());
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        signature.push_str(steady(word));
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

/// The words of a message in the order of the alphabet, each that has a digit as one of these: a set is printed in any order.
fn bag(text: &str) -> String {
    let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
    let mut words: Vec<&str> = words.map(steady).collect();
    words.sort_unstable();
    words.join(" ")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+')
}

/// A word, or what stands for any with a digit.
fn steady(word: &str) -> &str {
    if word.contains(|c: char| c.is_ascii_digit()) {
        "#"
    } else {
        word
    }
}

#[cfg(test)]
mod tests;
