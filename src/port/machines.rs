//! VMs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use async_trait::async_trait;

use crate::model::hardware::{Hardware, NicModel};
use crate::model::machine::MachinePlan;
use crate::model::name::{DomainName, FilterName, NetworkName, PoolName, VolumeName};
use crate::port::agent::GuestAgent;
use crate::port::error::LabError;
use crate::port::storage::Disk;
use crate::port::tag::Tag;
use crate::units::Mib;

/// A network interface of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The network; `None` for the hypervisor's user-mode network.
    pub network: Option<NetworkName>,
    /// Its MAC address, `52:54:00:xx:xx:xx`.
    pub mac: String,
    /// Whether it is one of many clones' on that network, which are nothing to each other.
    pub apart: bool,
    /// What card the guest sees.
    pub model: NicModel,
    /// Its place on the PCI bus, `0000:01:00.0`; any, where nobody minds.
    pub slot: Option<String>,
    /// The filter on it.
    pub filter: Option<NicFilter>,
}

/// A filter on a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NicFilter {
    /// The filter.
    pub name: FilterName,
    /// The only address that the VM may have there.
    pub address: Ipv4Addr,
}

/// The variables of a VM's firmware, in volumes of its own pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvram {
    /// The VM's own, made with it.
    pub volume: VolumeName,
    /// What they are a copy of; the firmware's own template where there is none.
    pub template: Option<VolumeName>,
}

/// How a VM begins. Volumes are named in its own pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Power {
    /// It is switched on.
    On,
    /// It is switched on with its memory in a new volume, to be saved later.
    Savable {
        /// The volume of its memory.
        ram: VolumeName,
    },
    /// It goes on from where a savable one was saved, and is paused until it is resumed. The memory is shared with all that
    /// go on from there, as far as they have not written to it.
    Saved {
        /// The volume of the memory.
        ram: VolumeName,
        /// The volume of all the rest of its state.
        state: VolumeName,
    },
}

/// A VM to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmSpec {
    /// The domain's name.
    pub name: DomainName,
    /// Whom it belongs to.
    pub tag: Tag,
    /// The node's role.
    pub role: String,
    /// The run's pool, which holds its disks.
    pub pool: PoolName,
    /// Its disks, in the order in which the guest finds them; it boots from the first.
    pub disks: Vec<Disk>,
    /// Its network interfaces, in the order in which the guest finds them.
    pub nics: Vec<Nic>,
    /// Guest memory.
    pub memory: Mib,
    /// Guest vCPUs.
    pub vcpus: u32,
    /// Its board, what begins it, and the rest.
    pub hardware: Hardware,
    /// Its firmware's variables, where that keeps any.
    pub nvram: Option<Nvram>,
    /// Whether to use KVM.
    pub kvm: bool,
    /// How it begins.
    pub power: Power,
}

/// What a VM is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmState {
    /// It runs.
    Running,
    /// It was stopped by QEMU: its disk cannot be written (`true`: the host's disk is full or failing).
    Paused {
        /// Whether a disk error did it.
        io_error: bool,
    },
    /// Its guest switched it off, or crashed, with libvirt's reason.
    Off(String),
    /// The host ended it, with libvirt's reason.
    Killed(String),
    /// libvirt does not know it.
    Gone,
}

/// A host's VMs.
#[async_trait]
pub trait Machines: Send + Sync {
    /// What a saved state can only be used with, by name: versions, machine type, CPU, devices. The error says why no state
    /// can be saved there.
    async fn machine(&self, kvm: bool) -> Result<BTreeMap<String, String>, LabError>;
    /// Whether such a machine can be had there; the error says what is missing.
    async fn can_have(&self, machine: &MachinePlan) -> Result<(), LabError>;
    /// Defines and starts a VM.
    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError>;
    /// Stops a VM's CPUs, until it is resumed.
    async fn pause(&self, domain: &DomainName) -> Result<(), LabError>;
    /// Lets a VM go on.
    async fn resume(&self, domain: &DomainName) -> Result<(), LabError>;
    /// Saves what a paused VM holds beside its memory and disks, as a new volume.
    async fn save_state(&self, spec: &VmSpec, state: &VolumeName) -> Result<(), LabError>;
    /// What a VM is doing.
    async fn vm_state(&self, domain: &DomainName) -> Result<VmState, LabError>;
    /// The end of a VM's console, at most 8 KiB; empty where it cannot be read.
    async fn console_tail(&self, domain: &DomainName) -> String;
    /// What a VM's screen shows, as PNG; nothing where it has no screen, does not run, or the picture cannot be had.
    async fn screenshot(&self, domain: &DomainName) -> Option<Vec<u8>>;
    /// The agent of a VM.
    fn agent(&self, domain: &DomainName) -> Box<dyn GuestAgent>;
}
