//! Ubuntu.

use crate::guest::apt::{Apt, ETC, QUIET};
use crate::guest::family::Family;
use crate::guest::linux::Linux;

/// Ubuntu, all versions: Linux with systemd, apt and dpkg. What subscribers alone get (`UbuntuESM`, `UbuntuESMApps`) is
/// of security as a whole.
pub const UBUNTU: Family = Family {
    name: "Ubuntu",
    versions: &["ubuntu-22.04", "ubuntu-24.04"],
    covers: |os| os.starts_with("ubuntu-"),
    system: &Linux {
        etc: ETC,
        quiet: QUIET,
    },
    updates: &Apt,
    manager: "apt",
    security: &["Ubuntu:*-security", "UbuntuESM*"],
};
