//! The updates of all of an arm's nodes.

use crate::model::arm::Applies;
use crate::model::event::Event;
use crate::model::outcome::{Fault, Stage};
use crate::model::update::UpdateSet;
use crate::run::arm::ArmRun;
use crate::run::life::updates;
use crate::run::node::Node;
use crate::run::site::outlet::Outlet;

impl ArmRun<'_> {
    /// Pins, fetches and installs on every node what the arm applies; returns that, and whether any node needs a reboot for
    /// it. Where the arm applies nothing these are no stages.
    pub async fn update(&self, nodes: &[Node<'_>]) -> Result<(Vec<UpdateSet>, bool), Fault> {
        match self.plan.applies {
            Applies::Nothing => {
                let nothing = nodes.iter().map(|_| UpdateSet::pin(Vec::new()));
                return Ok((nothing.collect(), false));
            }
            Applies::Policy | Applies::Pinned(_) => {}
        }
        let deadlines = &self.cell.deadlines;
        let proxy = self.site.outlet.get().and_then(Outlet::proxy_url);
        let sets = self
            .stage(Stage::Resolve, async {
                let mut sets = Vec::new();
                for node in nodes {
                    let set = self.pin(node, proxy.as_deref()).await?;
                    self.emit(Event::Resolved {
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
                        role: node.plan.role.clone(),
                        reason,
                    });
                }
                Ok(needed)
            })
            .await?;
        Ok((sets, needed))
    }

    /// The set of one node.
    async fn pin(&self, node: &Node<'_>, proxy: Option<&str>) -> Result<UpdateSet, Fault> {
        let deadlines = &self.cell.deadlines;
        let given = match &self.plan.applies {
            Applies::Policy => {
                let policy = &self.context.setup.plan.updates;
                return updates::resolve(node, &self.context.pinned, policy, deadlines, proxy).await;
            }
            Applies::Pinned(sets) => sets.get(&node.plan.role).cloned(),
            Applies::Nothing => None,
        };
        match given {
            Some(set) => {
                // It is fetched by what the node's own lists say.
                updates::refresh(node, deadlines, proxy).await?;
                Ok(set)
            }
            None => Ok(UpdateSet::pin(Vec::new())),
        }
    }
}
