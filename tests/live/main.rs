//! Live tests: real libvirt, real QEMU guests, real updates.

mod gate;
mod hosts;
mod isolation;
mod kill;
mod lab;
mod libvirt;
mod packages;
mod warm;
