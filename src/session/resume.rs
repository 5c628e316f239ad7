//! A run that died, to be gone on with: what it had finished, and whether the lab is still as it was planned.

use jiff::Timestamp;

use crate::decide::{DecideError, Decided};
use crate::model::id::RunId;
use crate::model::plan::Plan;
use crate::record::resume::Resumed;
use crate::record::state::State;

/// Why a run is not gone on with; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Its journal cannot be trusted.
    #[error(transparent)]
    Decide(#[from] DecideError),
    /// It goes on by itself.
    #[error("run {0} is alive")]
    Alive(RunId),
    /// Nothing of it is left to do.
    #[error("run {0} came to its end")]
    Over(RunId),
    /// What it promised is no longer what the lab asks for.
    #[error("the lab is no longer what run {run} was planned of: {}", .changed.join(", "))]
    Changed {
        /// The run.
        run: RunId,
        /// What is another.
        changed: Vec<String>,
    },
}

impl ResumeError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Decide(error) => error.hint(),
            Self::Alive(run) => format!("wait for it; `patchgate gate {run}` tells how far it is"),
            Self::Over(run) => format!("`patchgate gate {run}` has its decision"),
            Self::Changed { .. } => "start a new run with `patchgate run`".to_owned(),
        }
    }
}

/// A run that is gone on with.
#[derive(Debug)]
pub struct Resume {
    plan: Plan,
    resumed: Resumed,
}

impl Resume {
    /// Reads a run that is not over, and whose process is; only what it recorded whole is trusted.
    ///
    /// # Errors
    /// It cannot be gone on with.
    pub fn load(state: &State, run: &RunId, now: Timestamp) -> Result<Self, ResumeError> {
        let decided = Decided::load(state, run, now)?;
        if decided.live {
            return Err(ResumeError::Alive(run.clone()));
        }
        if decided.judgement.finished && decided.judgement.interrupted.is_none() {
            return Err(ResumeError::Over(run.clone()));
        }
        let journal = decided.journal;
        Ok(Self {
            resumed: Resumed::of(run, &journal.plan, &journal.records),
            plan: journal.plan,
        })
    }

    /// The selection of its cells.
    pub fn selection(&self) -> String {
        let cells: Vec<&str> = self.plan.cells.iter().map(|cell| cell.id.0.as_str()).collect();
        cells.join(",")
    }

    /// Whether a lab, by its whole plan, still has the cells. A selection of what is gone would be blamed otherwise, and nobody
    /// made one.
    ///
    /// # Errors
    /// It has not.
    pub fn held_by(&self, whole: &Plan) -> Result<(), ResumeError> {
        let cells = self.plan.cells.iter().map(|cell| &cell.id);
        let gone = cells.filter(|cell| whole.cell(cell).is_none());
        let changed: Vec<String> = gone.map(|cell| format!("cell {cell} is gone")).collect();
        if changed.is_empty() {
            return Ok(());
        }
        Err(ResumeError::Changed {
            run: self.resumed.from.clone(),
            changed,
        })
    }

    /// What is taken over by a run of this plan.
    ///
    /// # Errors
    /// It is another plan.
    pub fn by(self, plan: &Plan) -> Result<Resumed, ResumeError> {
        if plan.digest == self.plan.digest {
            return Ok(self.resumed);
        }
        let names = plan.inputs.keys().chain(self.plan.inputs.keys());
        let mut changed: Vec<String> = names
            .filter(|name| plan.inputs.get(*name) != self.plan.inputs.get(*name))
            .cloned()
            .collect();
        changed.sort();
        changed.dedup();
        if changed.is_empty() {
            changed.push("the plan that is made of it".to_owned());
        }
        Err(ResumeError::Changed {
            run: self.resumed.from,
            changed,
        })
    }
}
