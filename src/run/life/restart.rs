//! An arm's reboot.

use crate::model::event::Event;
use crate::model::outcome::{Fault, Stage};
use crate::run::arm::{ArmRun, interrupted};
use crate::run::node::Node;
use crate::run::reboot::Say;

impl<'a> ArmRun<'a> {
    /// Reboots the nodes in their order, each ready before the next.
    pub async fn restart(&self, nodes: &[Node<'a>]) -> Result<(), Fault> {
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
    pub async fn maybe_restart(
        &self,
        nodes: &[Node<'a>],
        say: &Say<'_>,
        needed: bool,
    ) -> Result<bool, Fault> {
        let reboots = tokio::select! {
            reboots = say.reboots(needed) => reboots,
            () = self.context.setup.stop.cancelled() => return Err(interrupted(Stage::Reboot)),
        };
        if reboots {
            self.restart(nodes).await?;
        } else {
            self.emit(Event::RebootSkipped);
        }
        Ok(reboots)
    }
}
