//! The ports, one file each, on a libvirt connection.

mod connected;
mod hypervisor;
mod machines;
mod networks;
mod storage;
