//! rpm: the truth about packages of the families whose updates dnf, yum or zypper resolve.

pub mod nevra;
pub mod order;
mod packages;

pub use packages::{ENV, package, packages, parse_package, parse_packages};

/// Shell text that tells of the files below /etc, as [`Linux`](crate::guest::linux::Linux) takes it.
pub const ETC: &str = include_str!("rpm/observe_etc.sh");

/// Shell text that keeps the guest from updating itself beside a run, as [`Linux`](crate::guest::linux::Linux) takes it.
pub const QUIET: &str = include_str!("rpm/quiet.sh");
