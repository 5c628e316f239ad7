//! rpm: the truth about packages of the families whose updates dnf, yum or zypper resolve.

pub mod nevra;
pub mod order;
mod packages;

pub use packages::{ENV, package, packages, parse_package, parse_packages};
