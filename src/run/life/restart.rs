//! An arm's reboot.

use crate::model::event::Event;
use crate::model::outcome::{Fault, Stage};
use crate::run::arm::{ArmRun, interrupted};
use crate::run::node::Node;
use crate::run::reboot::Say;

impl<'a> ArmRun<'a> {
    /// Reboots the nodes, unless the two sides of the cell agree that neither is to; returns whether they were. `needed` is
    /// the treatment arm's.
    pub async fn reboot(
        &self,
        nodes: &[Node<'a>],
        say: Option<&Say<'_>>,
        needed: bool,
    ) -> Result<bool, Fault> {
        let agreed = async {
            match say {
                Some(say) => say.reboots(needed).await,
                None => true,
            }
        };
        let reboots = tokio::select! {
            reboots = agreed => reboots,
            () = self.context.setup.stop.cancelled() => return Err(interrupted(Stage::Reboot)),
        };
        if reboots {
            self.restart(nodes).await?;
        } else {
            self.emit(Event::RebootSkipped);
        }
        Ok(reboots)
    }

    /// Reboots the nodes in their order, each ready before the next.
    async fn restart(&self, nodes: &[Node<'a>]) -> Result<(), Fault> {
        for at in self.cell.reboots() {
            nodes[at]
                .reboot(Stage::Reboot, self.cell.deadlines.reboot)
                .await?;
            self.identify(Stage::Reboot, at, &nodes[at]).await?;
            // One that is not ready after the updates is found by the scenarios, in both arms alike.
            nodes[at].await_ready(Stage::Reboot).await?;
        }
        Ok(())
    }
}
