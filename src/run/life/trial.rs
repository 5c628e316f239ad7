//! The life of an arm that only tries scenarios: the same as any control arm's, without the proof, and it may be left
//! behind on purpose.

use crate::model::event::Event;
use crate::model::id::ArmKind;
use crate::model::name::DomainName;
use crate::model::outcome::{Fault, Stage};
use crate::model::resource::{Made, Resource};
use crate::run::arm::ArmRun;
use crate::run::context::Context;
use crate::run::life::scenario;
use crate::run::names;
use crate::run::site::Site;

/// How scenarios are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Whether the nodes are rebooted between the steps before the updates and the others, as in a run.
    pub reboot: bool,
    /// Whether the nodes are left running, whatever came of it. An interrupt removes them all the same.
    pub keep: bool,
}

/// A node that was left running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptNode {
    /// Its role.
    pub role: String,
    /// Its domain's name.
    pub domain: DomainName,
}

/// Tries the scenarios of the plan's first cell, and returns the nodes that were left running.
pub async fn run(context: &Context, site: &Site, trial: Trial) -> Vec<KeptNode> {
    let Some(cell) = context.setup.plan.cells.first() else {
        return Vec::new();
    };
    let run = ArmRun::new(context, site, 0, ArmKind::Trial, 1);
    run.emit(Event::ArmStarted);
    let mut made = Vec::new();
    let result = run.tried(&mut made, trial.reboot).await;
    let node = |role: &String| {
        let role = role.clone();
        let domain = names::domain(&run.name, &role).ok()?;
        Some(KeptNode { role, domain })
    };
    let mut nodes: Vec<KeptNode> = cell.nodes.iter().filter_map(|plan| node(&plan.role)).collect();
    nodes.retain(|node| {
        let domain = Made::Domain(node.domain.clone());
        made.iter().any(|resource| resource.made == domain)
    });
    if run.end(result, made, trial.keep, || ()).await {
        nodes
    } else {
        Vec::new()
    }
}

impl ArmRun<'_> {
    async fn tried(&self, made: &mut Vec<Resource>, reboot: bool) -> Result<(), Fault> {
        let mut scenarios = self.scenarios();
        let nodes = self.up(made).await?;
        let seeded = self
            .stage(Stage::Seed, scenario::seed(self, &nodes, &scenarios))
            .await?;
        scenarios.retain(|scenario| !seeded.failed(scenario));
        if scenarios.is_empty() {
            return Ok(());
        }
        if reboot {
            self.stage(Stage::Reboot, self.restart(&nodes)).await?;
        }
        self.stage(Stage::Scenarios, async {
            for scenario in scenarios {
                let ended = scenario::run(self, &nodes, scenario, &seeded).await?;
                // Nothing is measured here, so what waits for that is cleaned up now.
                if let (Some(known), true) = (ended, scenario.is_measured()) {
                    scenario::cleanup(self, &nodes, scenario, known, None).await;
                }
            }
            Ok(())
        })
        .await
    }
}
