//! What is asked of a run before it ends: a fresh pair of arms. Pure.

use crate::input;
use crate::model::event::Record;
use crate::model::id::CellId;
use crate::model::plan::Plan;
use crate::verdict::judge;
use crate::verdict::suspect::Standing;

/// What of a cell would close the gate and is to be confirmed by a fresh pair of arms, by the records so far; nothing where
/// there is nothing to confirm, or no pair is left that could.
pub fn to_confirm(plan: &Plan, cell: &CellId, records: &[Record]) -> Option<Vec<String>> {
    /// Sentences that the journal keeps.
    const MOST: usize = 8;
    let cell = judge::cell(plan, plan.cell(cell)?, records);
    let pairs = cell.fresh.len().saturating_add(1);
    let last = cell.fresh.last().map_or(&cell, |fresh| &fresh.pair);
    if !plan.confirm.is_on()
        || cell.strays > 0
        || !last.unended.is_empty()
        || pairs > usize::try_from(plan.confirm.pairs).unwrap_or(usize::MAX)
        || cell
            .suspects
            .iter()
            .any(|suspect| suspect.standing == Standing::Confirmed)
    {
        return None;
    }
    let open = cell
        .suspects
        .iter()
        .filter(|suspect| suspect.standing == Standing::Unconfirmed);
    let why: Vec<String> = open
        .filter_map(|suspect| Some(input::clip(&suspect.evidence.first()?.1)))
        .take(MOST)
        .collect();
    (!why.is_empty()).then_some(why)
}
