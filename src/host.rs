//! The world for real: the hypervisor, the guest agent, and the clones' one way out.

pub mod agent;
pub mod libvirt;
pub mod proxy;
