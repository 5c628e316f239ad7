//! dnf: pending updates by dnf's own resolver, the truth by rpm.

mod answer;
mod blame;
mod command;
mod command5;
mod dnf5;
mod notes;
mod reboot;
mod updates;

pub use dnf5::Dnf5;
pub use updates::Dnf4;
