//! Which records count of a cell that was tried once more, as its host was lost: those of its second try alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::event::{Event, Record};
use crate::model::id::{ArmId, CellId};

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
    retried: BTreeMap<&'a CellId, Retried>,
    strays: BTreeMap<&'a CellId, usize>,
}

impl<'a> Tries<'a> {
    /// A second try stands only once for a cell, after its host was lost, and when no arm of it runs any more; any other is
    /// no reason to forget what was seen. What an arm says of a try that has not begun, or is over, is astray.
    pub(super) fn read(records: &'a [Record]) -> Self {
        let mut tries = Self::default();
        let mut running: BTreeSet<&ArmId> = BTreeSet::new();
        for record in records {
            match (&record.event, &record.arm) {
                (Event::HostLost { uri, reason }, _) => tries.lost.push(LostHost {
                    uri: uri.clone(),
                    reason: reason.clone(),
                }),
                (Event::CellRetried { cell, from, to }, _) => {
                    let lost = tries.lost.iter().any(|lost| lost.uri == *from);
                    let over = running.iter().all(|arm| arm.cell != *cell);
                    if lost && over && !tries.retried.contains_key(cell) {
                        let retried = Retried {
                            from: from.clone(),
                            to: to.clone(),
                        };
                        tries.retried.insert(cell, retried);
                    } else {
                        *tries.strays.entry(cell).or_default() += 1;
                    }
                }
                (event, Some(arm)) => {
                    if !tries.is_at(arm) {
                        *tries.strays.entry(&arm.cell).or_default() += 1;
                    }
                    if *event == Event::ArmStarted {
                        running.insert(arm);
                    } else if *event == Event::ArmFinished {
                        running.remove(arm);
                    }
                }
                (_, None) => {}
            }
        }
        tries
    }

    /// Whether an arm belongs to the try that its cell is at.
    fn is_at(&self, arm: &ArmId) -> bool {
        let at = if self.retried.contains_key(&arm.cell) {
            2
        } else {
            1
        };
        arm.nth_try == at
    }

    /// The second try of a cell.
    pub(super) fn of(&self, cell: &CellId) -> Option<&Retried> {
        self.retried.get(cell)
    }

    /// How many records of a cell are of a try that had not begun or was over.
    pub(super) fn strays(&self, cell: &CellId) -> usize {
        self.strays.get(cell).copied().unwrap_or(0)
    }

    /// Whether a record counts.
    pub(super) fn counts(&self, record: &Record) -> bool {
        record.arm.as_ref().is_none_or(|arm| self.is_at(arm))
    }
}

/// The records that count: of every cell those of one try, its last.
pub fn standing(records: &[Record]) -> impl DoubleEndedIterator<Item = &Record> {
    let tries = Tries::read(records);
    records.iter().filter(move |record| tries.counts(record))
}
