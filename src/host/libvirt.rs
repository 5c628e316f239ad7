//! Libvirt: the only room that knows the `virt` crate. [`connect`] gives the [`crate::port::Hypervisor`] that runs
//! for real; `accel` tells whether KVM really runs a guest.
//!
//! Every call of libvirt blocks and none can be cancelled, so each runs on a thread of its own with a deadline that
//! names it. A process that gave up on a call should end with `Runtime::shutdown_background` or `process::exit`,
//! since dropping a runtime waits for such threads.

#![expect(
    clippy::disallowed_methods,
    reason = "what blocks is timed by the machine's own clock, and a probe is dated when it is made"
)]

mod accel;
mod agent;
mod capabilities;
mod describe;
mod direct;
mod domain;
mod error;
mod filter;
mod firmware;
mod folders;
mod foreign;
mod host;
mod link;
mod live;
mod making;
mod network;
mod picture;
mod pool;
mod port;
mod raw;
mod saved;
mod screen;
mod transfer;
mod volume;
mod watcher;
mod xml;

pub use host::{LibvirtHost, connect};
