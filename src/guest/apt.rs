//! apt and dpkg: pending updates through the one, the truth through the other.

mod blame;
mod command;
mod origin;
mod packages;
mod reboot;
mod simulation;
mod updates;
mod versions;

pub use updates::{Apt, ETC, QUIET};
