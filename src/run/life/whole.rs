//! The life of one arm, from the fork to its removal: one list of stages for arms of every kind. Its plan says what each does,
//! and which are left out.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::arm::{Ends, Reboot};
use crate::model::event::Event;
use crate::model::name::DomainName;
use crate::model::observation::Moment;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::resource::{Made, Resource};
use crate::port::LabError;
use crate::run::arm::ArmRun;
use crate::run::life::begin::Up;
use crate::run::life::{isolate, look, observe, scenario};
use crate::run::names;
use crate::run::node::{Node, fault};
use crate::run::pair::Seat;
use crate::run::reboot::Say;
use crate::run::site::saved::Saved;
use crate::run::warm::{self, Preparing};

/// How an arm ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whether it came to its end in order.
    pub whole: bool,
    /// The nodes that were left running.
    pub kept: Vec<KeptNode>,
}

/// A node that was left running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptNode {
    /// Its role.
    pub role: String,
    /// Its domain's name.
    pub domain: DomainName,
}

/// What an arm shares with the other side of its cell, where it is compared with one.
#[derive(Default)]
struct Shared<'a> {
    /// Its place where samples are taken in turns.
    seat: Option<Seat>,
    /// Its part in whether the cell reboots.
    say: Option<Say<'a>>,
}

/// Runs an arm to its end. Whatever happens is an event, and what it made is removed, unless it is to be kept. `seat` joins
/// it to the other arm of a cell with measured steps; `over` is called before anything is removed.
pub async fn run(arm: ArmRun<'_>, queued: Duration, seat: Option<Seat>, over: impl FnOnce()) -> Ended {
    arm.emit(Event::ArmStarted);
    arm.finished(Stage::Queue, queued, Duration::ZERO);
    let mut made = Vec::new();
    let say = match arm.plan.reboots {
        Reboot::Agreed(side) => Some(arm.context.reboots.say(arm.index, side)),
        Reboot::Never | Reboot::Always => None,
    };
    let life = Box::pin(arm.live(&mut made, Shared { seat, say }));
    let result = unharmed(life).await;
    let whole = result.is_ok();
    let mut nodes = arm.nodes_of(&made);
    if !arm.end(result.map(drop), made, arm.plan.keeps(whole), over).await {
        nodes.clear();
    }
    Ended { whole, kept: nodes }
}

/// A life to its end; a defect of ours in it ends it as a fault, so that what it made is removed and its place given back.
pub(super) async fn unharmed<T>(
    mut life: Pin<Box<impl Future<Output = Result<T, Fault>>>>,
) -> Result<T, Fault> {
    poll_fn(|cx| {
        // After a panic it is never polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let message = format!("the arm's task panicked: {}", text.unwrap_or_default());
            let error = LabError::new(Cause::Internal, message)
                .with_hint("this is a defect in patchgate: please report it");
            Poll::Ready(Err(fault(Stage::Destroy, None, error)))
        })
    })
    .await
}

/// The life of an arm that prepares a saved state.
fn prepare<'l>(arm: ArmRun<'l>, made: &'l mut Vec<Resource>) -> Preparing<'l> {
    Box::pin(async move {
        let saved = arm.live(made, Shared::default()).await?;
        Ok(saved.unwrap_or_else(|| Err(LabError::new(Cause::Internal, "its plan does not say to save it"))))
    })
}

impl ArmRun<'_> {
    /// Every stage between the queue and the removal; what was saved, where the plan says to save it.
    async fn live(
        &self,
        made: &mut Vec<Resource>,
        shared: Shared<'_>,
    ) -> Result<Option<Result<Saved, LabError>>, Fault> {
        if self.plan.asks {
            self.go_on(Stage::Clone)?;
            look::look(self, made).await?;
            return Ok(None);
        }
        let Up { specs, nodes } = self.begin(prepare, made).await?;
        if let Ends::Saved(set) = &self.plan.ends {
            return Ok(Some(warm::save(self, set, (&specs, &nodes), made).await?));
        }
        if let Some(outlet) = self.site.outlet.get() {
            self.stage(Stage::Isolate, isolate::prove(outlet, self, &nodes))
                .await?;
        }
        self.context.up.notify_one();
        // Before any step of a department's, which may do to its nodes whatever root can.
        let sets = self.resolve(&nodes).await?;
        let mut scenarios = self.scenarios();
        let (seeded, before) = self
            .stage(Stage::Seed, async {
                let seeded = scenario::seed(self, &nodes, &scenarios).await?;
                let mut before = Vec::new();
                for node in nodes.iter().filter(|_| self.plan.looks) {
                    let seen = observe::look(self, node, Stage::Seed, Moment::BeforeUpdates).await?;
                    before.push(seen.packages);
                }
                Ok((seeded, before))
            })
            .await?;
        scenarios.retain(|scenario| !seeded.failed(scenario));
        if scenarios.is_empty() && !self.plan.looks {
            return Ok(None);
        }
        let needed = self.install(&nodes, &sets, &before).await?;
        let old_boots: Vec<String> = nodes.iter().map(Node::boot_id).collect();
        let rebooted = match self.plan.reboots {
            Reboot::Never => false,
            Reboot::Always | Reboot::Agreed(_) => {
                let reboot = self.reboot(&nodes, shared.say.as_ref(), needed);
                self.stage(Stage::Reboot, reboot).await?
            }
        };
        // All that starts with a system has begun by the time that its agent answers.
        let answered = nodes.iter().filter_map(Node::answered).max();
        let since = answered.filter(|_| rebooted).unwrap_or_else(Instant::now);
        if self.plan.looks {
            let look = self.look(&nodes, &sets, &before, &old_boots, rebooted);
            self.stage(Stage::Prove, look).await?;
        }
        let (mut passed, mut again) = (BTreeMap::new(), Vec::new());
        self.stage(Stage::Scenarios, async {
            for scenario in &scenarios {
                let ended = scenario::run(self, &nodes, scenario, &seeded).await?;
                if ended.is_some() && scenario.required {
                    again.push(*scenario);
                }
                match (ended, &shared.seat) {
                    (Some(known), Some(_)) => {
                        passed.insert(scenario.name.clone(), known);
                    }
                    // Nothing is measured here, so what waits for that is cleaned up now.
                    (Some(known), None) if scenario.is_measured() => {
                        scenario::cleanup(self, &nodes, scenario, known, None).await;
                    }
                    (Some(_) | None, _) => {}
                }
            }
            Ok(())
        })
        .await?;
        if let Some(seat) = &shared.seat {
            let measured = self.measure(&nodes, &passed, seat).await;
            for scenario in scenarios.iter().filter(|scenario| scenario.is_measured()) {
                if let Some(known) = passed.remove(&scenario.name) {
                    scenario::cleanup(self, &nodes, scenario, known, measured.as_ref().err()).await;
                }
            }
            measured?;
        }
        if self.plan.looks && self.cell.soak.look {
            self.stage(Stage::Soak, self.soak(&nodes, since, (&again, &seeded)))
                .await?;
        }
        Ok(None)
    }

    /// Its nodes of which the VMs are among what was made.
    fn nodes_of(&self, made: &[Resource]) -> Vec<KeptNode> {
        let node = |role: &String| {
            let role = role.clone();
            let domain = names::domain(&self.name, &role).ok()?;
            Some(KeptNode { role, domain })
        };
        let is_made = |node: &KeptNode| {
            let domain = Made::Domain(node.domain.clone());
            made.iter().any(|resource| resource.made == domain)
        };
        let nodes = self.cell.nodes.iter().filter_map(|plan| node(&plan.role));
        nodes.filter(is_made).collect()
    }
}
