//! What steps found out, whether they passed or not: the variables that they captured, and the single results of scripts.

use crate::input::safe;
use crate::model::event::StepReport;
use crate::model::id::Arm;
use crate::model::results::{self, SubOutcome};
use crate::report::view::Summary;

/// What one scenario's steps found out; every text in it is harmless.
pub(super) struct Learned {
    pub(super) cell: String,
    pub(super) scenario: String,
    /// The arms that have something to say, with their lines.
    pub(super) arms: Vec<(Arm, Vec<String>)>,
}

/// Every scenario of which there is something to say, in the plan's order.
pub(super) fn collect(summary: &Summary<'_>) -> Vec<Learned> {
    let mut all = Vec::new();
    for cell in &summary.judgement.cells {
        for scenario in &cell.scenarios {
            let planned = summary.plan.scenarios.get(&scenario.name);
            let lines = |arm: Arm| -> Vec<String> {
                let steps = scenario.arm(arm).steps.iter().enumerate();
                let told = steps.filter_map(|(index, step)| Some((index, step.as_ref()?)));
                told.flat_map(|(index, step)| {
                    let name = planned.and_then(|planned| planned.steps.get(index));
                    let name = name.map_or_else(String::new, |step| format!(" ({})", safe::line(&step.name)));
                    let line = move |text: String| format!("{text}, step {}{name}", index + 1);
                    of_step(step).into_iter().map(line)
                })
                .collect()
            };
            let arms: Vec<_> = Arm::BOTH
                .into_iter()
                .map(|arm| (arm, lines(arm)))
                .filter(|(_, lines)| !lines.is_empty())
                .collect();
            if !arms.is_empty() {
                all.push(Learned {
                    cell: safe::line(&cell.id.0),
                    scenario: safe::line(&scenario.name),
                    arms,
                });
            }
        }
    }
    all
}

/// What one step found out, in harmless lines.
pub(super) fn of_step(step: &StepReport) -> Vec<String> {
    let captured = step.captured.iter();
    let mut lines: Vec<String> = captured
        .map(|(name, value)| safe::line(&format!("captured {name} = {value}")))
        .collect();
    if !step.results.is_empty() {
        lines.push(format!("tests: {}", results::tally(step.counts())));
    }
    lines
}

/// The single results of one step's script, in harmless lines.
pub(super) fn single(step: &StepReport) -> Vec<String> {
    step.results
        .iter()
        .map(|result| {
            let word = match result.outcome {
                SubOutcome::Passed => "ok",
                SubOutcome::Failed => "FAILED",
                SubOutcome::Skipped => "skipped",
                SubOutcome::Flaky => "flaky",
            };
            let message = if result.message.is_empty() { "" } else { ": " };
            safe::line(&format!("{word} {}{message}{}", result.name, result.message))
        })
        .collect()
}
