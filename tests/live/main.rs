//! Live tests: real libvirt, real QEMU guests, real updates.

#![expect(
    clippy::disallowed_methods,
    reason = "real guests are waited for in real time"
)]

mod domain;
mod faults;
mod foreign;
mod gate;
mod hardware;
mod hosts;
mod isolation;
mod kill;
mod lab;
mod libvirt;
mod machine;
mod mirror;
mod outside;
mod packages;
mod rpm;
mod warm;
