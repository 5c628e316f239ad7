//! Live tests: real libvirt, real QEMU guests, real updates.

mod gate;
mod isolation;
mod kill;
mod lab;
mod packages;
