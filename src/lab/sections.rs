//! Reading the lab file, a section to a file.

mod deadlines;
mod drift;
mod group;
mod host;
mod image;
mod lab;
mod network;
mod performance;
mod role;
mod secret;
mod soak;
mod values;
mod whole;

pub use whole::read;
