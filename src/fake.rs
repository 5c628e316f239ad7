//! An in-memory lab for tests, stricter than reality: what libvirt would forgive is a violation here, and a command
//! that no script declares fails.

mod agent;
mod domains;
mod faults;
mod guest;
mod lab;
mod look;
mod ports;
mod proxy;
mod script;
mod state;
mod tongue;
mod warm;

pub use domains::{FakeDomain, FakeDomains};
pub use faults::{Fault, FaultKind};
pub use guest::SCREEN;
pub use lab::{FakeLab, URI};
pub use look::{LookCall, Section, Sections};
pub use proxy::FakeProxies;
pub use script::{Agent, Apply, GuestScript, SAMPLE, StepCall};
pub use tongue::{AptTongue, Tongue};
