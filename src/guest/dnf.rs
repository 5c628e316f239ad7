//! dnf: pending updates by dnf's own resolver, the truth by rpm.

mod answer;
mod blame;
mod command;
mod reboot;
mod updates;

pub use updates::Dnf4;
