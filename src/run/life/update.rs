//! The updates of all of an arm's nodes.

use crate::model::arm::Applies;
use crate::model::event::Event;
use crate::model::outcome::{Cause, Fault, Stage};
use crate::model::update::{PackageStates, UpdateSet};
use crate::run::arm::ArmRun;
use crate::run::life::isolate;
use crate::run::life::updates::{self, Resolved};
use crate::run::node::Node;
use crate::run::site::outlet::Outlet;

impl ArmRun<'_> {
    /// Pins on every node, in its present state, what the arm applies. Where it applies nothing this is no stage.
    pub async fn resolve(&self, nodes: &[Node<'_>]) -> Result<Vec<UpdateSet>, Fault> {
        match self.plan.applies {
            Applies::Nothing => return Ok(vec![UpdateSet::default(); nodes.len()]),
            Applies::Policy | Applies::Pinned(_) => {}
        }
        self.stage(Stage::Resolve, async {
            let mut sets = Vec::new();
            for node in nodes {
                let Resolved { set, rest, lists } = self.pin(node).await?;
                self.emit(Event::Resolved {
                    role: node.plan.role.clone(),
                    set: set.clone(),
                    rest,
                    lists,
                });
                sets.push(set);
            }
            Ok(sets)
        })
        .await
    }

    /// Fetches and installs on every node its set; `before` is what the nodes had. Returns whether any node needs a reboot
    /// for it. Where the arm applies nothing these are no stages.
    pub async fn install(
        &self,
        nodes: &[Node<'_>],
        sets: &[UpdateSet],
        before: &[PackageStates],
    ) -> Result<bool, Fault> {
        match self.plan.applies {
            Applies::Nothing => return Ok(false),
            Applies::Policy | Applies::Pinned(_) => {}
        }
        let deadlines = &self.cell.deadlines;
        let proxy = self.proxy();
        let pending = || nodes.iter().zip(sets).filter(|(_, set)| !set.is_empty());
        self.stage(Stage::Download, async {
            for (node, set) in pending() {
                updates::download(node, set, deadlines, proxy.as_deref()).await?;
                if self.plan.applies == Applies::Policy
                    && let Some(read) = updates::advisories(node, set, deadlines).await
                {
                    let (advisories, problem) = match read {
                        Ok(advisories) => (advisories, None),
                        Err(problem) => (Vec::new(), Some(problem)),
                    };
                    self.emit(Event::Advised {
                        role: node.plan.role.clone(),
                        advisories,
                        problem,
                    });
                }
            }
            Ok(())
        })
        .await?;
        self.stage(Stage::Apply, async {
            let mut needed = false;
            for (at, (node, set)) in nodes.iter().zip(sets).enumerate() {
                if !set.is_empty() {
                    updates::apply(node, set, before.get(at), deadlines).await?;
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
        .await
    }

    /// The way to the update sources, as a URL; nothing where the clones ask them themselves.
    fn proxy(&self) -> Option<String> {
        self.site.outlet.get().and_then(Outlet::proxy_url)
    }

    /// The set of one node.
    async fn pin(&self, node: &Node<'_>) -> Result<Resolved, Fault> {
        let deadlines = &self.cell.deadlines;
        let given = match &self.plan.applies {
            Applies::Policy => None,
            Applies::Pinned(sets) => match sets.get(&node.plan.role) {
                Some(set) => Some(set.clone()),
                None => return Ok(Resolved::default()),
            },
            Applies::Nothing => return Ok(Resolved::default()),
        };
        if let Some(outlet) = self.site.outlet.get() {
            isolate::sources_answer(outlet, self, node).await?;
        }
        updates::refresh(node, deadlines, self.proxy().as_deref()).await?;
        // What is given is fetched by what the node's own lists say.
        if let Some(set) = given {
            return Ok(Resolved {
                set,
                ..Resolved::default()
            });
        }
        let resolved = updates::resolve(node, &self.context.setup.plan.updates, deadlines).await?;
        let Some(image) = &node.plan.image.sha256 else {
            return Ok(resolved);
        };
        let name = format!("{} of {}", node.plan.role, self.plan.id);
        match self.context.pinned.agree(image, &name, &resolved.set) {
            Ok(()) => Ok(resolved),
            Err(difference) => {
                let mut fault = node.fault(Stage::Resolve, Cause::ResolveFailed, difference);
                fault.hint = Some(
                    "two untouched clones of one image must have the same updates: did the update sources change during the \
                     run? Run again"
                        .into(),
                );
                Err(fault)
            }
        }
    }
}
