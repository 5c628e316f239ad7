//! Running scenarios on an arm's nodes.

use std::time::Duration;

use tokio::time::Instant;

use super::arm::ArmRun;
use super::node::Node;
use crate::event::{Event, StepReport};
use crate::guest::linux;
use crate::outcome::{Cause, Fault, ScenarioOutcome, Stage, StepOutcome};
use crate::scenario::evaluate::{self, Raw};
use crate::scenario::model::{Scenario, Step, When};

/// Output of a step that the journal keeps, in bytes for each of standard output and error.
const KEPT_OUTPUT: usize = 16 * 1024;

/// How far a whole run of a scenario got.
struct Progress {
    steps: usize,
    outcome: ScenarioOutcome,
}

/// Runs the steps that lay down what must survive the updates. Returns the scenarios that failed at it: they are over.
pub async fn seed(
    arm: &ArmRun<'_>,
    nodes: &[Node<'_>],
    scenarios: &[&Scenario],
) -> Result<Vec<String>, Fault> {
    let mut failed = Vec::new();
    for scenario in scenarios {
        if !scenario.steps.iter().any(|step| step.when == When::BeforeUpdates) {
            continue;
        }
        let progress = steps(arm, nodes, scenario, 0, When::BeforeUpdates).await?;
        if progress.outcome != ScenarioOutcome::Passed {
            finish(arm, scenario, 0, &progress);
            failed.push(scenario.name.clone());
        }
    }
    Ok(failed)
}

/// Runs what follows the reboot, with the retries that the scenario declares. Returns whether it passed.
pub async fn run(arm: &ArmRun<'_>, nodes: &[Node<'_>], scenario: &Scenario) -> Result<bool, Fault> {
    for run in 0..=scenario.retries {
        let progress = steps(arm, nodes, scenario, run, When::AfterReboot).await?;
        finish(arm, scenario, run, &progress);
        if progress.outcome == ScenarioOutcome::Passed {
            return Ok(true);
        }
    }
    Ok(false)
}

fn finish(arm: &ArmRun<'_>, scenario: &Scenario, run: u32, progress: &Progress) {
    arm.emit(Event::ScenarioFinished {
        cell: arm.cell.id.clone(),
        arm: arm.arm,
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
) -> Result<Progress, Fault> {
    let stage = match when {
        When::BeforeUpdates => Stage::Seed,
        When::AfterReboot => Stage::Scenarios,
    };
    let end = Instant::now() + scenario.timeout.0;
    let mut progress = Progress {
        steps: 0,
        outcome: ScenarioOutcome::Passed,
    };
    for (index, step) in scenario
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.when == when)
    {
        let (report, fault) = attempts(nodes, scenario, step, stage, end).await;
        let outcome = report.outcome;
        arm.emit(Event::StepFinished {
            cell: arm.cell.id.clone(),
            arm: arm.arm,
            scenario: scenario.name.clone(),
            run,
            step: index,
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

/// One step with its retry window; a fault of the lab ends the arm.
async fn attempts(
    nodes: &[Node<'_>],
    scenario: &Scenario,
    step: &Step,
    stage: Stage,
    end: Instant,
) -> (StepReport, Option<Fault>) {
    let started = Instant::now();
    let mut report = StepReport {
        outcome: StepOutcome::Failed,
        attempts: 0,
        millis: 0,
        did: evaluate::describe(&step.action),
        exit: None,
        failures: Vec::new(),
        stdout: String::new(),
        stderr: String::new(),
    };
    let Some(node) = nodes.iter().find(|node| node.plan.role == step.on) else {
        report.outcome = StepOutcome::Errored(Cause::ScenarioInvalid);
        report.failures = vec![format!("the cell has no node of role {}", step.on)];
        return (report, None);
    };
    loop {
        report.attempts += 1;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            report.failures = vec![format!("the scenario's time-out of {} passed", scenario.timeout)];
            return (report, None);
        }
        match attempt(node, step, stage, step.timeout.0.min(left), &mut report).await {
            Ok(()) if report.failures.is_empty() => {
                report.outcome = StepOutcome::Passed;
                return (report, None);
            }
            Ok(()) => {}
            Err(fault) => {
                report.outcome = StepOutcome::Errored(fault.cause);
                report.failures = vec![fault.message.clone()];
                return (report, Some(fault));
            }
        }
        let Some(retry) = step
            .retry
            .filter(|retry| started.elapsed() + retry.every.0 <= retry.window.0)
        else {
            return (report, None);
        };
        if let Err(fault) = node.pause(stage, retry.every).await {
            report.outcome = StepOutcome::Errored(fault.cause);
            return (report, Some(fault));
        }
    }
}

async fn attempt(
    node: &Node<'_>,
    step: &Step,
    stage: Stage,
    limit: Duration,
    report: &mut StepReport,
) -> Result<(), Fault> {
    let Some(command) = node.action(&step.action, limit) else {
        return Err(node.fault(
            stage,
            Cause::ScenarioInvalid,
            format!("step {} cannot be performed", step.name),
        ));
    };
    let begun = Instant::now();
    let output = node.exec(stage, &command).await?;
    let took = begun.elapsed();
    let raw = Raw {
        exit: output.exit,
        timed_out: linux::is_timeout(output.exit) && took >= limit,
        stdout: output.stdout,
        stderr: output.stderr,
    };
    report.millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    report.exit = raw.exit;
    report.failures = evaluate::evaluate(&step.action, &raw);
    report.stdout = kept(&raw.stdout);
    report.stderr = kept(&raw.stderr);
    Ok(())
}

/// The start of an output as text, with a note where it was cut.
fn kept(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT_OUTPUT)]).into_owned();
    if bytes.len() > KEPT_OUTPUT {
        format!("{text}\n[cut: {} more bytes]", bytes.len() - KEPT_OUTPUT)
    } else {
        text
    }
}
