//! From a run's journal alone to its gate.

use crate::error::UserError;
use crate::exit_code;
use crate::gate::{self, Decision, Gate};
use crate::model::id::RunId;
use crate::record::journal::{self, Loaded};
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
}

impl Decided {
    /// Reads a run's journal and decides by it alone.
    pub fn load(state: &State, run: &RunId) -> Result<Self, UserError> {
        if state.is_trial(run) {
            return Err(
                UserError::usage(format!("{run} tried scenarios without updates: it has no gate"))
                    .with_hint("`patchgate history` lists the runs"),
            );
        }
        // Asked for before the journal is read: a run that ends in between is then called live, never dead.
        let live = state::is_live(&state.run_dir(run));
        let journal = journal::read(&state.journal(run)).map_err(|error| {
            UserError::usage(error.to_string())
                .with_hint("a journal that cannot be read decides nothing; run again")
                .with_exit(exit_code::UNDECIDED)
        })?;
        Ok(Self::of(journal, live))
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
        }
    }

    /// The exit code that stands for its decision.
    pub fn exit_code(&self) -> u8 {
        match self.decision.gate {
            Gate::Open => exit_code::OPEN,
            Gate::Closed => exit_code::CLOSED,
            Gate::Undecided => exit_code::UNDECIDED,
        }
    }
}
