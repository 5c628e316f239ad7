//! zypper and rpm: pending updates through the one, the truth through the other.

mod blame;
mod command;
mod parts;
mod patches;
mod pending;
mod reboot;
mod summary;
mod updates;

pub use updates::Zypper;
