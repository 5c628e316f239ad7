//! What comes after the scenarios: the nodes go on for a while, and are looked at once more.

use tokio::time::Instant;

use crate::model::outcome::{Fault, Stage};
use crate::model::scenario::Scenario;
use crate::run::arm::ArmRun;
use crate::run::life::observe;
use crate::run::life::scenario::{self, Seeded};
use crate::run::node::Node;
use crate::units::Period;

impl ArmRun<'_> {
    /// Waits until the soak is over, which began at `since`, looks at every node, and runs the scenarios `again` that the plan
    /// wants to pass then, too. Both sides of a cell wait for as long, each from the first answer of its last node after the
    /// reboot.
    pub async fn soak(
        &self,
        nodes: &[Node<'_>],
        since: Instant,
        (again, seeded): (&[&Scenario], &Seeded),
    ) -> Result<(), Fault> {
        for node in nodes {
            let left = self.cell.soak.time.0.saturating_sub(since.elapsed());
            if !left.is_zero() {
                node.pause(Stage::Soak, Period(left)).await?;
            }
            observe::late(self, node, Stage::Soak).await?;
        }
        for scenario in again.iter().filter(|_| self.cell.soak.repeats()) {
            scenario::again(self, nodes, scenario, seeded).await?;
        }
        Ok(())
    }
}
