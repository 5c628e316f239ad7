//! One scenario in one arm: from all its runs to one outcome.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::model::event::StepReport;
use crate::model::id::Arm;
use crate::model::outcome::{Blame, Cause, Fault, ScenarioOutcome, StepOutcome};
use crate::model::results::SubOutcome;
use crate::model::scenario::{AGAIN, Scenario, Step, When};
use crate::verdict::measured;
use crate::verdict::model::{ArmOutcome, ArmResult};
use crate::verdict::seen::{ArmSeen, RunSeen};

/// How one run of a scenario ended, as far as its records can be believed.
enum RunEnd {
    Passed,
    Failed,
    Errored(Cause),
    /// It has no end, or one that its steps do not bear out.
    None(String),
}

struct RunJudged<'a> {
    number: u32,
    end: RunEnd,
    steps: Vec<Option<&'a StepReport>>,
    failed: Option<(usize, &'a StepReport)>,
    /// A step with a test that passed only when its script ran it again.
    flaky: Option<(usize, &'a StepReport)>,
}

pub(super) fn result(
    scenario: Option<&Scenario>,
    name: &str,
    arm: Arm,
    seen: Option<&ArmSeen<'_>>,
    interrupted: bool,
    again: bool,
) -> ArmResult {
    let Some(scenario) = scenario else {
        return nothing(0, "it is not in the plan".to_owned());
    };
    let Some(seen) = seen else {
        return nothing(scenario.steps.len(), "its arm did not start".to_owned());
    };
    let result =
        measured::with_failed_samples(of_runs(scenario, name, arm, seen, interrupted, 0), scenario, seen);
    let has_passed = matches!(result.outcome, ArmOutcome::Passed | ArmOutcome::FlakyPassed);
    let result = if again && scenario.required && has_passed {
        with_the_end(result, of_runs(scenario, name, arm, seen, interrupted, AGAIN))
    } else {
        result
    };
    beside_the_host(result, &seen.faults)
}

/// The outcome of the runs of one moment: of those after the updates (from number 0), or of those at the end of the soak (from
/// [`AGAIN`]).
fn of_runs(
    scenario: &Scenario,
    name: &str,
    arm: Arm,
    seen: &ArmSeen<'_>,
    interrupted: bool,
    from: u32,
) -> ArmResult {
    let first = seen.runs.get(&(name, 0));
    let runs: Vec<RunJudged<'_>> = seen
        .runs
        .range((name, from)..=(name, if from < AGAIN { AGAIN - 1 } else { u32::MAX }))
        .map(|(&(_, number), run)| judge_run(scenario, number, run, first))
        .collect();

    let last = runs.last();
    let passed = runs.iter().any(|run| matches!(run.end, RunEnd::Passed));
    // A failure is final when no run is left to come: a retry might still have passed.
    let is_final = |run: &RunJudged<'_>| {
        run.number - from >= scenario.retries
            || (seen.over && seen.faults.is_empty())
            || run.failed.is_some_and(|(index, _)| is_seed(scenario, index))
    };
    let (settled, problem) = match last.map(|run| (run, &run.end)) {
        Some((run, RunEnd::Passed)) if run.number == from && run.flaky.is_none() => {
            (Some(ArmOutcome::Passed), None)
        }
        Some((_, RunEnd::Passed)) => (Some(ArmOutcome::FlakyPassed), None),
        Some((run, RunEnd::Failed)) if passed || is_final(run) => (Some(ArmOutcome::Failed), None),
        Some((_, RunEnd::Failed)) => (None, Some("it failed and its retry has no result".to_owned())),
        Some((_, RunEnd::Errored(cause))) => (Some(ArmOutcome::Errored(*cause)), None),
        Some((_, RunEnd::None(problem))) => (None, Some(problem.clone())),
        None => (None, Some("it has no record".to_owned())),
    };
    let outcome = settled.unwrap_or_else(|| without_result(arm, &seen.faults, interrupted));
    let shown = match outcome {
        ArmOutcome::FlakyPassed => runs.iter().find_map(|run| run.failed.or(run.flaky)),
        ArmOutcome::Passed | ArmOutcome::Failed | ArmOutcome::Errored(_) | ArmOutcome::NotRun => {
            last.and_then(|run| run.failed)
        }
    };
    ArmResult {
        outcome,
        runs: runs.len(),
        failed: shown.map(|(index, report)| (index, report.clone())),
        failed_runs: runs
            .iter()
            .filter_map(|run| run.failed.map(|(index, report)| (index, report.clone())))
            .collect(),
        steps: last.map_or_else(
            || vec![None; scenario.steps.len()],
            |run| run.steps.iter().map(|step| step.cloned()).collect(),
        ),
        problem,
        cleanup: seen
            .cleanup
            .get(name)
            .into_iter()
            .flatten()
            .map(|(index, report)| (*index, (*report).clone()))
            .collect(),
    }
}

