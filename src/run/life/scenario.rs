//! Running scenarios on an arm's nodes: which steps, in which order, and what each leaves for the next.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::guest::log::Mark;
use crate::model::event::{Event, StepReport};
use crate::model::outcome::{Cause, Fault, ScenarioOutcome, Stage, StepOutcome};
use crate::model::scenario::{AGAIN, Action, Scenario, Step, When};
use crate::run::arm::ArmRun;
use crate::run::life::step::{Known, Runner};
use crate::run::node::Node;
use crate::step::evaluate;

/// How far a whole run of a scenario got.
struct Progress {
    steps: usize,
    outcome: ScenarioOutcome,
}

/// What the steps before the updates left.
#[derive(Default)]
pub struct Seeded {
    failed: BTreeSet<String>,
    known: BTreeMap<String, Known>,
}

impl Seeded {
    /// Whether the scenario failed before the updates: then it is over.
    pub fn failed(&self, scenario: &Scenario) -> bool {
        self.failed.contains(&scenario.name)
    }
}

/// Runs the steps that lay down what must survive the updates.
pub async fn seed(arm: &ArmRun<'_>, nodes: &[Node<'_>], scenarios: &[&Scenario]) -> Result<Seeded, Fault> {
    let mut seeded = Seeded::default();
    for scenario in scenarios {
        if !scenario.steps.iter().any(|step| step.when == When::BeforeUpdates) {
            continue;
        }
        let mut known = Known::default();
        let ended = steps(arm, nodes, scenario, 0, When::BeforeUpdates, &mut known).await;
        let progress = match ended {
            Ok(progress) => progress,
            Err(fault) => {
                cleanup(arm, nodes, scenario, known, Some(&fault)).await;
                return Err(fault);
            }
        };
        if progress.outcome == ScenarioOutcome::Passed {
            seeded.known.insert(scenario.name.clone(), known);
        } else {
            finish(arm, scenario, 0, &progress);
            cleanup(arm, nodes, scenario, known, None).await;
            seeded.failed.insert(scenario.name.clone());
        }
    }
    Ok(seeded)
}

