//! Where the time goes: by stage and arm.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::event::Event;
use crate::model::id::{Arm, CellId};
use crate::model::outcome::Stage;
use crate::report::view::Summary;
use crate::verdict::standing;

/// The time of one stage over all cells.
#[derive(Debug, Clone, Default)]
pub(super) struct StageTime<'a> {
    pub(super) control: Duration,
    pub(super) treatment: Duration,
    /// The arm that took longest.
    pub(super) longest: Option<(Duration, &'a CellId, Arm)>,
}

/// Time by stage, in the order of an arm's life.
pub(super) fn by_stage<'a>(summary: &Summary<'a>) -> BTreeMap<Stage, StageTime<'a>> {
    let mut stages: BTreeMap<Stage, StageTime<'a>> = BTreeMap::new();
    for record in summary.records {
        let (Some((cell, arm)), Event::StageFinished { stage, millis, .. }) = (record.side(), &record.event)
        else {
            continue;
        };
        // An arm that waits for room costs nothing.
        if *stage == Stage::Queue {
            continue;
        }
        let took = Duration::from_millis(*millis);
        let time = stages.entry(*stage).or_default();
        let sum = match arm {
            Arm::Control => &mut time.control,
            Arm::Treatment => &mut time.treatment,
        };
        *sum = sum.saturating_add(took);
        if time.longest.is_none_or(|(longest, _, _)| took > longest) {
            time.longest = Some((took, cell, arm));
        }
    }
    stages
}

/// The arm that took longest, over all its stages; of a cell that was tried once more, in its second try.
pub(super) fn longest_arm<'a>(summary: &Summary<'a>) -> Option<(Duration, &'a CellId, Arm)> {
    let mut arms: BTreeMap<(&CellId, Arm), Duration> = BTreeMap::new();
    for record in standing(summary.records) {
        if let (Some(side), Event::StageFinished { stage, millis, .. }) = (record.side(), &record.event)
            && *stage != Stage::Queue
        {
            let sum = arms.entry(side).or_default();
            *sum = sum.saturating_add(Duration::from_millis(*millis));
        }
    }
    arms.into_iter()
        .map(|((cell, arm), took)| (took, cell, arm))
        .max_by_key(|(took, _, _)| *took)
}
