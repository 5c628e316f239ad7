//! Whose time a run took: its guests', or patchgate's own with libvirt's and QEMU's. Pure.
#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::event::{Event, Record};
use crate::model::id::ArmId;
use crate::model::outcome::Stage;

/// What a run's length hung on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// From the first record to the last.
    pub wall: Duration,
    /// Of this, what was spent waiting for guests on the path.
    pub guest: Duration,
    /// The arms on the path, in their order.
    pub path: Vec<ArmId>,
}

impl Share {
    /// What is not the guests', in percent of the whole.
    pub fn own_percent(&self) -> f64 {
        if self.wall.is_zero() {
            return 0.0;
        }
        let own = self.wall.saturating_sub(self.guest);
        own.as_secs_f64() / self.wall.as_secs_f64() * 100.0
    }
}

#[derive(Default)]
struct Life {
    /// Where it began in the journal, and where it was over and made room for others.
    started: Option<usize>,
    over: Option<usize>,
    /// Time spent waiting for guests.
    guest: Duration,
}

/// The critical path of a finished run: the arm that ended last, before it the arm whose end made room for it (the last
/// that ended before it began), and so on to the run's start. An arm ends where its removal begins, beside which others
/// run already; that of the last one is its own time.
///
/// The guests' is, in the arms on the path, the time from handing a command to the agent until its answer is there, and
/// all waiting for a boot, for services to settle, for `ready`, and between the attempts of a `retry`. That a guest is
/// slow because others share its host's processors is counted so too: more processors would shorten it, and no change of
/// patchgate. All else is its own: planning, placing images, making and removing clones (libvirt's and QEMU's time with
/// it), the journal, the proxy, waiting for other arms, and whatever passes between two arms of the path.
/// How late an answer is noticed, at most a quarter of a second a command, cannot be told from the guest's time.
///
/// `None` where no arm ended.
pub fn of(records: &[Record]) -> Option<Share> {
    let mut lives: BTreeMap<&ArmId, Life> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        let Some(arm) = &record.arm else { continue };
        match &record.event {
            Event::ArmStarted => {
                lives.entry(arm).or_default().started = Some(at);
            }
            Event::StageFinished {
                stage, guest_millis, ..
            } if *stage != Stage::Queue => {
                let guest = &mut lives.entry(arm).or_default().guest;
                *guest = guest.saturating_add(Duration::from_millis(*guest_millis));
            }
            // It makes room before it is removed.
            Event::StageStarted {
                stage: Stage::Destroy,
            }
            | Event::ArmFinished => {
                lives.entry(arm).or_default().over.get_or_insert(at);
            }
            Event::Planned { .. }
            | Event::HostChosen { .. }
            | Event::HostLost { .. }
            | Event::CellRetried { .. }
            | Event::CellConfirming { .. }
            | Event::Cloned { .. }
            | Event::StageStarted { .. }
            | Event::StageFinished { .. }
            | Event::Resolved { .. }
            | Event::Advised { .. }
            | Event::RebootNeeded { .. }
            | Event::RebootSkipped
            | Event::Proved { .. }
            | Event::Observed { .. }
            | Event::Asked { .. }
            | Event::StepFinished { .. }
            | Event::CleanedUp { .. }
            | Event::ScenarioFinished { .. }
            | Event::Measured { .. }
            | Event::ArmFailed { .. }
            | Event::Isolated { .. }
            | Event::Fetched(_)
            | Event::Resumed { .. }
            | Event::Interrupted { .. }
            | Event::Finished { .. } => {}
        }
    }
    let mut ends: Vec<_> = lives
        .into_iter()
        .filter_map(|(arm, life)| Some((life.over?, life.started?, arm, life.guest)))
        .collect();
    ends.sort_by_key(|(over, ..)| *over);

    let mut path = Vec::new();
    let mut guest = Duration::ZERO;
    while let Some((_, started, arm, waited)) = ends.pop() {
        path.push(arm.clone());
        guest = guest.saturating_add(waited);
        // What still ran when this one began made no room for it.
        while ends.pop_if(|(over, ..)| *over > started).is_some() {}
    }
    path.reverse();
    let (first, last) = (records.first()?, records.last()?);
    let wall = last.at.duration_since(first.at).try_into().unwrap_or_default();
    (!path.is_empty()).then_some(Share { wall, guest, path })
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::model::id::{Arm, CellId};

    /// What a record says of its arm.
    enum What {
        Starts,
        /// A stage, and how many seconds of it were spent waiting for guests.
        Waits(u64),
        /// Its removal.
        Goes,
        Ends,
    }
    use What::{Ends, Goes, Starts, Waits};

    fn journal(lines: &[(i64, &str, Arm, What)]) -> Vec<Record> {
        let record = |(seq, (second, cell, arm, what)): (usize, &(i64, &str, Arm, What))| Record {
            seq: seq as u64,
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(*second),
            arm: Some(ArmId::first(&CellId((*cell).to_owned()), *arm)),
            event: match what {
                Starts => Event::ArmStarted,
                Waits(seconds) => Event::StageFinished {
                    stage: Stage::Boot,
                    millis: 9000,
                    guest_millis: seconds * 1000,
                },
                Goes => Event::StageStarted {
                    stage: Stage::Destroy,
                },
                Ends => Event::ArmFinished,
            },
        };
        lines.iter().enumerate().map(record).collect()
    }

    #[test]
    fn the_path_leads_from_the_last_end_to_the_ends_that_made_room() {
        use Arm::{Control, Treatment};
        type Row<'a> = (&'a str, &'a [(i64, &'a str, Arm, What)], Option<Expected<'a>>);
        type Expected<'a> = (&'a [(&'a str, Arm)], u64, f64);
        let table: [Row<'_>; 5] = [
            (
                "one after another, with a second between them",
                &[
                    (0, "a", Treatment, Starts),
                    (8, "a", Treatment, Waits(7)),
                    (9, "a", Treatment, Ends),
                    (10, "a", Control, Starts),
                    (19, "a", Control, Waits(8)),
                    (20, "a", Control, Ends),
                ],
                Some((&[("a", Treatment), ("a", Control)], 15, 25.0)),
            ),
            (
                "two at once: the shorter one does not count, nor one that ended after the last began",
                &[
                    (0, "a", Treatment, Starts),
                    (0, "b", Treatment, Starts),
                    (3, "b", Treatment, Waits(3)),
                    (3, "b", Treatment, Ends),
                    (3, "a", Control, Starts),
                    (6, "a", Treatment, Waits(6)),
                    (6, "a", Treatment, Ends),
                    (10, "a", Control, Waits(2)),
                    (10, "a", Control, Waits(4)),
                    (10, "a", Control, Ends),
                ],
                Some((&[("b", Treatment), ("a", Control)], 9, 10.0)),
            ),
            (
                "an arm makes room before it is removed",
                &[
                    (0, "a", Treatment, Starts),
                    (8, "a", Treatment, Waits(8)),
                    (8, "a", Treatment, Goes),
                    (8, "a", Control, Starts),
                    (10, "a", Treatment, Ends),
                    (18, "a", Control, Waits(10)),
                    (18, "a", Control, Goes),
                    (20, "a", Control, Ends),
                ],
                Some((&[("a", Treatment), ("a", Control)], 18, 10.0)),
            ),
            (
                "an arm without an end is no part of it",
                &[
                    (0, "a", Treatment, Starts),
                    (0, "b", Treatment, Starts),
                    (4, "b", Treatment, Ends),
                    (5, "a", Treatment, Waits(5)),
                ],
                Some((&[("b", Treatment)], 0, 100.0)),
            ),
            ("nothing ran", &[], None),
        ];
        for (name, lines, expected) in table {
            let share = of(&journal(lines));
            let got = share.as_ref().map(|share| {
                let sides = share.path.iter().filter_map(ArmId::side);
                let path = sides.map(|(cell, arm)| (cell.0.as_str(), arm));
                (
                    path.collect::<Vec<_>>(),
                    share.guest.as_secs(),
                    share.own_percent(),
                )
            });
            let expected = expected.map(|(path, guest, own)| (path.to_vec(), guest, own));
            assert_eq!(got, expected, "{name}");
        }
    }
}
