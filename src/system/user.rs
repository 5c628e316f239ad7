//! Who patchgate is called by.

/// Whether that is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
