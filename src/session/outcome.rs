//! What came of a trial, from its record.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::event::{Event, StepReport};
use crate::model::id::RunId;
use crate::model::outcome::{Fault, ScenarioOutcome};
use crate::model::scenario::When;
use crate::model::screen::Screen;
use crate::record::journal::Loaded;
use crate::run::Tried;

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TryResult {
    /// Every scenario passed.
    Passed,
    /// A step failed.
    Failed,
    /// The lab failed, or the trial was interrupted, before every scenario had passed.
    Undecided,
}

/// What came of a trial.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Its id, which `patchgate clean` takes.
    pub run: RunId,
    /// The cell that was cloned.
    pub cell: String,
    /// How it ended.
    pub result: TryResult,
    /// The scenarios, in order.
    pub scenarios: Vec<Scenario>,
    /// What ended it before its time.
    pub faults: Vec<Fault>,
    /// Pictures of nodes' screens, as PNG, where one did not come up or was lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub screens: Vec<PathBuf>,
    /// What was left running on purpose.
    pub kept: Vec<Kept>,
    /// All that is left on the host, kept or not, in words.
    pub left_behind: Vec<String>,
}

/// One scenario of a trial.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How it ended; nothing where it did not run to its end.
    pub outcome: Option<ScenarioOutcome>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a trial.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The role of its node.
    pub on: String,
    /// When it is to run.
    pub when: When,
    /// How it ended; nothing where it did not run.
    pub report: Option<StepReport>,
}

/// A node that was left running.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    /// Its role.
    pub role: String,
    /// Its domain's name.
    pub domain: String,
    /// The command that opens its console.
    pub console: String,
}

/// The pictures that its records name, each once.
pub(super) fn screens(loaded: &Loaded) -> impl Iterator<Item = &Screen> {
    let mut seen = BTreeSet::new();
    let named = loaded.records.iter().filter_map(|record| match &record.event {
        Event::ArmFailed { fault } => fault.screen.as_ref(),
        Event::StepFinished { report, .. } | Event::CleanedUp { report, .. } => report.screen.as_ref(),
        _ => None,
    });
    named.filter(move |screen| seen.insert(screen.as_str()))
}

impl Outcome {
    /// Reads a trial's record, in that folder.
    pub fn of(loaded: &Loaded, tried: Tried, folder: &Path) -> Self {
        let cell = loaded.plan.cells.first();
        let names = cell.map_or(&[][..], |cell| &cell.scenarios);
        let mut scenarios: Vec<Scenario> = names
            .iter()
            .filter_map(|name| loaded.plan.scenarios.get(name))
            .map(|planned| Scenario {
                name: planned.name.clone(),
                title: planned.title.clone(),
                outcome: None,
                steps: planned
                    .steps
                    .iter()
                    .map(|step| Step {
                        name: step.name.clone(),
                        on: step.on.clone(),
                        when: step.when,
                        report: None,
                    })
                    .collect(),
            })
            .collect();
        let mut faults = Vec::new();
        let mut interrupted = false;
        for record in &loaded.records {
            match &record.event {
                Event::StepFinished {
                    scenario,
                    step,
                    report,
                    ..
                } => {
                    let of = scenarios.iter_mut().find(|tried| tried.name == *scenario);
                    if let Some(slot) = of.and_then(|tried| tried.steps.get_mut(*step)) {
                        slot.report = Some(report.clone());
                    }
                }
                Event::ScenarioFinished {
                    scenario, outcome, ..
                } => {
                    if let Some(tried) = scenarios.iter_mut().find(|tried| tried.name == *scenario) {
                        tried.outcome = Some(*outcome);
                    }
                }
                Event::ArmFailed { fault } => faults.push(fault.clone()),
                Event::Interrupted { .. } => interrupted = true,
                _ => {}
            }
        }
        let ended = |outcome| scenarios.iter().any(|tried| tried.outcome == Some(outcome));
        let all_passed = scenarios
            .iter()
            .all(|tried| tried.outcome == Some(ScenarioOutcome::Passed));
        let result = if ended(ScenarioOutcome::Failed) {
            TryResult::Failed
        } else if all_passed && !scenarios.is_empty() && faults.is_empty() && !interrupted {
            TryResult::Passed
        } else {
            TryResult::Undecided
        };
        Self {
            run: loaded.run.clone(),
            cell: cell.map_or_else(String::new, |cell| cell.id.0.clone()),
            result,
            scenarios,
            screens: screens(loaded)
                .map(|screen| folder.join(screen.as_str()))
                .collect(),
            faults,
            kept: tried
                .kept
                .into_iter()
                .map(|node| Kept {
                    console: format!("virsh -c {} console {}", tried.uri, node.domain),
                    role: node.role,
                    domain: node.domain.to_string(),
                })
                .collect(),
            left_behind: tried.left_behind,
        }
    }

    /// Scenarios that passed.
    pub fn passed(&self) -> usize {
        let passed = |tried: &&Scenario| tried.outcome == Some(ScenarioOutcome::Passed);
        self.scenarios.iter().filter(passed).count()
    }
}
