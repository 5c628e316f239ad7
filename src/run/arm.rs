//! The life of one arm, from the fork to its removal.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::guest::debian::{self, PackageStates};
use crate::model::event::Event;
use crate::model::id::Arm;
use crate::model::observation::Moment;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::plan::CellPlan;
use crate::model::resource::Resource;
use crate::model::scenario::Scenario;
use crate::model::update::UpdateSet;
use crate::port::LabError;
use crate::run::node::{Node, fault};
use crate::run::outlet::Outlet;
use crate::run::pair::Seat;
use crate::run::reboot::Say;
use crate::run::site::Site;
use crate::run::waiting::GuestTime;
use crate::run::{Context, Setup, names, observe, scenario, updates};
use crate::secret::Mask;

mod clone;
mod measure;
pub mod trial;

/// One arm while it runs.
pub struct ArmRun<'a> {
    context: &'a Context,
    /// Where it runs.
    pub site: &'a Site,
    index: usize,
    /// Its cell.
    pub cell: &'a CellPlan,
    /// Which arm.
    pub arm: Arm,
    name: String,
    guests: GuestTime,
}

/// The fault of a run that is asked to stop.
fn interrupted(stage: Stage) -> Fault {
    let error = LabError::new(Cause::Interrupted, "the run was asked to stop");
    fault(stage, None, error)
}

/// Runs an arm to its end. Whatever happens is an event, and what it made is removed. `seat` joins it to the other arm of
/// a cell with measured steps; `over` is called before anything is removed. Returns whether it came to its end in order.
pub async fn run(
    context: &Context,
    site: &Site,
    index: usize,
    arm: Arm,
    queued: Duration,
    seat: Option<Seat>,
    over: impl FnOnce(),
) -> bool {
    let cell = &context.setup.plan.cells[index];
    let run = ArmRun::new(context, site, index, arm);
    run.emit(Event::ArmStarted {
        cell: cell.id.clone(),
        arm,
    });
    run.finished(Stage::Queue, queued, Duration::ZERO);
    let mut made = Vec::new();
    let say = context.reboots.say(index, arm);
    let result = run.live(&mut made, seat, say).await;
    let whole = result.is_ok();
    run.end(result, made, !whole && context.setup.keep_failed, over)
        .await;
    whole
}

impl<'a> ArmRun<'a> {
    /// An arm of the cell with that index, which has done nothing yet.
    pub fn new(context: &'a Context, site: &'a Site, index: usize, arm: Arm) -> Self {
        Self {
            context,
            site,
            index,
            cell: &context.setup.plan.cells[index],
            arm,
            name: names::arm(&context.setup.run, index, arm),
            guests: GuestTime::default(),
        }
    }

    /// Sends an event.
    pub fn emit(&self, event: Event) {
        self.context.events.emit(event);
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

    fn finished(&self, stage: Stage, took: Duration, guests: Duration) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.emit(Event::StageFinished {
            cell: self.cell.id.clone(),
            arm: self.arm,
            stage,
            millis: millis(took),
            guest_millis: Some(millis(guests)),
        });
    }

    /// The fault of a stage that does not begin, where the run is asked to stop.
    fn go_on(&self, stage: Stage) -> Result<(), Fault> {
        if self.context.setup.stop.is_cancelled() {
            return Err(interrupted(stage));
        }
        Ok(())
    }

    /// Runs a stage, timed, unless the run is asked to stop before it begins.
    pub async fn stage<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.go_on(stage)?;
        self.emit(Event::StageStarted {
            cell: self.cell.id.clone(),
            arm: self.arm,
            stage,
        });
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
    async fn end(
        &self,
        result: Result<(), Fault>,
        made: Vec<Resource>,
        keep: bool,
        over: impl FnOnce(),
    ) -> bool {
        if let Err(fault) = result {
            self.emit(Event::ArmFailed {
                cell: self.cell.id.clone(),
                arm: self.arm,
                fault,
            });
        }
        let kept = keep && !self.context.setup.stop.is_cancelled();
        if kept {
            self.site.resources.keep();
            over();
        } else {
            self.destroy(made, over).await;
        }
        self.emit(Event::ArmFinished {
            cell: self.cell.id.clone(),
            arm: self.arm,
        });
        kept
    }

