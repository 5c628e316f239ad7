//! Measured steps: from both arms' samples to what may be said of their time.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::measure::{self, FailedSamples, Finding, Performance, Share};
use crate::model::event::StepReport;
use crate::model::id::{Arm, CellId};
use crate::model::outcome::{Cause, StepOutcome};
use crate::model::scenario::{Measure, Scenario};
use crate::verdict::model::{ArmOutcome, ArmResult, Measured, MeasuredStep, Verdict};
use crate::verdict::seen::{ArmSeen, Seen};

/// Every measured step of a scenario, in its order.
pub(super) fn judge(
    lab: Performance,
    scenario: Option<&Scenario>,
    cell: &CellId,
    seen: &Seen<'_>,
) -> Vec<MeasuredStep> {
    let Some(scenario) = scenario else {
        return Vec::new();
    };
    let steps = scenario.steps.iter().enumerate();
    steps
        .filter_map(|(index, step)| {
            let measure = step.measure?;
            let of = |arm| samples(scenario, index, measure, arm, cell, seen);
            Some(MeasuredStep {
                step: index,
                name: step.name.clone(),
                on: step.on.clone(),
                result: result(of(Arm::Control), of(Arm::Treatment), measure.policy(lab)),
                failed: failed(scenario, index, measure, lab, cell, seen),
            })
        })
        .collect()
}

/// The failed samples of both arms, where any did and each arm has one set.
fn failed(
    scenario: &Scenario,
    step: usize,
    measure: Measure,
    lab: Performance,
    cell: &CellId,
    seen: &Seen<'_>,
) -> Option<FailedSamples> {
    let share = |arm| match seen.arm(cell, arm)?.samples(&scenario.name, step) {
        [one] => Some(Share {
            had: one.failed,
            // An arm whose step fails is given up before it has them all.
            of: one
                .failed
                .saturating_add(u32::try_from(one.us.len()).unwrap_or(u32::MAX)),
        }),
        [] | [_, _, ..] => None,
    };
    let (control, treatment) = (share(Arm::Control)?, share(Arm::Treatment)?);
    let any = control.had > 0 || treatment.had > 0;
    any.then(|| FailedSamples::compare(control, treatment, measure.policy(lab)))
}

/// One arm's samples, as far as they can be believed.
enum OfArm<'a> {
    Whole(&'a [u64]),
    Failed,
    Missing(String),
}

fn samples<'a>(
    scenario: &'a Scenario,
    step: usize,
    measure: Measure,
    arm: Arm,
    cell: &'a CellId,
    seen: &'a Seen<'_>,
) -> OfArm<'a> {
    let all = seen
        .arm(cell, arm)
        .map_or(&[][..], |seen| seen.samples(&scenario.name, step));
    if all.iter().any(|samples| measure.fails_by(samples.failed)) {
        return OfArm::Failed;
    }
    match all {
        [] => OfArm::Missing(format!("it has no samples in {arm}")),
        [one] => {
            let have = one.us.len().saturating_add(one.failed as usize);
            if have == measure.repeat as usize && !one.us.is_empty() {
                OfArm::Whole(one.us)
            } else {
                OfArm::Missing(format!(
                    "{} of {} samples in {arm} have a time",
                    one.us.len(),
                    measure.repeat
                ))
            }
        }
        [_, _, ..] => OfArm::Missing(format!("it has several sets of samples in {arm}")),
    }
}

fn result(control: OfArm<'_>, treatment: OfArm<'_>, policy: Performance) -> Measured {
    match (control, treatment) {
        (OfArm::Failed, OfArm::Failed) => Measured::Failed(Arm::BOTH.to_vec()),
        (OfArm::Failed, OfArm::Whole(_) | OfArm::Missing(_)) => Measured::Failed(vec![Arm::Control]),
        (OfArm::Whole(_) | OfArm::Missing(_), OfArm::Failed) => Measured::Failed(vec![Arm::Treatment]),
        (OfArm::Missing(problem), OfArm::Whole(_) | OfArm::Missing(_))
        | (OfArm::Whole(_), OfArm::Missing(problem)) => Measured::Missing(problem),
        (OfArm::Whole(control), OfArm::Whole(treatment)) => measure::compare(control, treatment, policy)
            .map_or_else(
                || Measured::Missing("it has no samples".to_owned()),
                Measured::Compared,
            ),
    }
}

/// The verdict on a scenario that passed in both arms, by its measured steps, and the reason where that is not a pass.
pub(super) fn weigh(steps: &[MeasuredStep], cell: &CellId, seen: &Seen<'_>) -> Option<(Verdict, String)> {
    let mut slower = Vec::new();
    let mut missing = None;
    for step in steps {
        let name = format!("`{}` on {}", step.name, step.on);
        match &step.result {
            Measured::Compared(comparison) => {
                if let Some(failed) = step.failed.filter(|failed| failed.finding == Finding::Regressed) {
                    slower.push(format!("{name}: {}", failed.words()));
                }
                match comparison.finding {
                    Finding::Regressed => slower.push(format!("{name}: {}", comparison.words())),
                    Finding::Unsure | Finding::Alike | Finding::Faster => {}
                }
            }
            // The arm's own outcome says so already.
            Measured::Failed(_) => {}
            Measured::Missing(problem) => {
                missing = missing.or_else(|| Some(format!("{name} is measured, and {problem}")));
            }
        }
    }
    if !slower.is_empty() {
        return Some((Verdict::Regressed, slower.join("; ")));
    }
    let fault = Arm::BOTH
        .iter()
        .filter_map(|&arm| seen.arm(cell, arm))
        .find_map(|seen| seen.faults.first());
    let cause = match fault {
        Some(fault) => fault.cause,
        None if seen.interrupted.is_some() => Cause::Interrupted,
        None => Cause::NotMeasured,
    };
    missing.map(|problem| (Verdict::Inconclusive(cause), problem))
}

/// A result in which a step fails whose samples failed too often.
pub(super) fn with_failed_samples(
    mut result: ArmResult,
    scenario: &Scenario,
    seen: &ArmSeen<'_>,
) -> ArmResult {
    match result.outcome {
        ArmOutcome::Passed | ArmOutcome::FlakyPassed => {}
        ArmOutcome::Failed | ArmOutcome::Errored(_) | ArmOutcome::NotRun => return result,
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        let Some((measure, Some(passed))) = step.measure.zip(result.steps.get(index)) else {
            continue;
        };
        let all = seen.samples(&scenario.name, index);
        let Some(samples) = all.iter().find(|samples| measure.fails_by(samples.failed)) else {
            continue;
        };
        let why = samples.failures.first().map_or("", String::as_str);
        let report = StepReport {
            outcome: StepOutcome::Failed,
            failures: vec![format!(
                "{} of {} samples failed; the first: {why}",
                samples.failed, measure.repeat
            )],
            ..passed.clone()
        };
        result.outcome = ArmOutcome::Failed;
        result.failed_runs.push((index, report.clone()));
        result.failed = Some((index, report));
        break;
    }
    result
}
