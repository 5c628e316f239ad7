//! One libvirt connection: all that a run makes on a host, and how it is found and removed again.

use async_trait::async_trait;

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
    /// Removes a resource; no error where it is not there.
    async fn remove(&self, resource: &Resource) -> Result<(), LabError>;
    /// Everything on the host that carries patchgate's mark, with its run where that can be told.
    async fn marked(&self) -> Result<Vec<Marked>, LabError>;
}
