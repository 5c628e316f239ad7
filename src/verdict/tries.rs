//! Which records count of a cell that was tried once more, as its host was lost: those of its second try alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::event::{Event, Record};
use crate::model::id::{Arm, CellId};

/// A second try of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// The URI of the host that was lost.
    pub from: String,
    /// The URI of the host that it ran on then.
    pub to: String,
}

/// A host that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostHost {
    /// Its URI.
    pub uri: String,
    /// What was seen of that, in words.
    pub reason: String,
}

/// The hosts that were lost, and the cells that were tried once more.
#[derive(Default)]
pub(super) struct Tries<'a> {
    pub(super) lost: Vec<LostHost>,
    /// With the place of the record.
    retried: BTreeMap<&'a CellId, (usize, Retried)>,
}

impl<'a> Tries<'a> {
    /// A second try stands only once for a cell, after its host was lost, and after both its arms are over; any other is
    /// no reason to forget what was seen.
    pub(super) fn read(records: &'a [Record]) -> Self {
        let mut tries = Self::default();
        let mut running: BTreeSet<(&CellId, Arm)> = BTreeSet::new();
        for (at, record) in records.iter().enumerate() {
            match &record.event {
                Event::HostLost { uri, reason } => tries.lost.push(LostHost {
                    uri: uri.clone(),
                    reason: reason.clone(),
                }),
                Event::ArmStarted { cell, arm } => {
                    running.insert((cell, *arm));
                }
                Event::ArmFinished { cell, arm } => {
                    running.remove(&(cell, *arm));
                }
                Event::CellRetried { cell, from, to } => {
                    let lost = tries.lost.iter().any(|lost| lost.uri == *from);
                    let over = Arm::BOTH.iter().all(|arm| !running.contains(&(cell, *arm)));
                    if lost && over && !tries.retried.contains_key(cell) {
                        let retried = Retried {
                            from: from.clone(),
                            to: to.clone(),
                        };
                        tries.retried.insert(cell, (at, retried));
                    }
                }
                Event::Planned { .. }
                | Event::HostChosen { .. }
                | Event::StageStarted { .. }
                | Event::StageFinished { .. }
                | Event::Cloned { .. }
                | Event::Resolved { .. }
                | Event::RebootNeeded { .. }
                | Event::RebootSkipped { .. }
                | Event::Proved { .. }
                | Event::Observed { .. }
                | Event::StepFinished { .. }
                | Event::CleanedUp { .. }
                | Event::ScenarioFinished { .. }
                | Event::Measured { .. }
                | Event::ArmFailed { .. }
                | Event::Isolated { .. }
                | Event::Fetched(_)
                | Event::Interrupted { .. }
                | Event::Finished { .. } => {}
            }
        }
        tries
    }

    /// The second try of a cell.
    pub(super) fn of(&self, cell: &CellId) -> Option<&Retried> {
        self.retried.get(cell).map(|(_, retried)| retried)
    }

    /// Whether the record at a place counts.
    pub(super) fn counts(&self, at: usize, record: &Record) -> bool {
        let retried = record.event.cell().and_then(|cell| self.retried.get(cell));
        retried.is_none_or(|(since, _)| at > *since)
    }
}

/// The records that count: of a cell that was tried once more, those of its second try alone.
pub fn standing(records: &[Record]) -> impl DoubleEndedIterator<Item = &Record> {
    let tries = Tries::read(records);
    let places = records.iter().enumerate();
    places.filter_map(move |(at, record)| tries.counts(at, record).then_some(record))
}
