//! The way to hosts, and the one place that knows whether this patchgate was built with libvirt.

use std::sync::Arc;

use crate::host::connected::Connected;
#[cfg(feature = "libvirt")]
use crate::host::libvirt;
use crate::model::outcome::Cause;
use crate::model::plan::HostPlan;
use crate::port::{Domains, LabError};

/// Whether hosts can be reached at all; the error says why not.
pub fn available() -> Result<(), LabError> {
    if cfg!(feature = "libvirt") {
        Ok(())
    } else {
        Err(absent())
    }
}

fn absent() -> LabError {
    LabError::new(
        Cause::HostRefused,
        "this patchgate was built without libvirt: it checks and plans labs, decides and reports on runs, and reaches \
         no host",
    )
    .with_hint(
        "take a patchgate that was built with the feature `libvirt`, as `cargo build` does by itself where libvirt's \
         client library is installed (Debian: libvirt-dev)",
    )
}

/// Connects to the host of a plan. `auto` takes the system daemon where it answers, else the session, which needs none.
#[cfg(feature = "libvirt")]
pub async fn connect(host: &HostPlan) -> Result<Arc<dyn Connected>, LabError> {
    Ok(Arc::new(libvirt::connect(host).await?))
}

/// Refuses: without libvirt no host can be reached.
#[cfg(not(feature = "libvirt"))]
pub async fn connect(_: &HostPlan) -> Result<Arc<dyn Connected>, LabError> {
    Err(absent())
}

/// Connects to the host of a plan for its own domains.
#[cfg(feature = "libvirt")]
pub async fn domains(host: &HostPlan) -> Result<Arc<dyn Domains>, LabError> {
    Ok(Arc::new(libvirt::connect(host).await?))
}

/// Refuses: without libvirt no host can be reached.
#[cfg(not(feature = "libvirt"))]
#[expect(clippy::unused_async, reason = "it stands for the one above")]
pub async fn domains(_: &HostPlan) -> Result<Arc<dyn Domains>, LabError> {
    Err(absent())
}
