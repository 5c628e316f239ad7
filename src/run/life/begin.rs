//! What an arm begins with: nodes that go on from a saved state, or were booted.

use std::sync::Arc;

use crate::model::event::Event;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::policy::CloneMode;
use crate::model::resource::Resource;
use crate::port::VmSpec;
use crate::run::arm::ArmRun;
use crate::run::life::isolate;
use crate::run::node::Node;
use crate::run::site::saved::Origin;
use crate::run::warm;

impl<'a> ArmRun<'a> {
    /// Forks the nodes and starts them.
    pub async fn up(&self, made: &mut Vec<Resource>) -> Result<Vec<Node<'a>>, Fault> {
        let nodes = self.begin(made).await?;
        if let Some(outlet) = self.site.outlet.get() {
            self.stage(Stage::Isolate, isolate::prove(outlet, self, &nodes))
                .await?;
        }
        Ok(nodes)
    }

    /// Forks the nodes from a saved state and lets them go on; where that cannot be had, from their images, and boots them.
    async fn begin(&self, made: &mut Vec<Resource>) -> Result<Vec<Node<'a>>, Fault> {
        self.go_on(Stage::Clone)?;
        // The first arm makes the way out beside what it is forked from: neither needs the other.
        let (outlet, origin) = tokio::join!(self.outlet(), warm::origin(self));
        let mut origin = origin?;
        outlet?;
        let nodes = match (self.clones(&origin, made).await, &origin) {
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
            (nodes, Origin::Warm(_) | Origin::Cold(_)) => nodes?,
        };
        let (clone, reason) = match origin {
            Origin::Warm(_) => (CloneMode::Warm, None),
            Origin::Cold(reason) => (CloneMode::Cold, reason),
        };
        self.emit(Event::Cloned { clone, reason });
        Ok(nodes)
    }

    async fn clones(&self, origin: &Origin, made: &mut Vec<Resource>) -> Result<Vec<Node<'a>>, Fault> {
        let (specs, paused) = self
            .stage(Stage::Clone, async {
                match self.ahead(origin, made).await {
                    Some(specs) => Ok((specs, true)),
                    None => Ok((self.fork(origin, made).await?, false)),
                }
            })
            .await?;
        self.stage(Stage::Boot, async {
            match origin {
                Origin::Cold(_) => self.boot(&specs, made).await,
                Origin::Warm(saved) => {
                    if !paused {
                        self.create_all(&specs, made).await?;
                    }
                    warm::thaw::thaw(self, saved, &specs).await
                }
            }
        })
        .await
    }

    /// The VMs that were made for this arm before it was its turn, where they are of that origin.
    async fn ahead(&self, origin: &Origin, made: &mut Vec<Resource>) -> Option<Vec<VmSpec>> {
        let forked = self.site.ahead.take(&self.id).await?;
        match origin {
            Origin::Warm(saved) if Arc::ptr_eq(saved, &forked.saved) => {
                made.extend(forked.made);
                Some(forked.specs)
            }
            Origin::Warm(_) | Origin::Cold(_) => {
                self.site.resources.remove_all(forked.made).await;
                None
            }
        }
    }
}
