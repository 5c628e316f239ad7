//! Which records count of a cell that was tried more than once: of a try whose host was lost none, and of the first and of
//! those that confirm it each for itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::event::{Event, Record};
use crate::model::id::{Arm, ArmId, CellId};

/// A try of a cell in the place of one whose host was lost.
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

/// The tries of one cell.
struct Course<'a> {
    /// The numbers of those that count: the first, and then those that confirm it.
    counting: Vec<u32>,
    /// The number of the one that it is at.
    at: u32,
    /// The sides of that one which have begun and are over.
    over: BTreeSet<Arm>,
    /// What each that confirms is to confirm.
    why: Vec<&'a [String]>,
    retried: Option<Retried>,
    strays: usize,
}

impl Default for Course<'_> {
    fn default() -> Self {
        Self {
            counting: vec![1],
            at: 1,
            over: BTreeSet::new(),
            why: Vec::new(),
            retried: None,
            strays: 0,
        }
    }
}

impl Course<'_> {
    /// Goes on to the next try.
    fn next(&mut self) {
        self.at += 1;
        self.counting.push(self.at);
        self.over.clear();
    }
}

/// The hosts that were lost, and the cells that were tried more than once.
#[derive(Default)]
pub(super) struct Tries<'a> {
    pub(super) lost: Vec<LostHost>,
    courses: BTreeMap<&'a CellId, Course<'a>>,
}

impl<'a> Tries<'a> {
    /// A try takes the place of another only once for a cell, after its host was lost, and when no arm of it runs any more;
    /// one that confirms begins when both arms of the one before are over. Any other is no reason to forget or to weigh
    /// anything. What an arm says of a try that has not begun, or is over, is astray.
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
                    let course = tries.courses.entry(cell).or_default();
                    if lost && over && course.retried.is_none() {
                        course.retried = Some(Retried {
                            from: from.clone(),
                            to: to.clone(),
                        });
                        course.counting.pop();
                        course.next();
                    } else {
                        course.strays += 1;
                    }
                }
                (Event::CellConfirming { cell, why }, _) => {
                    let idle = running.iter().all(|arm| arm.cell != *cell);
                    let course = tries.courses.entry(cell).or_default();
                    if idle && Arm::BOTH.iter().all(|arm| course.over.contains(arm)) {
                        course.why.push(why);
                        course.next();
                    } else {
                        course.strays += 1;
                    }
                }
                (event, Some(arm)) => {
                    let course = tries.courses.entry(&arm.cell).or_default();
                    if arm.nth_try != course.at {
                        course.strays += 1;
                    }
                    if *event == Event::ArmStarted {
                        running.insert(arm);
                    } else if *event == Event::ArmFinished {
                        running.remove(arm);
                        if arm.nth_try == course.at {
                            course.over.extend(arm.kind.side());
                        }
                    }
                }
                (_, None) => {}
            }
        }
        tries
    }

    /// The place of an arm among the pairs of its cell that count: 0 is the first, the others confirm it.
    fn place(&self, arm: &ArmId) -> Option<usize> {
        match self.courses.get(&arm.cell) {
            Some(course) => course.counting.iter().position(|&nth| nth == arm.nth_try),
            None => (arm.nth_try == 1).then_some(0),
        }
    }

    /// The try that took the place of another of a cell.
    pub(super) fn retried(&self, cell: &CellId) -> Option<&Retried> {
        self.courses.get(cell)?.retried.as_ref()
    }

    /// What each fresh pair of a cell is to confirm, in order.
    pub(super) fn confirming(&self, cell: &CellId) -> &[&'a [String]] {
        self.courses.get(cell).map_or(&[], |course| &course.why)
    }

    /// How many pairs of a cell count, at most.
    pub(super) fn most(&self) -> usize {
        let pairs = self.courses.values().map(|course| course.counting.len());
        pairs.max().unwrap_or(1)
    }

    /// How many records of a cell are of a try that had not begun or was over.
    pub(super) fn strays(&self, cell: &CellId) -> usize {
        self.courses.get(cell).map_or(0, |course| course.strays)
    }

    /// Whether a record counts in the pair of that place.
    pub(super) fn counts(&self, record: &Record, place: usize) -> bool {
        record
            .arm
            .as_ref()
            .is_none_or(|arm| self.place(arm) == Some(place))
    }
}

/// The records that count: of every cell those of one try, its first that was not lost with its host.
pub fn standing(records: &[Record]) -> impl DoubleEndedIterator<Item = &Record> {
    let tries = Tries::read(records);
    records.iter().filter(move |record| tries.counts(record, 0))
}