/// A result of an arm that ended by a fault of its host: what failed there before that may be the same fault.
fn beside_the_host(mut result: ArmResult, faults: &[&Fault]) -> ArmResult {
    let of_host = faults.iter().find(|fault| fault.cause.is_of_the_host());
    if let (ArmOutcome::Failed, Some(fault)) = (result.outcome, of_host) {
        result.outcome = ArmOutcome::Errored(fault.cause);
        result.problem = Some(format!("it failed, and then {}", fault.cause.words()));
    }
    result
}

/// The result of a scenario that passed after the updates, with that of its runs at the end of the soak: it has to pass then, too.
fn with_the_end(mut result: ArmResult, end: ArmResult) -> ArmResult {
    result.runs += end.runs;
    result.failed_runs.extend(end.failed_runs);
    if end.outcome == ArmOutcome::Passed {
        return result;
    }
    result.outcome = end.outcome;
    result.failed = end.failed;
    if end.runs > 0 {
        result.steps = end.steps;
    }
    result.problem = end
        .problem
        .map(|problem| format!("at the end of the soak: {problem}"));
    result
}

fn nothing(steps: usize, problem: String) -> ArmResult {
    ArmResult {
        outcome: ArmOutcome::NotRun,
        runs: 0,
        failed: None,
        failed_runs: Vec::new(),
        steps: vec![None; steps],
        problem: Some(problem),
        cleanup: Vec::new(),
    }
}

/// What a scenario without a result is: errored where the lab explains it, else not run. An update that could not be
/// installed closes the gate by itself; the scenarios behind it are simply not run.
fn without_result(arm: Arm, faults: &[&Fault], interrupted: bool) -> ArmOutcome {
    let explains = |fault: &&&Fault| match fault.cause.blame() {
        Blame::Product => arm == Arm::Control,
        Blame::Environment | Blame::Scenario | Blame::Unknown => true,
    };
    match faults.iter().find(explains) {
        Some(fault) => ArmOutcome::Errored(fault.cause),
        None if interrupted && faults.is_empty() => ArmOutcome::Errored(Cause::Interrupted),
        None => ArmOutcome::NotRun,
    }
}

fn is_seed(scenario: &Scenario, index: usize) -> bool {
    scenario
        .steps
        .get(index)
        .is_some_and(|step| step.when == When::BeforeUpdates)
}

fn judge_run<'a>(
    scenario: &Scenario,
    number: u32,
    run: &RunSeen<'a>,
    first: Option<&RunSeen<'a>>,
) -> RunJudged<'a> {
    let steps: Vec<Option<&StepReport>> = (0..scenario.steps.len())
        .map(|index| {
            let own = run.steps.get(&index).copied();
            // Steps before the updates cannot be run again after them: a retry stands on those of the first run.
            own.or_else(|| {
                first
                    .filter(|_| is_seed(scenario, index))
                    .and_then(|first| first.steps.get(&index).copied())
            })
        })
        .collect();
    let planned = steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| step.map(|step| (index, step)));
    let beyond = run
        .steps
        .range(steps.len()..)
        .map(|(&index, &step)| (index, step));
    let mut failed = None;
    let mut errored = None;
    for (index, step) in planned.chain(beyond) {
        match step.outcome {
            StepOutcome::Passed => {}
            StepOutcome::Failed => failed = failed.or(Some((index, step))),
            StepOutcome::Errored(cause) => errored = errored.or(Some(((index, step), cause))),
        }
    }
    let have = steps.iter().flatten().count();
    let tests = |step: &Step| step.when == When::AfterReboot && step.action.can_fail();
    let tests_nothing = !scenario.steps.iter().any(tests);
    let end = match (run.outcome, errored) {
        (Some(ScenarioOutcome::Errored(cause)), _) | (_, Some((_, cause))) => RunEnd::Errored(cause),
        (Some(ScenarioOutcome::Failed), None) => RunEnd::Failed,
        (Some(ScenarioOutcome::Passed), None) if failed.is_some() => RunEnd::Failed,
        (Some(ScenarioOutcome::Passed), None) if tests_nothing => {
            RunEnd::None("it has no step after the reboot that could fail".to_owned())
        }
        (Some(ScenarioOutcome::Passed), None) if have < steps.len() => RunEnd::None(format!(
            "it is said to have passed with {have} of {} steps recorded",
            steps.len()
        )),
        (Some(ScenarioOutcome::Passed), None) => RunEnd::Passed,
        (None, None) if failed.is_some_and(|(index, _)| is_seed(scenario, index)) => RunEnd::Failed,
        (None, None) => RunEnd::None(format!("it did not end; {have} of {} steps ran", steps.len())),
    };
    let is_flaky = |step: &StepReport| {
        let mut outcomes = step.results.iter().map(|result| result.outcome);
        outcomes.any(|outcome| outcome == SubOutcome::Flaky)
    };
    let flaky = steps
        .iter()
        .enumerate()
        .find_map(|(index, step)| step.filter(|step| is_flaky(step)).map(|step| (index, step)));
    RunJudged {
        number,
        end,
        flaky,
        failed: failed.or(errored.map(|(step, _)| step)),
        steps,
    }
}
