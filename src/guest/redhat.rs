//! Red Hat Enterprise Linux, and what is built from or towards it.

use crate::guest::dnf::{DNF4, DNF5};
use crate::guest::family::Family;
use crate::guest::linux::Linux;
use crate::guest::rpm::{ETC, QUIET};

/// The distributions whose /usr/bin/dnf is dnf 4: Linux with systemd, dnf 4 and rpm. Their advisories say which updates are of
/// security, and no repository is one of security alone.
pub const REDHAT: Family = Family {
    name: "Red Hat and its kin",
    versions: &[
        "rhel-8",
        "rhel-9",
        "rhel-10",
        "rocky-9",
        "alma-9",
        "oracle-9",
        "centos-stream-9",
        "amazon-2023",
        "fedora-40",
    ],
    covers: is_dnf4,
    system: &Linux {
        etc: ETC,
        quiet: QUIET,
    },
    updates: &DNF4,
    manager: "dnf",
    security: &[],
};

/// The main version of an OS, such as 9 of `rocky-9.4`.
fn major<'o>(os: &'o str, name: &str) -> Option<&'o str> {
    let version = os.strip_prefix(name)?.strip_prefix('-')?;
    Some(version.split_once('.').map_or(version, |(major, _)| major))
}

fn is_dnf4(os: &str) -> bool {
    let names = ["rhel", "rocky", "alma", "oracle", "centos-stream"];
    names
        .iter()
        .any(|name| matches!(major(os, name), Some("8" | "9" | "10")))
        || major(os, "amazon") == Some("2023")
        || fedora(os).is_some_and(|version| (22..=40).contains(&version))
}

/// Fedora, since its /usr/bin/dnf is dnf 5.
pub const FEDORA: Family = Family {
    name: "Fedora",
    versions: &["fedora-41", "fedora-42"],
    covers: |os| fedora(os).is_some_and(|version| version > 40),
    system: &Linux {
        etc: ETC,
        quiet: QUIET,
    },
    updates: &DNF5,
    manager: "dnf5",
    security: &[],
};

fn fedora(os: &str) -> Option<u32> {
    major(os, "fedora")?.parse().ok()
}
