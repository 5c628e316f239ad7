//! What `run` needs of the world, as traits: libvirt and the guest agent implement them for real, [`crate::fake`]
//! implements them for tests, more strictly than reality.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::guest::command::GuestCommand;
use crate::model::event::{Record, Traffic};
use crate::model::id::{ArmId, RunId};
use crate::model::outcome::Cause;
use crate::model::resource::Resource;
use crate::units::Mib;

/// A failure of the lab, never of what is tested.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LabError {
    /// Which kind.
    pub cause: Cause,
    /// What happened: a fragment that names subject and what was tried.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl LabError {
    /// An error without a hint.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
            hint: None,
        }
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

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

/// Whom a resource belongs to; written into libvirt's metadata and into names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The run.
    pub run: RunId,
    /// The arm; nothing where it belongs to the whole run.
    pub arm: Option<ArmId>,
    /// The run's folder on the machine that runs patchgate.
    pub run_dir: PathBuf,
}

/// The network between the nodes of one arm: a wire, on which the host itself has no address. The nodes give themselves
/// theirs, which can therefore be the same in every arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Whom it belongs to.
    pub tag: Tag,
}

/// The network that all clones of a run share to get their updates, with addresses by DHCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutletSpec {
    /// Its name.
    pub name: String,
    /// The run.
    pub run: RunId,
    /// The run's folder on the machine that runs patchgate.
    pub run_dir: PathBuf,
    /// How many VMs it must have an address for.
    pub clients: usize,
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

/// A filter that lets a VM ask for an address, speak to one port of the host, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterSpec {
    /// Its name.
    pub name: String,
    /// The host's address.
    pub gateway: Ipv4Addr,
    /// The TCP port.
    pub port: u16,
}

/// A network interface of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The network; `None` for the hypervisor's user-mode network.
    pub network: Option<String>,
    /// Its MAC address, `52:54:00:xx:xx:xx`.
    pub mac: String,
    /// Whether it is one of many clones' on that network, which are nothing to each other.
    pub apart: bool,
    /// The filter on it.
    pub filter: Option<String>,
}

/// How a VM begins. Volumes are named in its own pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Power {
    /// It is switched on.
    On,
    /// It is switched on with its memory in a new volume, to be saved later.
    Savable {
        /// The volume of its memory.
        ram: String,
    },
    /// It goes on from where a savable one was saved, and is paused until it is resumed. The memory is shared with all that
    /// go on from there, as far as they have not written to it.
    Saved {
        /// The volume of the memory.
        ram: String,
        /// The volume of all the rest of its state.
        state: String,
    },
}

/// A VM to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmSpec {
    /// The domain's name.
    pub name: String,
    /// Whom it belongs to.
    pub tag: Tag,
    /// The node's role.
    pub role: String,
    /// The run's pool.
    pub pool: String,
    /// The base volume in the pool.
    pub base: String,
    /// The overlay volume to fork from it.
    pub overlay: String,
    /// Its network interfaces, in the order in which the guest finds them.
    pub nics: Vec<Nic>,
    /// Guest memory.
    pub memory: Mib,
    /// Guest vCPUs.
    pub vcpus: u32,
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
    /// It is off, with libvirt's reason.
    Off(String),
    /// libvirt does not know it.
    Gone,
}

