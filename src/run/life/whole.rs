//! The life of one arm, from the fork to its removal.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::event::Event;
use crate::model::id::{Arm, ArmKind};
use crate::model::observation::Moment;
use crate::model::outcome::{Fault, Stage};
use crate::model::resource::Resource;
use crate::model::update::UpdateSet;
use crate::run::arm::ArmRun;
use crate::run::context::Context;
use crate::run::life::{observe, scenario};
use crate::run::node::Node;
use crate::run::pair::Seat;
use crate::run::reboot::Say;
use crate::run::site::Site;

/// Runs an arm to its end. Whatever happens is an event, and what it made is removed. `seat` joins it to the other arm of
/// a cell with measured steps; `over` is called before anything is removed. Returns whether it came to its end in order.
pub async fn run(
    context: &Context,
    site: &Site,
    index: usize,
    (arm, nth_try): (Arm, u32),
    queued: Duration,
    seat: Option<Seat>,
    over: impl FnOnce(),
) -> bool {
    let run = ArmRun::new(context, site, index, arm.into(), nth_try);
    run.emit(Event::ArmStarted);
    run.finished(Stage::Queue, queued, Duration::ZERO);
    let mut made = Vec::new();
    let say = context.reboots.say(index, arm);
    let result = run.live(&mut made, seat, say).await;
    let whole = result.is_ok();
    run.end(result, made, !whole && context.setup.keep_failed, over)
        .await;
    whole
}

impl ArmRun<'_> {
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
        let (sets, needed) = match self.id.kind {
            ArmKind::Control | ArmKind::Trial | ArmKind::Warm => {
                (nodes.iter().map(|_| UpdateSet::pin(Vec::new())).collect(), false)
            }
            ArmKind::Treatment => self.update(&nodes).await?,
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
}
