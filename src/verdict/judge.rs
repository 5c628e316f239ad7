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
    ArmOutcome, ArmResult, CellJudgement, Fresh, Judgement, NodeState, ScenarioJudgement, Verdict,
};
use crate::verdict::seen::Seen;
use crate::verdict::suspect::{Closing, Standing, Suspect};
use crate::verdict::tries::Tries;
use crate::verdict::{arm, confirm, inside, measured, node};

/// Judges every cell, scenario and arm of a plan by the records of its run.
pub fn judge(plan: &Plan, records: &[Record]) -> Judgement {
    let read = Read::of(records);
    Judgement {
        cells: plan.cells.iter().map(|cell| read.cell(plan, cell)).collect(),
        lost: read.tries.lost.clone(),
        resumed: read.pairs[0].resumed.map(|(run, cells)| (run.clone(), cells)),
        interrupted: read.pairs[0].interrupted.map(str::to_owned),
        finished: read.pairs[0].finished,
        left_behind: read.pairs[0]
            .left_behind
            .iter()
            .map(|&text| text.to_owned())
            .collect(),
    }
}

/// Judges one cell.
pub(super) fn cell(plan: &Plan, cell: &CellPlan, records: &[Record]) -> CellJudgement {
    Read::of(records).cell(plan, cell)
}

/// The records of a run, by the pairs of arms that they are of.
struct Read<'a> {
    tries: Tries<'a>,
    /// Of every cell the first pair, and then those that confirm it; never empty.
    pairs: Vec<Seen<'a>>,
}

impl<'a> Read<'a> {
    fn of(records: &'a [Record]) -> Self {
        let tries = Tries::read(records);
        let pairs = (0..tries.most().max(1)).map(|place| Seen::read(records, &tries, place));
        Self {
            pairs: pairs.collect(),
            tries,
        }
    }

    /// A cell by all its pairs of arms. A fresh pair that nothing asked for is astray, and one that was asked for shows that
    /// something is not as it should be: either way the cell has not passed.
    fn cell(&self, plan: &Plan, cell: &CellPlan) -> CellJudgement {
        let why = self.tries.confirming(&cell.id);
        let mut judged: Vec<CellJudgement> = Vec::new();
        let mut unasked = 0;
        for (place, seen) in self.pairs.iter().take(why.len() + 1).enumerate() {
            if place > 0 {
                let open = confirm::weigh(plan, &judged);
                let open = open
                    .iter()
                    .any(|suspect| suspect.standing == Standing::Unconfirmed);
                let promised = usize::try_from(plan.confirm.pairs).unwrap_or(usize::MAX);
                unasked += usize::from(!open || place > promised);
            }
            judged.push(judge_pair(plan, cell, seen));
        }
        let suspects = confirm::weigh(plan, &judged);
        let mut pairs = judged.into_iter();
        // There is one pair at least.
        let mut first = pairs
            .next()
            .unwrap_or_else(|| judge_pair(plan, cell, &Seen::default()));
        let fresh = pairs.zip(why).map(|(pair, why)| Fresh {
            why: why.to_vec(),
            pair,
        });
        first.fresh = fresh.collect();
        first.retried = self.tries.retried(&cell.id).cloned();
        first.strays = self.tries.strays(&cell.id) + unasked;
        first.passed &= first.fresh.is_empty() && first.strays == 0;
        for suspect in &suspects {
            if let Closing::Scenario { name } = &suspect.what
                && let Some(scenario) = first.scenarios.iter_mut().find(|own| own.name == *name)
            {
                weighed(scenario, suspect);
            }
        }
        first.suspects = suspects;
        first
    }
}

/// Puts what all pairs say of a scenario that regressed in the place of what one of them does.
fn weighed(scenario: &mut ScenarioJudgement, suspect: &Suspect) {
    if suspect.pairs == 1 && suspect.standing == Standing::Confirmed {
        return;
    }
    scenario.verdict = match suspect.standing {
        Standing::Confirmed => Verdict::Regressed,
        Standing::Sporadic => Verdict::Sporadic,
        Standing::Unconfirmed => Verdict::Inconclusive(Cause::NotConfirmed),
    };
    scenario.reason = suspect.evidence_words();
}

/// Judges one pair of a cell's arms by itself.
fn judge_pair(plan: &Plan, cell: &CellPlan, seen: &Seen<'_>) -> CellJudgement {
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
    let mut required = scenarios.iter().filter(|scenario| scenario.required).peekable();
    let passed = required.peek().is_some()
        && required.all(|scenario| scenario.verdict == Verdict::Pass)
        && !nodes.is_empty()
        && nodes
            .iter()
            .all(|node| node.state == NodeState::Proved && node.is_calm())
        && faults.is_empty()
        && exposed.is_empty()
        && unended.is_empty();
    CellJudgement {
        id: cell.id.clone(),
        required: cell.required,
        retried: None,
        strays: 0,
        scenarios,
        nodes,
        faults,
        unended,
        exposed,
        suspects: Vec::new(),
        fresh: Vec::new(),
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
    // One old failure hides nothing that is new, nor does a pass what was not tested.
    let new = match verdict {
        Verdict::Pass | Verdict::Fixed | Verdict::AlreadyBroken => {
            scenario.and_then(|scenario| inside::words(&inside::new(scenario, &[&control], &treatment)))
        }
        Verdict::Regressed
        | Verdict::Flaky
        | Verdict::Sporadic
        | Verdict::Inconclusive(_)
        | Verdict::NotRun => None,
    };
    if let Some(new) = new {
        reason = inside::told(control.outcome, treatment.outcome, &new);
        verdict = Verdict::Regressed;
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
        // What is sporadic is told by several pairs of arms, never by one.
        Verdict::Regressed | Verdict::Sporadic => {
            format!("control passed, treatment failed at {}", step(treatment))
        }
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
