//! What installs an OS's packages.

use serde::{Deserialize, Serialize};

/// A package manager. An OS version has one; a lab file may name another for an image whose OS patchgate does not know, or of
/// which another manager's packages are to be rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    /// apt and dpkg.
    Apt,
    /// dnf 4 and rpm.
    Dnf,
    /// dnf 5 and rpm.
    Dnf5,
    /// zypper and rpm.
    Zypper,
}
