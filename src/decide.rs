//! From a run's journal alone to its gate.

pub mod history;

use std::path::PathBuf;

use jiff::Timestamp;

use crate::gate::outdated::SKEW;
use crate::gate::{self, Decision};
use crate::model::id::RunId;
use crate::record::journal::{self, JournalError, Loaded};
use crate::record::own::NotOwn;
use crate::record::state::{self, State};
use crate::verdict::{self, Judgement};

/// A run that was read, judged and decided.
#[derive(Debug)]
pub struct Decided {
    /// Its journal.
    pub journal: Loaded,
    /// What became of its plan.
    pub judgement: Judgement,
    /// The gate and why.
    pub decision: Decision,
    /// Whether it is still running.
    pub live: bool,
    /// Its folder, where it was read from one.
    pub folder: Option<PathBuf>,
}

/// Why nothing can be decided of a run.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// It is none.
    #[error("{0} tried scenarios without updates: it has no gate")]
    Trial(RunId),
    /// Somebody else could have written what is in its folder.
    #[error(transparent)]
    NotOwn(#[from] NotOwn),
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its folder has the journal of another run.
    #[error("the folder of run {folder} has the journal of run {recorded}")]
    Misplaced {
        /// The run by its folder.
        folder: RunId,
        /// The run by its journal.
        recorded: RunId,
    },
    /// By its id it has not begun yet, so what is newer than it is not known.
    #[error("run {run} is from the future: it is {}", now.strftime("%Y-%m-%d %H:%M:%S UTC"))]
    Future {
        /// The run.
        run: RunId,
        /// The time by this machine's clock.
        now: Timestamp,
    },
}

impl DecideError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Trial(_) => "`patchgate history` lists the runs".to_owned(),
            Self::NotOwn(error) => error.hint(),
            Self::Journal(error) => error.remedy(),
            Self::Misplaced { recorded, .. } => {
                format!("it decides nothing here; name the folder {recorded} again, or remove it")
            }
            Self::Future { .. } => {
                "set this machine's clock; if it is right, remove the folder of that run, after `patchgate clean`"
                    .to_owned()
            }
        }
    }
}

impl Decided {
    /// Reads a run's journal and decides by it alone; `now` is the time by this machine's clock.
    ///
    /// # Errors
    /// It is that of a trial or of another run, is from the future, is not the caller's own, or cannot be read.
    pub fn load(state: &State, run: &RunId, now: Timestamp) -> Result<Self, DecideError> {
        if state.is_trial(run) {
            return Err(DecideError::Trial(run.clone()));
        }
        // Asked for before the journal is read: a run that ends in between is then called live, never dead.
        let live = state::is_live(&state.run_dir(run));
        if run.began().is_none_or(|began| began.duration_since(now) > SKEW) {
            let run = run.clone();
            return Err(DecideError::Future { run, now });
        }
        state.own(run)?;
        let journal = journal::read(&state.journal(run))?;
        if journal.run != *run {
            return Err(DecideError::Misplaced {
                folder: run.clone(),
                recorded: journal.run,
            });
        }
        Ok(Self {
            folder: Some(state.run_dir(run)),
            ..Self::of(journal, live)
        })
    }

    /// When the first of what it tells was recorded: what was taken over of another run is older than this one.
    pub fn began(&self) -> Option<Timestamp> {
        self.journal.records.iter().map(|record| record.at).min()
    }

    /// The same run, decided for the cells that it has, whatever it leaves out of the lab.
    #[must_use]
    pub fn in_part(self) -> Self {
        let decision = gate::decide_part(&self.journal.plan, &self.judgement);
        Self { decision, ..self }
    }

    /// Decides by a journal alone; `live` is whether its run is still going on.
    pub fn of(journal: Loaded, live: bool) -> Self {
        let judgement = verdict::judge(&journal.plan, &journal.records);
        let decision = gate::decide(&journal.plan, &judgement);
        Self {
            journal,
            judgement,
            decision,
            live,
            folder: None,
        }
    }
}
