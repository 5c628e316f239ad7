//! The judge, from the plan down to each scenario.
#![warn(clippy::wildcard_enum_match_arm)]

use crate::model::event::Record;
use crate::model::id::{Arm, CellId};
use crate::model::outcome::Cause;
use crate::model::plan::{CellPlan, Plan};
use crate::model::policy::NetworkMode;
use crate::model::results::SubOutcome;
use crate::model::scenario::{Scenario, When};
use crate::verdict::model::{
    ArmOutcome, ArmResult, CellJudgement, Judgement, NodeState, ScenarioJudgement, Verdict,
};
use crate::verdict::seen::Seen;
use crate::verdict::{arm, inside, measured, node};

/// Judges every cell, scenario and arm of a plan by the records of its run.
pub fn judge(plan: &Plan, records: &[Record]) -> Judgement {
    let seen = Seen::read(records);
    Judgement {
        cells: plan
            .cells
            .iter()
            .map(|cell| judge_cell(plan, cell, &seen))
            .collect(),
        lost: seen.tries.lost.clone(),
        resumed: seen.resumed.map(|(run, cells)| (run.clone(), cells)),
        interrupted: seen.interrupted.map(str::to_owned),
        finished: seen.finished,
        left_behind: seen.left_behind.iter().map(|&text| text.to_owned()).collect(),
    }
}

fn judge_cell(plan: &Plan, cell: &CellPlan, seen: &Seen<'_>) -> CellJudgement {
    let scenarios: Vec<_> = cell
        .scenarios
        .iter()
        .map(|name| judge_scenario(plan, name, &cell.id, seen))
        .collect();
    let nodes: Vec<_> = cell
        .nodes
        .iter()
        .map(|node| node::judge(plan, cell, &node.role, seen))
        .collect();
    let mut faults = Vec::new();
    let mut unended = Vec::new();
    let mut exposed = Vec::new();
    for arm in Arm::BOTH {
        let of_arm = seen.arm(&cell.id, arm);
        faults.extend(
            of_arm
                .iter()
                .flat_map(|seen| &seen.faults)
                .map(|&fault| (arm, fault.clone())),
        );
        if of_arm.is_none_or(|seen| !seen.over) {
            unended.push(arm);
        }
        let shown = |role: &str| of_arm.is_some_and(|seen| seen.isolated.contains(role));
        match plan.network.mode {
            NetworkMode::Isolated => {
                let roles = cell.nodes.iter().map(|node| &node.role);
                exposed.extend(roles.filter(|role| !shown(role)).map(|role| (arm, role.clone())));
            }
            NetworkMode::Open => {}
        }
    }
    let strays = seen.tries.strays(&cell.id);
    let mut required = scenarios.iter().filter(|scenario| scenario.required).peekable();
    let passed = required.peek().is_some()
        && required.all(|scenario| scenario.verdict == Verdict::Pass)
        && !nodes.is_empty()
        && nodes
            .iter()
            .all(|node| node.state == NodeState::Proved && node.is_calm())
        && faults.is_empty()
        && exposed.is_empty()
        && unended.is_empty()
        && strays == 0;
    CellJudgement {
        id: cell.id.clone(),
        required: cell.required,
        retried: seen.tries.of(&cell.id).cloned(),
        strays,
        scenarios,
        nodes,
        faults,
        unended,
        exposed,
        passed,
    }
}

fn judge_scenario(plan: &Plan, name: &str, cell: &CellId, seen: &Seen<'_>) -> ScenarioJudgement {
    let scenario = plan.scenarios.get(name);
    let result = |arm| {
        arm::result(
            scenario,
            name,
            arm,
            seen.arm(cell, arm),
            seen.interrupted.is_some(),
            plan.cell(cell).is_some_and(|cell| cell.soak.repeats()),
        )
    };
    let (control, treatment) = (result(Arm::Control), result(Arm::Treatment));
    let seed_failed = |result: &ArmResult| {
        result.outcome == ArmOutcome::Failed
            && result.failed.as_ref().is_some_and(|(index, _)| {
                scenario
                    .and_then(|scenario| scenario.steps.get(*index))
                    .is_some_and(|step| step.when == When::BeforeUpdates)
            })
    };
    let mut verdict = verdict(control.outcome, treatment.outcome);
    // What failed before the updates in one arm only is neither their fault nor their merit.
    if (verdict == Verdict::Regressed && seed_failed(&treatment))
        || (verdict == Verdict::Fixed && seed_failed(&control))
    {
        verdict = Verdict::Inconclusive(Cause::SeedFailed);
    }
    let mut reason = reason(scenario, verdict, &control, &treatment);
    // One old failure hides nothing that is new.
    if verdict == Verdict::AlreadyBroken
        && let Some(new) = scenario.and_then(|scenario| inside::new_failure(scenario, &control, &treatment))
    {
        verdict = Verdict::Regressed;
        reason = format!("both arms failed, and treatment of something new: {new}");
    }
    let measured = measured::judge(plan.performance, scenario, cell, seen);
    if verdict == Verdict::Pass
        && let Some(weighed) = measured::weigh(&measured, cell, seen)
    {
        (verdict, reason) = weighed;
    }
    ScenarioJudgement {
        name: name.to_owned(),
        required: scenario.is_none_or(|scenario| scenario.required),
        verdict,
        reason,
        control,
        treatment,
        measured,
    }
}

