//! rpm: the truth about packages of the families whose updates dnf, yum or zypper resolve.

pub mod nevra;
mod packages;

pub use packages::{package, packages, parse_package, parse_packages};
