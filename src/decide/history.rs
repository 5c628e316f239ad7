//! Every run, its decision and how long it took.

use jiff::Timestamp;
use serde::Serialize;

use crate::decide::Decided;
use crate::gate::{Gate, outdated};
use crate::model::id::RunId;
use crate::record::journal;
use crate::record::ledger::Ledger;
use crate::record::state::{RESOURCES, State, StateError};

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
    /// Its process ended without ending the run.
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
    /// Whether its list of resources has something that may still be there, or cannot be read; of a run that died.
    pub left: bool,
    /// Whether it began more than a day ago: updates have come since.
    pub old: bool,
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
                wanted.then(|| row(state, run, &decided, now))
            }
            Err(error) => {
                let wanted = lab.is_none_or(|lab| state.lab(&run).is_none_or(|of| lab == of));
                wanted.then(|| Row {
                    run,
                    error: Some(error.to_string()),
                    content: None,
                })
            }
        })
        .collect())
}

fn row(state: &State, run: RunId, decided: &Decided, now: Timestamp) -> Row {
    let counts = decided.decision.counts;
    let standing = match (decided.judgement.finished, decided.live) {
        (true, _) if decided.judgement.interrupted.is_some() => Standing::Interrupted,
        (true, _) => Standing::Finished,
        (false, true) => Standing::Running,
        (false, false) => Standing::Died,
    };
    let left = || Ledger::left(&state.run_dir(&run).join(RESOURCES)).map_or(true, |left| !left.is_empty());
    let left = standing == Standing::Died && left();
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
            left,
            old: decided.began().is_some_and(|began| outdated::is_old(began, now)),
        }),
    }
}
