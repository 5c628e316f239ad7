//! What a run that died had brought to its end, for another run of the same plan to go on from. Pure.

use std::collections::BTreeSet;

use crate::model::event::{Event, Record};
use crate::model::id::{Arm, ArmId, CellId, RunId};
use crate::model::outcome::Cause;
use crate::model::plan::Plan;

/// What is taken over of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumed {
    /// The run.
    pub from: RunId,
    /// The cells that it had finished, in the plan's order.
    pub cells: Vec<CellId>,
    /// All that it recorded of them, in its order.
    pub records: Vec<Record>,
}

impl Resumed {
    /// What can be taken over of a run's records. A cell is finished where both its arms are over, neither was ended by an
    /// interrupt or with its host, and it had but one try: of any other nothing is trusted, good or bad.
    pub fn of(run: &RunId, plan: &Plan, records: &[Record]) -> Self {
        let ids = plan.cells.iter().map(|cell| &cell.id);
        let cells: Vec<CellId> = ids.filter(|id| is_finished(id, records)).cloned().collect();
        let records = records
            .iter()
            .filter(|record| record.cell().is_some_and(|cell| cells.contains(cell)));
        Self {
            from: run.clone(),
            records: records.cloned().collect(),
            cells,
        }
    }
}

fn is_finished(cell: &CellId, records: &[Record]) -> bool {
    let mut started: BTreeSet<&ArmId> = BTreeSet::new();
    let mut over: BTreeSet<&ArmId> = BTreeSet::new();
    for record in records.iter().filter(|record| record.cell() == Some(cell)) {
        // What is told of a cell beside its arms is of further tries.
        let Some(arm) = &record.arm else { return false };
        match &record.event {
            Event::ArmStarted => drop(started.insert(arm)),
            Event::ArmFinished => drop(over.insert(arm)),
            Event::ArmFailed { fault } if matches!(fault.cause, Cause::Interrupted | Cause::HostLost) => {
                return false;
            }
            _ => {}
        }
    }
    let both = Arm::BOTH.map(|arm| ArmId::first(cell, arm));
    both.iter().all(|arm| over.contains(arm)) && started == over
}
