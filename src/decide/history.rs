//! Every run, its decision and how long it took.

use jiff::Timestamp;
use serde::Serialize;

use crate::decide::Decided;
use crate::gate::Gate;
use crate::model::id::RunId;
use crate::record::journal;
use crate::record::state::{State, StateError};

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// To its end.
    Finished,
    /// It is under way.
    Running,
    /// It was stopped, and cleaned up.
    Interrupted,
    /// Its process ended without ending the run; it may have left something behind.
    Died,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its id.
    pub run: RunId,
    /// Why nothing can be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub content: Option<Content>,
}

/// What came of a run.
#[derive(Debug, Serialize)]
pub struct Content {
    /// Its lab.
    pub lab: String,
    /// How far it got.
    pub standing: Standing,
    /// Its gate.
    pub gate: Gate,
    /// Cells that passed.
    pub cells_passed: usize,
    /// Cells that were planned.
    pub cells_planned: usize,
    /// Scenarios that regressed.
    pub regressed: usize,
    /// Scenarios that are inconclusive.
    pub inconclusive: usize,
    /// From the first record to the last.
    pub wall_millis: u64,
}

/// Every run, of one lab or of any, the newest first. One whose journal cannot be read has the reason, and may be of any lab;
/// `now` is the time by this machine's clock.
pub fn rows(state: &State, lab: Option<&str>, now: Timestamp) -> Result<Vec<Row>, StateError> {
    let runs = state.runs()?;
    Ok(runs
        .into_iter()
        .rev()
        .filter(|run| !state.is_trial(run))
        .filter_map(|run| match Decided::load(state, &run, now) {
            Ok(decided) => {
                let wanted = lab.is_none_or(|lab| *lab == decided.journal.plan.lab);
                wanted.then(|| row(run, &decided))
            }
            Err(error) => {
                let of = journal::lab(&state.journal(&run));
                let wanted = lab.is_none_or(|lab| of.map_or(true, |of| lab == of));
                wanted.then(|| Row {
                    run,
                    error: Some(error.to_string()),
                    content: None,
                })
            }
        })
        .collect())
}

fn row(run: RunId, decided: &Decided) -> Row {
    let counts = decided.decision.counts;
    let standing = match (decided.judgement.finished, decided.live) {
        (true, _) if decided.judgement.interrupted.is_some() => Standing::Interrupted,
        (true, _) => Standing::Finished,
        (false, true) => Standing::Running,
        (false, false) => Standing::Died,
    };
    Row {
        run,
        error: None,
        content: Some(Content {
            lab: decided.journal.plan.lab.clone(),
            standing,
            gate: decided.decision.gate,
            cells_passed: counts.passed,
            cells_planned: counts.planned,
            regressed: counts.regressed,
            inconclusive: counts.inconclusive,
            wall_millis: u64::try_from(journal::wall(&decided.journal.records).as_millis())
                .unwrap_or(u64::MAX),
        }),
    }
}