/// The verdict on a scenario's two outcomes:
///
/// | control \ treatment | passed    | on retry | failed         | errored      | not run      |
/// | ------------------- | --------- | -------- | -------------- | ------------ | ------------ |
/// | passed              | pass      | flaky    | regressed      | inconclusive | not-run      |
/// | on retry            | flaky     | flaky    | flaky          | inconclusive | not-run      |
/// | failed              | fixed     | flaky    | already-broken | inconclusive | not-run      |
/// | errored             | inconclusive, with control's cause, in the whole row |||||
/// | not run             | not-run   | not-run  | not-run        | inconclusive | not-run      |
pub fn verdict(control: ArmOutcome, treatment: ArmOutcome) -> Verdict {
    use ArmOutcome::{Errored, Failed, FlakyPassed, NotRun, Passed};
    match (control, treatment) {
        (Errored(cause), Passed | FlakyPassed | Failed | Errored(_) | NotRun)
        | (Passed | FlakyPassed | Failed | NotRun, Errored(cause)) => Verdict::Inconclusive(cause),
        (NotRun, Passed | FlakyPassed | Failed | NotRun) | (Passed | FlakyPassed | Failed, NotRun) => {
            Verdict::NotRun
        }
        (FlakyPassed, Passed | FlakyPassed | Failed) | (Passed | Failed, FlakyPassed) => Verdict::Flaky,
        (Passed, Passed) => Verdict::Pass,
        (Passed, Failed) => Verdict::Regressed,
        (Failed, Passed) => Verdict::Fixed,
        (Failed, Failed) => Verdict::AlreadyBroken,
    }
}

fn reason(
    scenario: Option<&Scenario>,
    verdict: Verdict,
    control: &ArmResult,
    treatment: &ArmResult,
) -> String {
    let step = |result: &ArmResult| match (&result.failed, scenario) {
        (Some((index, report)), Some(scenario)) => {
            let name = scenario.steps.get(*index).map_or_else(
                || format!("step {}", index + 1),
                |step| format!("`{}` on {}", step.name, step.on),
            );
            let flaky = || {
                let result = report
                    .results
                    .iter()
                    .find(|result| result.outcome == SubOutcome::Flaky)?;
                Some(format!(
                    "test `{}` passed only when it was run again",
                    result.name
                ))
            };
            match report.failures.first().cloned().or_else(flaky) {
                Some(failure) => format!("{name}: {failure}"),
                None => name,
            }
        }
        (Some(_) | None, _) => "no step of it is recorded as failed".to_owned(),
    };
    let problem = |result: &ArmResult| {
        result
            .problem
            .clone()
            .unwrap_or_else(|| "it has no result".to_owned())
    };
    match verdict {
        Verdict::Pass => "passed in both arms".to_owned(),
        Verdict::Regressed => format!("control passed, treatment failed at {}", step(treatment)),
        Verdict::Fixed => format!("control failed at {}; treatment passed", step(control)),
        Verdict::AlreadyBroken => format!("it fails without the updates too, at {}", step(control)),
        Verdict::Flaky => {
            let arms: Vec<String> = [(Arm::Control, control), (Arm::Treatment, treatment)]
                .into_iter()
                .filter(|(_, result)| result.outcome == ArmOutcome::FlakyPassed)
                .map(|(arm, result)| format!("{arm} first failed at {}", step(result)))
                .collect();
            format!("passed only on a retry: {}", arms.join("; "))
        }
        Verdict::Inconclusive(Cause::SeedFailed) => {
            let (arm, result) = match control.outcome {
                ArmOutcome::Failed => (Arm::Control, control),
                ArmOutcome::Passed
                | ArmOutcome::FlakyPassed
                | ArmOutcome::Errored(_)
                | ArmOutcome::NotRun => (Arm::Treatment, treatment),
            };
            format!(
                "before the updates, and in {arm} only, it failed at {}",
                step(result)
            )
        }
        Verdict::Inconclusive(cause) => {
            let arm = match control.outcome {
                ArmOutcome::Errored(_) => Arm::Control,
                ArmOutcome::Passed | ArmOutcome::FlakyPassed | ArmOutcome::Failed | ArmOutcome::NotRun => {
                    Arm::Treatment
                }
            };
            format!("no result in {arm}: {}", cause.words())
        }
        Verdict::NotRun => match (control.outcome, treatment.outcome) {
            (ArmOutcome::NotRun, ArmOutcome::NotRun) => format!("in both arms {}", problem(control)),
            (ArmOutcome::NotRun, _) => format!("in control {}", problem(control)),
            (_, _) => format!("in treatment {}", problem(treatment)),
        },
    }
}
