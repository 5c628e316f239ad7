//! The ports, one file each, on a libvirt connection.

mod connected;
mod domains;
mod hypervisor;
mod machines;
mod networks;
mod storage;
