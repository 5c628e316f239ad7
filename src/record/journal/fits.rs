//! Whether what a record tells of is in the plan. Pure.

use crate::model::event::{Event, Record};
use crate::model::id::CellId;
use crate::model::plan::{CellPlan, Plan};
use crate::model::scenario::Scenario;
use crate::model::update::UpdateSet;

/// Whether a plan has the cell, role, scenario and step that a record tells of.
///
/// # Errors
/// What it has not, as a sentence without a subject.
pub fn fits(plan: &Plan, record: &Record) -> Result<(), String> {
    if let Event::Resumed { cells, .. } = &record.event
        && let Some(unknown) = cells.iter().find(|cell| plan.cell(cell).is_none())
    {
        return Err(no_cell(unknown));
    }
    let Some(id) = record.cell() else {
        return Ok(());
    };
    let Some(cell) = plan.cell(id) else {
        return Err(no_cell(id));
    };
    match &record.event {
        Event::Resolved { role, set, .. } => {
            if UpdateSet::pin(set.updates.clone()) != *set {
                return Err("tells of an update set that is not the one that its digest is of".to_owned());
            }
            has_role(cell, role)
        }
        Event::Advised { role, .. }
        | Event::RebootNeeded { role, .. }
        | Event::Proved { role, .. }
        | Event::Observed { role, .. }
        | Event::Asked { role, .. }
        | Event::Isolated { role } => has_role(cell, role),
        Event::ArmFailed { fault } => fault.role.as_ref().map_or(Ok(()), |role| has_role(cell, role)),
        Event::StepFinished { scenario, step, .. } => {
            let steps = &of_cell(plan, cell, scenario)?.steps;
            has_step(scenario, *step, steps.get(*step).is_some(), "step")
        }
        Event::CleanedUp { scenario, step, .. } => {
            let steps = &of_cell(plan, cell, scenario)?.cleanup;
            has_step(scenario, *step, steps.get(*step).is_some(), "clean-up step")
        }
        Event::Measured { scenario, step, .. } => {
            let steps = &of_cell(plan, cell, scenario)?.steps;
            let measured = steps.get(*step).is_some_and(|step| step.measure.is_some());
            has_step(scenario, *step, measured, "measured step")
        }
        Event::ScenarioFinished { scenario, .. } => of_cell(plan, cell, scenario).map(drop),
        Event::Planned { .. }
        | Event::HostChosen { .. }
        | Event::HostLost { .. }
        | Event::CellRetried { .. }
        | Event::CellConfirming { .. }
        | Event::ArmStarted
        | Event::StageStarted { .. }
        | Event::StageFinished { .. }
        | Event::Cloned { .. }
        | Event::RebootSkipped
        | Event::ArmFinished
        | Event::Fetched(_)
        | Event::Resumed { .. }
        | Event::Interrupted { .. }
        | Event::Finished { .. } => Ok(()),
    }
}

fn no_cell(id: &CellId) -> String {
    format!("tells of cell {:?}, which the plan has not", id.0)
}

fn has_role(cell: &CellPlan, role: &str) -> Result<(), String> {
    match cell.node(role) {
        Some(_) => Ok(()),
        None => Err(format!("tells of role {role:?}, which cell {} has not", cell.id)),
    }
}

fn of_cell<'a>(plan: &'a Plan, cell: &CellPlan, name: &str) -> Result<&'a Scenario, String> {
    let runs = cell.scenarios.iter().any(|planned| planned == name);
    let scenario = plan.scenarios.get(name).filter(|_| runs);
    scenario.ok_or_else(|| format!("tells of scenario {name:?}, which cell {} has not", cell.id))
}

fn has_step(scenario: &str, step: usize, has: bool, what: &str) -> Result<(), String> {
    if has {
        return Ok(());
    }
    Err(format!(
        "tells of {what} {step} of scenario {scenario:?}, which has none of that number"
    ))
}
