//! One libvirt connection: all that a run makes on a host, and how it is found and removed again.

use async_trait::async_trait;

use crate::model::id::RunId;
use crate::model::outcome::Cause;
use crate::model::resource::Resource;
use crate::model::uri::HostUri;
use crate::port::error::LabError;
use crate::port::machines::Machines;
use crate::port::networks::Networks;
use crate::port::storage::Storage;
use crate::port::tag::Marked;
use crate::units::Mib;

/// What a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Memory that is free for guests now.
    pub memory_free: Mib,
    /// CPUs.
    pub vcpus: u32,
    /// Disk that is free where clones are kept.
    pub disk_free: Mib,
}

impl Capacity {
    /// That of a host that does not answer.
    pub const NOTHING: Self = Self {
        memory_free: Mib(0),
        vcpus: 0,
        disk_free: Mib(0),
    };
}

/// One libvirt connection.
#[async_trait]
pub trait Hypervisor: Storage + Networks + Machines {
    /// The connection's URI.
    fn uri(&self) -> &HostUri;
    /// What the host has now.
    async fn capacity(&self) -> Result<Capacity, LabError>;
    /// Removes a resource of a run; no error where it is not there. What is not that run's, by its name and by its mark, is
    /// left alone, with an error that says so.
    async fn remove(&self, resource: &Resource, run: &RunId) -> Result<(), LabError>;
    /// Everything on the host that carries patchgate's mark, with its run where that can be told.
    async fn marked(&self) -> Result<Vec<Marked>, LabError>;
}

/// Whether a resource is of that host and, by its name, of that run: what anything that removes asks first, since a list of
/// resources is no more than somebody's claim.
///
/// # Errors
/// It is not, and is left alone.
pub fn is_to_be_removed(resource: &Resource, run: &RunId, uri: &HostUri) -> Result<(), LabError> {
    if resource.uri != *uri {
        return Err(LabError::new(
            Cause::Internal,
            format!("{resource} is not on {uri}, where it was to be removed"),
        ));
    }
    if resource.made.is_of(run) {
        Ok(())
    } else {
        Err(foreign(&resource.to_string(), run))
    }
}

/// The error of what is not a run's and is left alone.
pub fn foreign(what: &str, run: &RunId) -> LabError {
    LabError::new(
        Cause::HostRefused,
        format!("{what} is not of run {run} and is left alone"),
    )
}