    /// The scenarios of its cell, in order.
    fn scenarios(&self) -> Vec<&'a Scenario> {
        let plan = &self.context.setup.plan;
        let names = self.cell.scenarios.iter();
        names.filter_map(|name| plan.scenarios.get(name)).collect()
    }

    /// Forks the nodes and starts them.
    async fn up(&self, made: &mut Vec<Resource>) -> Result<Vec<Node<'a>>, Fault> {
        let nodes = self.begin(made).await?;
        if let Some(outlet) = self.site.outlet.get() {
            self.stage(Stage::Isolate, outlet.prove(self, &nodes)).await?;
        }
        Ok(nodes)
    }

    /// Reboots the nodes in their order, each ready before the next.
    async fn restart(&self, nodes: &[Node<'a>]) -> Result<(), Fault> {
        for at in self.cell.reboots() {
            nodes[at]
                .reboot(Stage::Reboot, self.cell.deadlines.reboot)
                .await?;
            // One that is not ready after the updates is found by the scenarios, in both arms alike.
            nodes[at].await_ready(Stage::Reboot).await?;
        }
        Ok(())
    }

    /// Reboots the nodes, unless neither arm of the cell is to; returns whether they were. `needed` is the treatment arm's.
    async fn maybe_restart(&self, nodes: &[Node<'a>], say: &Say<'_>, needed: bool) -> Result<bool, Fault> {
        let reboots = tokio::select! {
            reboots = say.reboots(needed) => reboots,
            () = self.context.setup.stop.cancelled() => return Err(interrupted(Stage::Reboot)),
        };
        if reboots {
            self.restart(nodes).await?;
        } else {
            self.emit(Event::RebootSkipped {
                cell: self.cell.id.clone(),
                arm: self.arm,
            });
        }
        Ok(reboots)
    }

    async fn live(&self, made: &mut Vec<Resource>, seat: Option<Seat>, say: Say<'_>) -> Result<(), Fault> {
        let scenarios = self.scenarios();
        let nodes = self.up(made).await?;
        self.context.up.notify_one();
        let (seeded, before) = self
            .stage(Stage::Seed, async {
                let seeded = scenario::seed(self, &nodes, &scenarios).await?;
                let mut before = Vec::new();
                for node in &nodes {
                    let seen = observe::look(self, node, Stage::Seed, Moment::BeforeUpdates).await?;
                    before.push(seen.packages);
                }
                Ok((seeded, before))
            })
            .await?;
        let (sets, needed) = match self.arm {
            Arm::Control => (nodes.iter().map(|_| UpdateSet::pin(Vec::new())).collect(), false),
            Arm::Treatment => self.update(&nodes).await?,
        };
        let old_boots: Vec<String> = nodes.iter().map(Node::boot_id).collect();
        let rebooted = self
            .stage(Stage::Reboot, self.maybe_restart(&nodes, &say, needed))
            .await?;
        self.stage(
            Stage::Prove,
            self.look(&nodes, &sets, &before, &old_boots, rebooted),
        )
        .await?;
        let mut passed = BTreeMap::new();
        self.stage(Stage::Scenarios, async {
            for scenario in scenarios.iter().filter(|scenario| !seeded.failed(scenario)) {
                let ended = scenario::run(self, &nodes, scenario, &seeded).await?;
                if let Some(known) = ended {
                    passed.insert(scenario.name.clone(), known);
                }
            }
            Ok(())
        })
        .await?;
        let Some(seat) = seat else { return Ok(()) };
        let measured = self.measure(&nodes, &passed, &seat).await;
        for scenario in scenarios.iter().filter(|scenario| scenario.is_measured()) {
            if let Some(known) = passed.remove(&scenario.name) {
                scenario::cleanup(self, &nodes, scenario, known, measured.as_ref().err()).await;
            }
        }
        measured
    }

    /// Pins, fetches and installs the updates of every node; returns them, and whether any node needs a reboot for them.
    async fn update(&self, nodes: &[Node<'_>]) -> Result<(Vec<UpdateSet>, bool), Fault> {
        let deadlines = &self.cell.deadlines;
        let proxy = self.site.outlet.get().and_then(Outlet::proxy_url);
        let sets = self
            .stage(Stage::Resolve, async {
                let mut sets = Vec::new();
                for node in nodes {
                    let policy = &self.context.setup.plan.updates;
                    let pinned = &self.context.pinned;
                    let set = updates::resolve(node, pinned, policy, deadlines, proxy.as_deref()).await?;
                    self.emit(Event::Resolved {
                        cell: self.cell.id.clone(),
                        role: node.plan.role.clone(),
                        set: set.clone(),
                    });
                    sets.push(set);
                }
                Ok(sets)
            })
            .await?;
        let pending = || nodes.iter().zip(&sets).filter(|(_, set)| !set.is_empty());
        self.stage(Stage::Download, async {
            for (node, set) in pending() {
                updates::download(node, set, deadlines, proxy.as_deref()).await?;
            }
            Ok(())
        })
        .await?;
        let needed = self
            .stage(Stage::Apply, async {
                let mut needed = false;
                for (node, set) in nodes.iter().zip(&sets) {
                    if !set.is_empty() {
                        updates::apply(node, set, deadlines).await?;
                    } else if self.context.setup.plan.reboot.is_always() {
                        continue;
                    }
                    let reason = updates::reboot_reason(node, set).await?;
                    needed |= reason.is_some();
                    self.emit(Event::RebootNeeded {
                        cell: self.cell.id.clone(),
                        role: node.plan.role.clone(),
                        reason,
                    });
                }
                Ok(needed)
            })
            .await?;
        Ok((sets, needed))
    }

    /// Looks at every node after the reboot, or where it would have been: that the set is installed, and all that is
    /// compared between the arms.
    async fn look(
        &self,
        nodes: &[Node<'_>],
        sets: &[UpdateSet],
        before: &[PackageStates],
        old_boots: &[String],
        rebooted: bool,
    ) -> Result<(), Fault> {
        let mut broken = None;
        for (((node, set), before), old_boot) in nodes.iter().zip(sets).zip(before).zip(old_boots) {
            let seen = observe::look(self, node, Stage::Prove, Moment::AfterReboot).await?;
            if !rebooted {
                node.reread_boot_id(Stage::Prove).await?;
            }
            let new_boot = *old_boot != node.boot_id();
            if new_boot && !rebooted {
                let message = "it rebooted though nobody asked it to";
                return Err(node.fault(Stage::Prove, Cause::GuestStopped, message));
            }
            let proof = debian::prove(set, before, &seen.packages, new_boot, &seen.kernel);
            if !(proof.holds() || (!rebooted && proof.is_exact())) {
                let words: Vec<&str> = [&proof.missing, &proof.unexpected, &proof.half_configured]
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect();
                broken = Some(node.fault(Stage::Prove, Cause::SetNotInstalled, words.join("; ")));
            }
            let (cell, arm, role) = (self.cell.id.clone(), self.arm, node.plan.role.clone());
            self.emit(Event::Proved {
                cell,
                arm,
                role,
                proof,
            });
        }
        broken.map_or(Ok(()), Err)
    }

    /// Removes what the arm made, last made first. What stays is tried again at the end of the run.
    async fn destroy(&self, made: Vec<Resource>, over: impl FnOnce()) {
        let started = Instant::now();
        self.emit(Event::StageStarted {
            cell: self.cell.id.clone(),
            arm: self.arm,
            stage: Stage::Destroy,
        });
        // The journal tells that this one goes before it tells what comes.
        over();
        self.site.resources.remove_all(made).await;
        tracing::debug!(cell = self.index, "arm {} is removed", self.name);
        self.finished(Stage::Destroy, started.elapsed(), Duration::ZERO);
    }
}
