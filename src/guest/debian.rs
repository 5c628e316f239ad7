//! Debian.

use crate::guest::apt::{Apt, ETC, QUIET};
use crate::guest::family::Family;
use crate::guest::linux::Linux;

/// Debian, all versions: Linux with systemd, apt and dpkg.
pub const DEBIAN: Family = Family {
    name: "Debian",
    versions: &["debian-11", "debian-12", "debian-13"],
    covers: |os| os.starts_with("debian-"),
    system: &Linux {
        etc: ETC,
        quiet: QUIET,
    },
    updates: &Apt,
    manager: "apt",
    security: &["Debian-Security", "Debian:*-security"],
};
