//! Arms forked before it is their turn: while others have the vCPUs, the VMs of the next one are made of its saved state
//! and wait, paused. Making a VM takes libvirt and QEMU a second or more, which nobody waits for then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::model::id::ArmId;
use crate::model::resource::Resource;
use crate::port::VmSpec;
use crate::run::site::saved::Saved;

/// An arm's VMs, paused.
pub struct Forked {
    /// What they go on from.
    pub saved: Arc<Saved>,
    /// The VMs, in the order of the cell's nodes.
    pub specs: Vec<VmSpec>,
    /// All that was made for them.
    pub made: Vec<Resource>,
}

/// What came of forking an arm, once it is told.
type Told = oneshot::Receiver<Option<Forked>>;

/// What is being forked ahead on a site, by arm.
#[derive(Default)]
pub struct Ahead(Mutex<BTreeMap<ArmId, Told>>);

impl Ahead {
    fn expected(&self) -> MutexGuard<'_, BTreeMap<ArmId, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an arm that is about to be forked; who forks it says there what came of it.
    pub fn expect(&self, arm: ArmId) -> oneshot::Sender<Option<Forked>> {
        let (tell, told) = oneshot::channel();
        self.expected().insert(arm, told);
        tell
    }

    /// What was forked for an arm, once it is; nothing where nothing was.
    pub async fn take(&self, arm: &ArmId) -> Option<Forked> {
        let told = self.expected().remove(arm);
        told?.await.ok().flatten()
    }

    /// What no arm has taken.
    pub async fn drain(&self) -> Vec<Forked> {
        let all = std::mem::take(&mut *self.expected());
        let mut left = Vec::new();
        for told in all.into_values() {
            left.extend(told.await.ok().flatten());
        }
        left
    }
}
