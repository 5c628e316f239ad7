//! What an arm begins with: nodes that go on from a saved state, or were booted.

use std::sync::Arc;

use crate::model::event::Event;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::CloneMode;
use crate::model::resource::Resource;
use crate::port::VmSpec;
use crate::run::arm::ArmRun;
use crate::run::node::Node;
use crate::run::site::saved::Origin;
use crate::run::warm::{self, Prepare};

/// Nodes that are up.
pub struct Up<'a> {
    /// Their VMs.
    pub specs: Vec<VmSpec>,
    /// The nodes, in start order.
    pub nodes: Vec<Node<'a>>,
}

impl<'a> ArmRun<'a> {
    /// Forks the nodes from a saved state and lets them go on; where that cannot be had, from their images, and boots them.
    /// Where such a state has to be made first, `prepare` does.
    pub async fn begin(&self, prepare: Prepare, made: &mut Vec<Resource>) -> Result<Up<'a>, Fault> {
        self.go_on(Stage::Clone)?;
        // The first arm makes the way out beside what it is forked from: neither needs the other.
        let (outlet, origin) = tokio::join!(self.outlet(), warm::origin(self, prepare));
        let mut origin = origin?;
        outlet?;
        let up = match (self.clones(&origin, made).await, &origin) {
            (Err(fault), Origin::Warm(saved))
                if !matches!(fault.cause, Cause::Interrupted | Cause::HostLost) =>
            {
                let said = fault.detail.lines().next_back().map(|line| format!(" ({line})"));
                let reason = fault.message + &said.unwrap_or_default();
                saved.give_up(&reason);
                self.site.resources.remove_all(std::mem::take(made)).await;
                origin = Origin::Cold(Some(reason));
                self.clones(&origin, made).await?
            }
            (up, Origin::Warm(_) | Origin::Cold(_) | Origin::Savable(_)) => up?,
        };
        let (clone, reason) = match origin {
            Origin::Warm(_) => (CloneMode::Warm, None),
            Origin::Cold(reason) => (CloneMode::Cold, reason),
            Origin::Savable(_) => (CloneMode::Cold, None),
        };
        self.emit(Event::Cloned { clone, reason });
        Ok(up)
    }

    async fn clones(&self, origin: &Origin, made: &mut Vec<Resource>) -> Result<Up<'a>, Fault> {
        let (specs, paused) = self
            .stage(Stage::Clone, async {
                match self.ahead(origin, made).await {
                    Some(specs) => Ok((specs, true)),
                    None => Ok((self.fork(origin, made).await?, false)),
                }
            })
            .await?;
        let nodes = self
            .stage(Stage::Boot, async {
                match origin {
                    Origin::Cold(_) | Origin::Savable(_) => self.boot(&specs, made).await,
                    Origin::Warm(saved) => {
                        if !paused {
                            self.create_all(&specs, made).await?;
                        }
                        warm::thaw::thaw(self, saved, &specs).await
                    }
                }
            })
            .await?;
        Ok(Up { specs, nodes })
    }

    /// The VMs that were made for this arm before it was its turn, where they are of that origin.
    async fn ahead(&self, origin: &Origin, made: &mut Vec<Resource>) -> Option<Vec<VmSpec>> {
        let forked = self.site.ahead.take(&self.plan.id).await?;
        match origin {
            Origin::Warm(saved) if Arc::ptr_eq(saved, &forked.saved) => {
                made.extend(forked.made);
                Some(forked.specs)
            }
            Origin::Warm(_) | Origin::Cold(_) | Origin::Savable(_) => {
                self.site.resources.remove_all(forked.made).await;
                None
            }
        }
    }
}
