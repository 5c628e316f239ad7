//! VMware's disks ("Virtual Disk Format" 5.0): a description, and extents that hold the bytes.

pub mod description;
pub mod sparse;