/// One libvirt connection.
#[async_trait]
pub trait Hypervisor: Send + Sync {
    /// The connection's URI, never `auto`.
    fn uri(&self) -> &str;
    /// Whether networks between nodes can be made (not on `qemu:///session`).
    fn has_networks(&self) -> bool;
    /// What the host has now.
    async fn capacity(&self) -> Result<Capacity, LabError>;
    /// Makes the run's pool.
    async fn create_pool(&self, pool: &str) -> Result<(), LabError>;
    /// Copies a sealed image into the pool as `volume`, checking while it reads that it is `sha256`.
    async fn place_image(&self, pool: &str, volume: &str, file: &Path, sha256: &str) -> Result<(), LabError>;
    /// Whether guests on it can be kept from everything but their update sources; the error says why not.
    fn can_isolate(&self) -> Result<(), LabError>;
    /// Makes an arm's network.
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), LabError>;
    /// Makes a run's outlet.
    async fn create_outlet(&self, spec: &OutletSpec) -> Result<OutletInfo, LabError>;
    /// Makes a filter.
    async fn create_filter(&self, spec: &FilterSpec) -> Result<(), LabError>;
    /// Makes a node's overlay over its base.
    async fn create_overlay(&self, spec: &VmSpec) -> Result<(), LabError>;
    /// What a saved state can only be used with, by name: versions, machine type, CPU, devices. The error says why no state
    /// can be saved there.
    async fn machine(&self, kvm: bool) -> Result<BTreeMap<String, String>, LabError>;
    /// Stops a VM's CPUs, until it is resumed.
    async fn pause(&self, domain: &str) -> Result<(), LabError>;
    /// Lets a VM go on.
    async fn resume(&self, domain: &str) -> Result<(), LabError>;
    /// Saves what a paused VM holds beside its memory and disk, as a new volume.
    async fn save_state(&self, spec: &VmSpec, state: &str) -> Result<(), LabError>;
    /// Copies a volume to a new file, without what is zero. The digest is [`crate::image::sparse::Digest`]'s.
    async fn fetch_volume(&self, pool: &str, volume: &str, file: &Path) -> Result<String, LabError>;
    /// Copies such a file into a pool, as a volume that VMs can be forked from, checking while it reads that it has that
    /// digest.
    async fn place_volume(&self, pool: &str, volume: &str, file: &Path, digest: &str)
    -> Result<(), LabError>;
    /// Defines and starts a VM.
    async fn create_vm(&self, spec: &VmSpec) -> Result<(), LabError>;
    /// What a VM is doing.
    async fn vm_state(&self, domain: &str) -> Result<VmState, LabError>;
    /// The end of a VM's console, at most 8 KiB; empty where it cannot be read.
    async fn console_tail(&self, domain: &str) -> String;
    /// The agent of a VM.
    fn agent(&self, domain: &str) -> Box<dyn GuestAgent>;
    /// Removes a resource; no error where it is not there.
    async fn remove(&self, resource: &Resource) -> Result<(), LabError>;
    /// Everything on the host that carries patchgate's mark, with its run where that can be told.
    async fn marked(&self) -> Result<Vec<Marked>, LabError>;
}

/// A resource with patchgate's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The resource.
    pub resource: Resource,
    /// Its run.
    pub run: RunId,
    /// The run's folder, where the mark tells it.
    pub run_dir: Option<PathBuf>,
}

/// What a command in the guest left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code; `None` where a signal ended it.
    pub exit: Option<i32>,
    /// The start of its output, bounded by the command's limit.
    pub stdout: Vec<u8>,
    /// The start of its error output, bounded likewise.
    pub stderr: Vec<u8>,
    /// Whether the agent cut either.
    pub truncated: bool,
}

/// A failure to get an answer from a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// Nothing answers, now: the guest is booting, busy or gone.
    #[error("the guest agent does not answer: {0}")]
    Silent(String),
    /// The command did not end within its time.
    #[error("no end of the command after {0:?}")]
    Timeout(Duration),
    /// The agent refused: no such program, not permitted.
    #[error("the guest agent refused: {0}")]
    Refused(String),
    /// The answer is not what the protocol promises.
    #[error("the guest agent's answer cannot be understood: {0}")]
    Garbled(String),
}

/// A guest's agent.
#[async_trait]
pub trait GuestAgent: Send + Sync {
    /// Asks for a sign of life, waiting at most `timeout`.
    async fn ping(&self, timeout: Duration) -> Result<(), AgentError>;
    /// Runs a command to its end, within its own time-out and limits.
    async fn exec(&self, command: &GuestCommand) -> Result<ExecOutput, AgentError>;
}

/// What a proxy is to let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySpec {
    /// The outlet that it serves.
    pub outlet: OutletInfo,
    /// The update sources, as `http://host[:port]/path`; nothing else is let through.
    pub sources: Vec<String>,
}

/// Starts proxies.
#[async_trait]
pub trait ProxyLauncher: Send + Sync {
    /// Starts one, which answers when this returns.
    async fn start(&self, spec: &ProxySpec) -> Result<Box<dyn Proxy>, LabError>;
}

/// The one way out of a run's clones: a caching proxy for their update sources.
#[async_trait]
pub trait Proxy: Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddrV4;
    /// What no clone may reach, for a probe from inside.
    fn forbidden(&self) -> Forbidden;
    /// What got through to what nobody may reach, in words; empty where the isolation holds.
    fn breaches(&self) -> Vec<String>;
    /// Ends it and says what passed.
    async fn stop(&self) -> Traffic;
}

/// Addresses that a clone must find unreachable. Those on this machine belong to listeners that take note.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden {
    /// TCP: listeners of this machine, and the update sources themselves, which only the proxy may ask.
    pub tcp: Vec<SocketAddr>,
    /// UDP: listeners of this machine.
    pub udp: Vec<SocketAddr>,
    /// A name that must not resolve: an update source's.
    pub name: Option<String>,
}

/// Watches a run from outside; must not block.
pub trait Observer: Send + Sync {
    /// A record was written to the journal.
    fn record(&self, record: &Record);
    /// Something to tell a person that is no result.
    fn notice(&self, text: &str);
}
