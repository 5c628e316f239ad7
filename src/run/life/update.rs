//! The updates of all of an arm's nodes.

use crate::model::event::Event;
use crate::model::outcome::{Fault, Stage};
use crate::model::update::UpdateSet;
use crate::run::arm::ArmRun;
use crate::run::life::updates;
use crate::run::node::Node;
use crate::run::site::outlet::Outlet;

impl ArmRun<'_> {
    /// Pins, fetches and installs the updates of every node; returns them, and whether any node needs a reboot for them.
    pub async fn update(&self, nodes: &[Node<'_>]) -> Result<(Vec<UpdateSet>, bool), Fault> {
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
}
