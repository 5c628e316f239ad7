//! A VM as libvirt's XML.

pub mod board;
mod cards;
mod digest;
#[cfg(test)]
mod disk_tests;
mod disks;
mod places;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod whole;

pub use digest::devices_digest;
pub use places::{Flash, Places};
pub use whole::describe;
