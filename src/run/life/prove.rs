//! That an arm's nodes ended with what they were to have.

use crate::model::arm::Applies;
use crate::model::event::Event;
use crate::model::observation::Moment;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::update::{PackageStates, UpdateSet};
use crate::run::arm::ArmRun;
use crate::run::life::observe;
use crate::run::life::updates::pending;
use crate::run::node::Node;

impl ArmRun<'_> {
    /// Looks at every node after the reboot, or where it would have been: that the set is installed, and all that is
    /// compared between the arms.
    pub async fn look(
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
            let updates = node.family.updates;
            let mut proof = updates.prove(set, before, &seen.packages, new_boot, &seen.kernel);
            if proof.is_exact() && !set.is_empty() && self.plan.applies == Applies::Policy {
                let left = pending(node, Stage::Prove, &self.cell.deadlines).await?;
                proof.take_pending(set, &left.updates);
            }
            if !(proof.holds() || (!rebooted && proof.is_exact())) {
                // What is not as pinned says so itself.
                let pinned = [&proof.missing, &proof.unexpected, &proof.half_configured];
                let again = proof.again.iter();
                let again = again.map(|item| format!("{item}: comes back once it is installed"));
                let words: Vec<String> = pinned.into_iter().flatten().cloned().chain(again).collect();
                broken = Some(node.fault(Stage::Prove, Cause::SetNotInstalled, words.join("; ")));
            }
            let role = node.plan.role.clone();
            self.emit(Event::Proved { role, proof });
        }
        broken.map_or(Ok(()), Err)
    }
}
