//! A plan that the hosts can hold, with all that it needs: it is run, or its scenarios are tried.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::model::expected::Expected;
use crate::model::id::RunId;
use crate::model::plan::Plan;
use crate::port::{LabError, Observer};
use crate::record::journal::{self, JournalError};
use crate::record::resume::Resumed;
use crate::record::state::{RunDir, State, StateError};
use crate::run::{self, Capacities, Preparation, RunError, Setup, Trial};
use crate::session::begin::{next_id, now};
use crate::session::hosts::{self, HostsError};
use crate::session::inputs::Kit;
use crate::session::look::Look;
use crate::session::outcome::Outcome;
use crate::session::signals::{self, Abandon};
use crate::verdict;

/// Why a plan was not run, or why nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The hosts cannot do it; nothing was started.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// The state folder cannot be worked on.
    #[error(transparent)]
    State(#[from] StateError),
    /// It cannot be recorded: without that there is no result.
    #[error(transparent)]
    Run(RunError),
    /// A trial's record cannot be read.
    #[error(transparent)]
    Record(JournalError),
}

impl From<LabError> for SessionError {
    fn from(error: LabError) -> Self {
        Self::Hosts(error.into())
    }
}

impl From<RunError> for SessionError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Host(error) => error.into(),
            RunError::Journal(_) | RunError::Ledger(_) => Self::Run(error),
        }
    }
}

/// What may be chosen for a run beside its plan.
#[derive(Debug, Default)]
pub struct Choices {
    /// How long arms are expected to take.
    pub expected: Expected,
    /// Arms at once, beside the budget.
    pub jobs: Option<usize>,
    /// What is taken over of a run of the same plan that died.
    pub resumed: Option<Resumed>,
    /// Whether VMs of failed arms are left for inspection.
    pub keep_failed: bool,
}

/// A plan that the hosts can hold.
pub struct Ready {
    setup: Setup,
    capacities: Capacities,
    state: State,
}

/// What is left of a run, beside its journal.
#[derive(Debug)]
pub struct Ended {
    /// What could not be removed, or was kept, in words.
    pub left_behind: Vec<String>,
    /// Whether some of it is left on purpose.
    pub kept: bool,
}

impl Ready {
    /// Connects to the hosts of a plan, and sees that they can hold it.
    pub async fn open(
        kit: Kit,
        state: State,
        observer: Arc<dyn Observer>,
        choices: Choices,
    ) -> Result<Self, SessionError> {
        let run = next_id(&state)?;
        let (hosts, absent) = hosts::open(&kit.plan, &run).await?;
        let setup = Setup {
            run,
            plan: kit.plan,
            families: kit.families,
            images: kit.disks,
            warm: Some(kit.warm),
            hosts,
            absent,
            expected: choices.expected,
            proxies: kit.proxies,
            files: kit.files,
            secrets: kit.secrets,
            jobs: choices.jobs,
            resumed: choices.resumed,
            keep_failed: choices.keep_failed,
            confirm: verdict::to_confirm,
            observer,
            stop: CancellationToken::new(),
            now,
        };
        Self::of(setup, state).await
    }

    /// Sees that the hosts of a set-up can hold its plan.
    pub async fn of(setup: Setup, state: State) -> Result<Self, SessionError> {
        let capacities = run::preflight(&setup).await?;
        Ok(Self {
            setup,
            capacities,
            state,
        })
    }

    /// The id of what begins.
    pub fn id(&self) -> &RunId {
        &self.setup.run
    }

    /// What is promised.
    pub fn plan(&self) -> &Plan {
        &self.setup.plan
    }

    /// How long it is expected to take on these hosts, and of how many cells that is known; nothing where it is of none.
    pub fn expected(&self) -> Option<(Duration, usize)> {
        let known = self.setup.expected.known(&self.setup.plan);
        (known > 0).then_some((self.capacities.expected, known))
    }

    /// Runs the plan to its end. The result is its journal.
    pub async fn run(self, abandon: Abandon) -> Result<Ended, SessionError> {
        let run_dir = self.state.create_run(&self.setup.run)?;
        let keep = self.setup.keep_failed;
        let signals = self.watch(&run_dir, abandon);
        let ended = run::execute(self.setup, self.capacities, &run_dir).await;
        signals.abort();
        let left_behind = ended?;
        let kept = keep && !left_behind.is_empty();
        if kept {
            run_dir.keep()?;
        }
        Ok(Ended { left_behind, kept })
    }

    /// Tries the scenarios of a plan of one cell, and returns what came of it. Nothing of it is left, on the host or in the
    /// state folder, but for what is kept on purpose or cannot be removed, and pictures of screens.
    pub async fn attempt(self, trial: Trial, abandon: Abandon) -> Result<Outcome, SessionError> {
        let run_dir = self.state.create_run(&self.setup.run)?;
        let signals = self.watch(&run_dir, abandon);
        let tried = run::try_scenarios(self.setup, &self.capacities, &run_dir, trial).await;
        signals.abort();
        let tried = tried?;
        if !tried.kept.is_empty() {
            run_dir.keep()?;
        }
        let loaded = journal::read(&run_dir.trial()).map_err(SessionError::Record)?;
        let outcome = Outcome::of(&loaded, tried, run_dir.path());
        if outcome.left_behind.is_empty() && outcome.screens.is_empty() {
            forget(&run_dir);
        }
        Ok(outcome)
    }

    /// Boots the nodes of a plan of one cell and asks each what it is. What is left of it is as after [`Ready::attempt`].
    pub async fn look(self, abandon: Abandon) -> Result<Look, SessionError> {
        let run_dir = self.state.create_run(&self.setup.run)?;
        let signals = self.watch(&run_dir, abandon);
        let looked = run::first_look(self.setup, &self.capacities, &run_dir).await;
        signals.abort();
        read(&run_dir, looked?.left_behind)
    }

    /// Boots the node of a plan of one cell once to change its disks, and returns what came of it. What is left of it is as after
    /// [`Ready::attempt`].
    pub async fn prepare(self, preparation: Preparation<'_>, abandon: Abandon) -> Result<Look, SessionError> {
        let run_dir = self.state.create_run(&self.setup.run)?;
        let signals = self.watch(&run_dir, abandon);
        let prepared = run::prepare(self.setup, &self.capacities, &run_dir, preparation).await;
        signals.abort();
        read(&run_dir, prepared?.left_behind)
    }

    fn watch(&self, run_dir: &RunDir, abandon: Abandon) -> JoinHandle<()> {
        tokio::spawn(signals::watch(
            self.setup.stop.clone(),
            run_dir.resources(),
            self.setup.observer.clone(),
            abandon,
        ))
    }
}

/// Reads the record of a look; its folder is kept where something is in it that somebody needs.
fn read(run_dir: &RunDir, left_behind: Vec<String>) -> Result<Look, SessionError> {
    let loaded = journal::read(&run_dir.trial()).map_err(SessionError::Record)?;
    let look = Look::of(&loaded, left_behind, run_dir.path());
    if look.left_behind.is_empty() && look.screens.is_empty() {
        forget(run_dir);
    }
    Ok(look)
}

/// Removes the folder of what is no run.
fn forget(run_dir: &RunDir) {
    if let Err(error) = std::fs::remove_dir_all(run_dir.path()) {
        tracing::warn!("{} cannot be removed: {error}", run_dir.path().display());
    }
}
