//! SUSE Linux Enterprise Server and openSUSE Leap.

use crate::guest::family::Family;
use crate::guest::linux::Linux;
use crate::guest::rpm::{ETC, QUIET};
use crate::guest::zypper::Zypper;

/// SUSE Linux Enterprise Server 15 and openSUSE Leap: Linux with systemd, zypper and rpm. What its patches say is what an
/// update is for; no source has updates of security alone. Tumbleweed and what is changed by whole snapshots (MicroOS) are
/// refused in the guest.
pub const SUSE: Family = Family {
    name: "SUSE",
    versions: &["sles-15.6", "sles-15.7", "opensuse-leap-15.6", "leap-16.0"],
    covers: |os| {
        ["sles-", "opensuse-leap-", "leap-"]
            .iter()
            .any(|start| os.starts_with(start))
    },
    system: &Linux {
        etc: ETC,
        quiet: QUIET,
    },
    updates: &Zypper,
    manager: "zypper",
    security: &[],
};
