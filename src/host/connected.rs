//! What doctor, run and clean ask of a host that answers, beside the port.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::id::RunId;
use crate::model::name::PoolName;
use crate::model::policy::Accel;
use crate::port::{Hypervisor, LabError};

/// The emulator of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// Its path on the host.
    pub path: String,
    /// Whether libvirt examines it anew at every call, which costs minutes for each VM. It does where it can open
    /// /dev/kvm and QEMU's own user cannot (libvirt's `virQEMUCapsIsValid`).
    pub forgotten: bool,
}

/// The accelerator to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccelChoice {
    /// Whether it is KVM.
    pub kvm: bool,
    /// Which and why: `TCG: /dev/kvm opens but a test guest did not run within 10 s`.
    pub reason: String,
}

/// A host that answers.
#[async_trait]
pub trait Connected: Hypervisor {
    /// The versions in use: `libvirt 9.0.0, QEMU 10.0.2`.
    fn version(&self) -> &str;
    /// Why this URI, in words.
    fn chosen(&self) -> &str;
    /// Whether it is the machine that patchgate runs on.
    fn is_local(&self) -> bool;
    /// The emulator that runs x86_64 guests.
    async fn emulator(&self) -> Result<Emulator, LabError>;
    /// The accelerator for what a lab wants; an error where it wants KVM and has none. The answer of a probe is kept
    /// until the machine boots anew.
    async fn accelerator(&self, wanted: Accel) -> Result<AccelChoice, LabError>;
    /// The accelerator, probed whatever is known already.
    async fn accelerator_anew(&self) -> Result<AccelChoice, LabError>;
    /// Defines a pool, which is neither built nor started.
    async fn define_pool(&self, pool: &PoolName) -> Result<(), LabError>;
    /// Whether it knows a pool.
    async fn knows_pool(&self, pool: &PoolName) -> Result<bool, LabError>;
    /// Forgets a pool that was defined; no error where it does not know it.
    async fn forget_pool(&self, pool: &PoolName) -> Result<(), LabError>;
}

/// Whether two connections lead to the same daemon, of which a machine may well have two: whether a pool that one of them
/// defines is known to the other. It is named after the run, so that `patchgate clean` finds it should we die meanwhile.
pub async fn is_same(one: &dyn Connected, other: &dyn Connected, run: &RunId) -> Result<bool, LabError> {
    let name = PoolName::of_run(run);
    one.define_pool(&name).await?;
    let known = other.knows_pool(&name).await;
    one.forget_pool(&name).await?;
    known
}
