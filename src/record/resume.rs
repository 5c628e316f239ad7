//! What a run that died had brought to its end, for another run of the same plan to go on from. Pure.

use std::collections::{BTreeMap, BTreeSet};

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
    /// What can be taken over of a run's records. A cell is finished where both its arms are over, and neither was ended by an
    /// interrupt or with its host. Of pairs of arms that were to confirm what they showed those are taken over that are
    /// finished too, as far as each was the next; the others are for the other run. Where its host was lost nothing is trusted,
    /// good or bad.
    pub fn of(run: &RunId, plan: &Plan, records: &[Record]) -> Self {
        let mut own: BTreeMap<&CellId, Vec<&Record>> = BTreeMap::new();
        for record in records {
            if let Some(cell) = record.cell() {
                own.entry(cell).or_default().push(record);
            }
        }
        let ends = own
            .iter()
            .filter_map(|(&cell, own)| Some((cell, end(cell, own)?)));
        let finished: BTreeMap<&CellId, u64> = ends.collect();
        let is_kept = |record: &&Record| {
            let end = record.cell().and_then(|cell| finished.get(cell));
            end.is_some_and(|&end| record.seq < end)
        };
        let cells = plan.cells.iter().map(|cell| &cell.id);
        Self {
            from: run.clone(),
            records: records.iter().filter(is_kept).cloned().collect(),
            cells: cells
                .filter(|cell| finished.contains_key(cell))
                .cloned()
                .collect(),
        }
    }

    /// How many pairs of each cell's arms are taken over.
    pub fn pairs(&self) -> BTreeMap<&CellId, u32> {
        let mut pairs: BTreeMap<&CellId, u32> = self.cells.iter().map(|cell| (cell, 1)).collect();
        for record in &self.records {
            if let Event::CellConfirming { cell, .. } = &record.event
                && let Some(pairs) = pairs.get_mut(cell)
            {
                *pairs = pairs.saturating_add(1);
            }
        }
        pairs
    }
}

/// Before which of a cell's own records the finished pairs of its arms end; nothing where the first is not finished.
fn end(cell: &CellId, own: &[&Record]) -> Option<u64> {
    let confirms = |record: &&Record| matches!(record.event, Event::CellConfirming { .. });
    let mut end = None;
    let mut rest = own;
    for nth in 1.. {
        let next = rest.iter().position(confirms);
        let (pair, others) = rest.split_at(next.unwrap_or(rest.len()));
        if !is_finished(cell, nth, pair) {
            break;
        }
        end = Some(others.first().map_or(u64::MAX, |record| record.seq));
        let Some((_, others)) = others.split_first() else {
            break;
        };
        rest = others;
    }
    end
}

/// Whether the records of one pair of a cell's arms tell of both to their end, and of nothing else.
fn is_finished(cell: &CellId, nth_try: u32, records: &[&Record]) -> bool {
    let mut started: BTreeSet<&ArmId> = BTreeSet::new();
    let mut over: BTreeSet<&ArmId> = BTreeSet::new();
    for record in records {
        // What is told of a cell beside its arms is of a lost host.
        let Some(arm) = record.arm.as_ref().filter(|arm| arm.nth_try == nth_try) else {
            return false;
        };
        match &record.event {
            Event::ArmStarted => drop(started.insert(arm)),
            Event::ArmFinished => drop(over.insert(arm)),
            Event::ArmFailed { fault } if matches!(fault.cause, Cause::Interrupted | Cause::HostLost) => {
                return false;
            }
            _ => {}
        }
    }
    let both = Arm::BOTH.map(|arm| ArmId {
        nth_try,
        ..ArmId::first(cell, arm)
    });
    both.iter().all(|arm| over.contains(arm)) && started == over
}
