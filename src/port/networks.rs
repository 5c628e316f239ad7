//! Networks, and the filters on them.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::model::id::RunId;
use crate::model::name::{FilterName, NetworkName};
use crate::port::error::LabError;
use crate::port::tag::Tag;

/// The network between the nodes of one arm: a wire, on which the host itself has no address. The nodes give themselves
/// theirs, which can therefore be the same in every arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: NetworkName,
    /// Whom it belongs to.
    pub tag: Tag,
}

/// The network that all clones of a run share to get their updates, with addresses by DHCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutletSpec {
    /// Its name.
    pub name: NetworkName,
    /// The run.
    pub run: RunId,
    /// The run's folder on the machine that runs patchgate.
    pub run_dir: PathBuf,
    /// The MAC addresses of all VMs that may ever be on it; each gets an address of its own, and no other.
    pub macs: Vec<String>,
    /// Whether it leads anywhere (NAT and DNS), or to the host alone.
    pub open: bool,
}

/// What came of an outlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutletInfo {
    /// The host's own address in it.
    pub gateway: Ipv4Addr,
    /// The length of its prefix.
    pub prefix: u8,
}

impl OutletInfo {
    /// The address of the VM whose MAC address stands at that place among [`OutletSpec::macs`].
    pub fn address(&self, at: usize) -> Ipv4Addr {
        let place = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
        Ipv4Addr::from_bits(self.gateway.to_bits().saturating_add(place))
    }
}

/// A filter that lets a VM ask for an address, speak to one port of the host, and nothing else, and that under the MAC and
/// IP address of its interface alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterSpec {
    /// Its name.
    pub name: FilterName,
    /// The host's address.
    pub gateway: Ipv4Addr,
    /// The TCP port.
    pub port: u16,
}

/// A host's networks between guests, and what may pass them.
#[async_trait]
pub trait Networks: Send + Sync {
    /// Whether networks between nodes can be made (not on `qemu:///session`).
    fn has_networks(&self) -> bool;
    /// Whether guests on it can be kept from everything but their update sources; the error says why not.
    fn can_isolate(&self) -> Result<(), LabError>;
    /// Makes an arm's network.
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), LabError>;
    /// Makes a run's outlet.
    async fn create_outlet(&self, spec: &OutletSpec) -> Result<OutletInfo, LabError>;
    /// Makes a filter.
    async fn create_filter(&self, spec: &FilterSpec) -> Result<(), LabError>;
}
