//! A libvirt domain's description (<https://libvirt.org/formatdomain.html>), read through a list of what is taken. What is not
//! on it reaches no clone: what ties a machine to its host is said in words, what is the host's own business is passed over.

mod devices;
pub mod disk;
pub mod error;
mod firmware;
mod machine;
mod nic;
pub mod whole;
mod xml;
