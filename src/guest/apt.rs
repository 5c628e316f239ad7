//! apt and dpkg: pending updates through the one, the truth through the other.

mod command;
mod packages;
mod reboot;
mod simulation;
mod updates;

pub use updates::{Apt, ETC};
