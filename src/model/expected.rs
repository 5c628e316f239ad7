//! How long arms are expected to take. No part of a plan: it decides in which order arms run, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::id::{Arm, CellId};
use crate::model::plan::Plan;

/// What an arm is taken to need of which nothing is known, where nothing is known of any; what matters is that updating
/// takes longer.
const CONTROL: Duration = Duration::from_secs(5 * 60);
const TREATMENT: Duration = Duration::from_secs(10 * 60);

/// How long arms took when they last came to their end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    took: BTreeMap<(CellId, Arm), Duration>,
}

impl Expected {
    /// Notes how long an arm took; what is known of it already stands.
    pub fn note(&mut self, cell: &CellId, arm: Arm, took: Duration) {
        self.took.entry((cell.clone(), arm)).or_insert(took);
    }

    /// Whether both arms of a cell are known.
    fn knows(&self, cell: &CellId) -> bool {
        Arm::BOTH
            .iter()
            .all(|&arm| self.took.contains_key(&(cell.clone(), arm)))
    }

    /// How many cells of a plan are known.
    pub fn known(&self, plan: &Plan) -> usize {
        plan.cells.iter().filter(|cell| self.knows(&cell.id)).count()
    }

    /// How long an arm is expected to take: as it last did, else as the mean of what is known of other cells.
    pub fn of(&self, cell: &CellId, arm: Arm) -> Duration {
        if let Some(took) = self.took.get(&(cell.clone(), arm)) {
            return *took;
        }
        let others = self.took.iter().filter(|((_, of), _)| *of == arm);
        let (count, sum) = others.fold((0_u32, Duration::ZERO), |(count, sum), (_, took)| {
            (count + 1, sum.saturating_add(*took))
        });
        sum.checked_div(count).unwrap_or(match arm {
            Arm::Control => CONTROL,
            Arm::Treatment => TREATMENT,
        })
    }
}
