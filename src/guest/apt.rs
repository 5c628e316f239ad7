//! apt and dpkg: pending updates through the one, the truth through the other.

mod advisories;
mod blame;
mod command;
pub mod offline;
pub(in crate::guest) mod origin;
mod packages;
mod reboot;
mod simulation;
mod updates;
mod versions;

pub use command::install_agent;
pub use updates::{Apt, ETC, QUIET};
