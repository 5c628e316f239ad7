//! How long arms took in the newest runs of a lab.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::event::Event;
use crate::model::expected::Expected;
use crate::model::id::{Arm, CellId};
use crate::model::outcome::Stage;
use crate::record::journal;
use crate::record::state::State;
use crate::verdict::standing;

/// Runs that are looked at.
const RUNS: usize = 5;

/// The largest journal that is read for this, in bytes.
const LIMIT: u64 = 32 * 1024 * 1024;

/// What the arms of a lab's newest runs took that came to their end; the newest stands. Nothing here may keep a run from
/// starting, so a journal that cannot be read is skipped.
pub fn expected(state: &State, lab: &str) -> Expected {
    let mut expected = Expected::default();
    let newest = state.runs().unwrap_or_default().into_iter().rev();
    let own = newest.filter(|run| state.own(run).is_ok());
    let journals = own.map(|run| state.journal(&run));
    let small = journals.filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() <= LIMIT));
    let of_lab = small.filter(|path| journal::lab(path).is_ok_and(|of| of == lab));
    for path in of_lab.take(RUNS) {
        let records = match journal::read(&path) {
            Ok(loaded) => loaded.records,
            Err(error) => {
                tracing::debug!("no durations are taken from a run: {error}");
                continue;
            }
        };
        let mut took: BTreeMap<(&CellId, Arm), Duration> = BTreeMap::new();
        let mut whole: BTreeMap<(&CellId, Arm), bool> = BTreeMap::new();
        for record in standing(&records) {
            let Some(side) = record.side() else { continue };
            match &record.event {
                // An arm that waits for room costs nothing.
                Event::StageFinished { stage, millis, .. } if *stage != Stage::Queue => {
                    let sum = took.entry(side).or_default();
                    *sum = sum.saturating_add(Duration::from_millis(*millis));
                }
                Event::ArmFailed { .. } => {
                    whole.insert(side, false);
                }
                Event::ArmFinished => {
                    whole.entry(side).or_insert(true);
                }
                _ => {}
            }
        }
        for ((cell, arm), took) in took {
            if whole.get(&(cell, arm)) == Some(&true) {
                expected.note(cell, arm, took);
            }
        }
    }
    expected
}