/// Runs once more what follows the reboot, at the end of the soak, with its retries and its clean-up.
pub async fn again(
    arm: &ArmRun<'_>,
    nodes: &[Node<'_>],
    scenario: &Scenario,
    seeded: &Seeded,
) -> Result<(), Fault> {
    let (known, _) = runs(arm, nodes, scenario, seeded, AGAIN).await?;
    cleanup(arm, nodes, scenario, known, None).await;
    Ok(())
}

/// Runs what follows the reboot, with the retries that the scenario declares, and its clean-up. Returns what it learned,
/// where it passed.
pub async fn run(
    arm: &ArmRun<'_>,
    nodes: &[Node<'_>],
    scenario: &Scenario,
    seeded: &Seeded,
) -> Result<Option<Known>, Fault> {
    let (known, passed) = runs(arm, nodes, scenario, seeded, 0).await?;
    // What is measured yet is cleaned up after that.
    if !(passed && scenario.is_measured()) {
        cleanup(arm, nodes, scenario, known.clone(), None).await;
    }
    Ok(passed.then_some(known))
}

/// Runs a scenario until it passes, or its retries are used up; the runs are numbered from `first` on. What it learned, and
/// whether it passed.
async fn runs(
    arm: &ArmRun<'_>,
    nodes: &[Node<'_>],
    scenario: &Scenario,
    seeded: &Seeded,
    first: u32,
) -> Result<(Known, bool), Fault> {
    let before = seeded.known.get(&scenario.name);
    let (mut known, mut passed) = (Known::default(), false);
    for run in first..=first.saturating_add(scenario.retries) {
        // A retry begins with what was known after the reboot.
        known = before.cloned().unwrap_or_default();
        let ended = steps(arm, nodes, scenario, run, When::AfterReboot, &mut known).await;
        let progress = match ended {
            Ok(progress) => progress,
            Err(fault) => {
                cleanup(arm, nodes, scenario, known, Some(&fault)).await;
                return Err(fault);
            }
        };
        finish(arm, scenario, run, &progress);
        if progress.outcome == ScenarioOutcome::Passed {
            passed = true;
            break;
        }
    }
    Ok((known, passed))
}

fn finish(arm: &ArmRun<'_>, scenario: &Scenario, run: u32, progress: &Progress) {
    arm.emit(Event::ScenarioFinished {
        scenario: scenario.name.clone(),
        run,
        outcome: progress.outcome,
        steps: progress.steps,
    });
}

async fn steps(
    arm: &ArmRun<'_>,
    nodes: &[Node<'_>],
    scenario: &Scenario,
    run: u32,
    when: When,
    known: &mut Known,
) -> Result<Progress, Fault> {
    let mut runner = Runner {
        arm,
        nodes,
        scenario,
        stage: match when {
            When::BeforeUpdates => Stage::Seed,
            When::AfterReboot if run < AGAIN => Stage::Scenarios,
            When::AfterReboot => Stage::Soak,
        },
        end: Instant::now() + scenario.timeout.0,
        known,
    };
    let mut progress = Progress {
        steps: 0,
        outcome: ScenarioOutcome::Passed,
    };
    let phase: Vec<(usize, &Step)> = scenario
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.when == when)
        .collect();
    let mut marks = BTreeMap::new();
    for (position, (index, step)) in phase.iter().enumerate() {
        let following = phase[position + 1..].iter().map(|(_, step)| *step);
        let (report, fault) = match mark(&runner, step, *index, following, &mut marks).await {
            Ok(()) => runner.attempts(step, marks.get(index)).await,
            Err(fault) => {
                let mut report = StepReport::new(evaluate::describe(&step.action));
                report.outcome = StepOutcome::Errored(fault.cause);
                report.failures = vec![fault.message.clone()];
                (report, Some(fault))
            }
        };
        let outcome = report.outcome;
        arm.emit(Event::StepFinished {
            scenario: scenario.name.clone(),
            run,
            step: *index,
            report,
        });
        progress.steps += 1;
        match outcome {
            StepOutcome::Passed => continue,
            StepOutcome::Failed => progress.outcome = ScenarioOutcome::Failed,
            StepOutcome::Errored(cause) => progress.outcome = ScenarioOutcome::Errored(cause),
        }
        if let Some(fault) = fault {
            finish(arm, scenario, run, &progress);
            return Err(fault);
        }
        break;
    }
    Ok(progress)
}

/// Before a step whose successors look at logs: how far those logs have come.
async fn mark<'s>(
    runner: &Runner<'_, '_>,
    step: &Step,
    index: usize,
    following: impl Iterator<Item = &'s Step>,
    marks: &mut BTreeMap<usize, Mark>,
) -> Result<(), Fault> {
    if let Action::Log(_) = step.action {
        return Ok(());
    }
    let logs = following
        .take_while(|step| matches!(step.action, Action::Log(_)))
        .enumerate();
    for (offset, step) in logs {
        // A log whose name the next step is yet to tell has no mark, which its own step says.
        let (Some(node), Ok(Action::Log(source))) = (runner.node(step), runner.render(step)) else {
            continue;
        };
        let output = node
            .ask(runner.stage, &node.system().mark(&source.source))
            .await?;
        let mark = node.system().parse_mark(&output);
        let mark = mark.map_err(|error| node.garbled(runner.stage, &error))?;
        marks.insert(index + 1 + offset, mark);
    }
    Ok(())
}

/// The clean-up, whatever happened, unless the run was asked to stop; a node that is lost is left alone. What goes wrong
/// here is noted, and decides nothing.
pub async fn cleanup(
    arm: &ArmRun<'_>,
    nodes: &[Node<'_>],
    scenario: &Scenario,
    mut known: Known,
    after: Option<&Fault>,
) {
    let mut runner = Runner {
        arm,
        nodes,
        scenario,
        stage: after.map_or(Stage::Scenarios, |fault| fault.stage),
        end: Instant::now() + scenario.timeout.0,
        known: &mut known,
    };
    let all: Vec<&Step> = scenario.cleanup.iter().collect();
    let mut marks = BTreeMap::new();
    let mut lost: BTreeSet<String> = after.iter().filter_map(|fault| fault.role.clone()).collect();
    for (index, step) in all.iter().enumerate() {
        if arm.setup().stop.is_cancelled() || arm.is_lost() {
            return;
        }
        let (report, fault) = if lost.contains(&step.on) {
            let mut report = StepReport::new(evaluate::describe(&step.action));
            report.outcome = StepOutcome::Errored(Cause::AgentLost);
            report.failures = vec![format!("not run: node {} is lost", step.on)];
            (report, None)
        } else {
            let following = all[index + 1..].iter().copied();
            match mark(&runner, step, index, following, &mut marks).await {
                Ok(()) => runner.attempts(step, marks.get(&index)).await,
                Err(fault) => (StepReport::new(evaluate::describe(&step.action)), Some(fault)),
            }
        };
        if let Some(fault) = fault {
            lost.extend(fault.role);
        }
        arm.emit(Event::CleanedUp {
            scenario: scenario.name.clone(),
            step: index,
            report,
        });
    }
}
