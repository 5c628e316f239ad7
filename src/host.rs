//! The world for real: the hypervisor, the guest agent, and the clones' one way out.

pub mod agent;
pub mod connect;
pub mod connected;
#[cfg(feature = "libvirt")]
pub mod libvirt;
pub mod proxy;
