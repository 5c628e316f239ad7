//! What `run` needs of the world, as traits: libvirt and the guest agent implement them for real, [`crate::fake`]
//! implements them for tests, more strictly than reality.

mod agent;
mod domains;
mod error;
mod hypervisor;
mod machines;
mod networks;
mod observer;
mod proxy;
mod storage;
mod tag;

pub use agent::{AgentAbout, AgentError, ExecOutput, GuestAgent};
pub use domains::{DiskPlace, DomainNow, Domains, Frozen, LiveSpec, Stamp};
pub use error::LabError;
pub use hypervisor::{Capacity, Hypervisor, foreign, is_to_be_removed};
pub use machines::{Machines, Nic, NicFilter, Nvram, Power, VmSpec, VmState};
pub use networks::{FilterSpec, NetworkSpec, Networks, OutletInfo, OutletSpec};
pub use observer::Observer;
pub use proxy::{Forbidden, Proxy, ProxyLauncher, ProxySpec};
pub use storage::{Disk, Storage};
pub use tag::{Marked, Tag};
