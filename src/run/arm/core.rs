//! One arm while it runs: who it is, its stages and its end.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::arm::{ArmPlan, Ends};
use crate::model::event::Event;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::CellPlan;
use crate::model::resource::Resource;
use crate::model::scenario::Scenario;
use crate::port::LabError;
use crate::run::context::Context;
use crate::run::names;
use crate::run::node::fault;
use crate::run::setup::Setup;
use crate::run::site::Site;
use crate::run::waiting::GuestTime;
use crate::secret::Mask;

/// One arm while it runs.
pub struct ArmRun<'a> {
    pub context: &'a Context,
    /// Where it runs.
    pub site: &'a Site,
    pub index: usize,
    /// Its cell.
    pub cell: &'a CellPlan,
    /// What it is to do.
    pub plan: ArmPlan,
    pub name: String,
    pub guests: GuestTime,
}

/// The fault of a run that is asked to stop.
pub fn interrupted(stage: Stage) -> Fault {
    let error = LabError::new(Cause::Interrupted, "the run was asked to stop");
    fault(stage, None, error)
}

impl<'a> ArmRun<'a> {
    /// An arm of the cell with that index, which has done nothing yet.
    pub fn new(context: &'a Context, site: &'a Site, index: usize, plan: ArmPlan) -> Self {
        let run = &context.setup.run;
        Self {
            context,
            site,
            index,
            cell: &context.setup.plan.cells[index],
            name: match &plan.ends {
                Ends::Saved(set) => names::template(run, set),
                Ends::Removed | Ends::KeptOnFault | Ends::Kept => {
                    names::arm(run, index, plan.id.kind, plan.id.nth_try)
                }
            },
            plan,
            guests: GuestTime::default(),
        }
    }

    /// Sends an event, as said by this arm.
    pub fn emit(&self, event: Event) {
        if self.plan.is_told() {
            self.context.events.emit(Some(self.plan.id.clone()), event);
        }
    }

    /// The run's set-up.
    pub fn setup(&self) -> &'a Setup {
        &self.context.setup
    }

    /// Whether its host is lost.
    pub fn is_lost(&self) -> bool {
        self.site.loss().reason().is_some()
    }

    /// What replaces the run's secrets in texts.
    pub fn mask(&self) -> &'a Mask {
        &self.context.mask
    }

    /// Tells that a stage is over.
    pub fn finished(&self, stage: Stage, took: Duration, guests: Duration) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.emit(Event::StageFinished {
            stage,
            millis: millis(took),
            guest_millis: millis(guests),
        });
    }

    /// The fault of a stage that does not begin, where the run is asked to stop.
    pub fn go_on(&self, stage: Stage) -> Result<(), Fault> {
        if self.context.setup.stop.is_cancelled() {
            return Err(interrupted(stage));
        }
        Ok(())
    }

    /// What came of a copy to the host, which may take minutes and is given up where the run is asked to stop.
    pub async fn copied<T>(&self, copy: impl Future<Output = Result<T, LabError>>) -> Result<T, LabError> {
        tokio::select! {
            biased;
            () = self.context.setup.stop.cancelled() => {
                Err(LabError::new(Cause::Interrupted, "the run was asked to stop"))
            }
            copied = copy => copied,
        }
    }

    /// Runs a stage, timed, unless the run is asked to stop before it begins.
    pub async fn stage<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.go_on(stage)?;
        self.emit(Event::StageStarted { stage });
        let (started, waited) = (Instant::now(), self.guests.total());
        let result = tokio::select! {
            biased;
            () = self.site.loss().wait() => Err(fault(stage, None, self.site.lost_error())),
            result = work => result,
        };
        self.finished(
            stage,
            started.elapsed(),
            self.guests.total().saturating_sub(waited),
        );
        result
    }

    /// Tells the arm's fault, calls `over`, and removes what it made, unless that is to be kept and nobody asked the run to stop.
    /// Returns whether it is kept.
    pub async fn end(
        &self,
        result: Result<(), Fault>,
        made: Vec<Resource>,
        keep: bool,
        over: impl FnOnce(),
    ) -> bool {
        if let Err(fault) = result {
            self.emit(Event::ArmFailed { fault });
        }
        let kept = keep && !self.context.setup.stop.is_cancelled();
        if kept {
            self.site.resources.keep();
            over();
        } else {
            self.destroy(made, over).await;
        }
        self.emit(Event::ArmFinished);
        kept
    }

    /// The scenarios that it runs, in order.
    pub fn scenarios(&self) -> Vec<&'a Scenario> {
        let plan = &self.context.setup.plan;
        let names = self.plan.runs.iter();
        names.filter_map(|name| plan.scenarios.get(name)).collect()
    }

    /// Removes what the arm made, last made first. What stays is tried again at the end of the run.
    async fn destroy(&self, made: Vec<Resource>, over: impl FnOnce()) {
        let started = Instant::now();
        self.emit(Event::StageStarted {
            stage: Stage::Destroy,
        });
        // The journal tells that this one goes before it tells what comes.
        over();
        self.site.resources.remove_all(made).await;
        tracing::debug!(cell = self.index, "arm {} is removed", self.name);
        self.finished(Stage::Destroy, started.elapsed(), Duration::ZERO);
    }

    /// The arm that prepares the saved state of that name, for this one and others to go on from.
    pub fn preparing(&self, set: &str) -> Self {
        let plan = ArmPlan::preparation(self.cell, self.plan.id.nth_try, set);
        Self {
            guests: self.guests.clone(),
            ..Self::new(self.context, self.site, self.index, plan)
        }
    }

    /// Tells a person something that is no result.
    pub fn notice(&self, text: &str) {
        self.context.setup.observer.notice(text);
    }
}
