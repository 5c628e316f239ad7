//! dnf: pending updates by dnf's own resolver, the truth by rpm.

mod answer;
mod blame;
mod command;
mod notes;
mod reboot;
mod updates;

pub use updates::{DNF4, DNF5, Dnf};
