//! Who patchgate is called by.

/// Whether that is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// That user's number, by which files belong to it.
pub fn id() -> u32 {
    rustix::process::geteuid().as_raw()
}
