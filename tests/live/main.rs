//! Live tests: real libvirt, real QEMU guests, real updates.

mod gate;
mod kill;
mod lab;
mod packages;
