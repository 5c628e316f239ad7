//! What a fake guest shows of itself when it is looked at.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::model::id::ArmKind;

/// The sections of a guest's answers (`crate::guest::observe`).
pub type Sections = BTreeMap<&'static str, Section>;

/// One section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// What was read.
    Lines(Vec<String>),
    /// What reading it takes and this guest has not.
    Absent(String),
    /// How reading it fails.
    Fails(String),
}

/// One look at a guest.
#[derive(Debug, Clone, Copy)]
pub struct LookCall {
    /// The arm.
    pub arm: ArmKind,
    /// Whether updates are installed.
    pub updated: bool,
    /// How often it has booted.
    pub boots: u32,
    /// Whether it is the look at the end of the soak.
    pub late: bool,
}

/// The sections that the second command reads.
const FILES: [&str; 2] = ["etc", "certificates"];

/// What a small web server says when nobody has asked it before.
pub const FIRST_LOOK: &str = "\
@@ release
 ID=debian
 VERSION_ID=\"12\"
 PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"
@.
@@ kernel
 6.1.0-40-amd64
@.
@@ machine
 0123456789abcdef0123456789abcdef
@.
@@ confined
@.
@@ agent
@.
@@ managers
 apt-get
@.
@@ sources
 http://deb.debian.org/debian/
 http://deb.debian.org/debian-security/
@.
@@ network
 networking
@.
@@ cards
 card ens3 52:54:00:00:00:01
 address ens3 10.213.0.2/16
@.
@@ configured
 ifupdown lo
 ifupdown ens3
@.
@@ cloud
@.
@@ reboot
@.
@@ failed
@.
@@ disk
 Filesystem 1048576-blocks Used Available Capacity Mounted on
 /dev/vda1 4000 800 3200 20% /
@.
@@ by_place
@.
@@ locale
 de_DE.UTF-8
@.
@@ zone
 Europe/Berlin
@.
@@ drivers
 virtio_blk
 virtio_net
 virtio_pci
 virtio_scsi
@.
@@ firewalls
@.
";

/// A small web server in good health.
pub(super) fn healthy() -> Sections {
    let sections: [(&str, &[&str]); 20] = [
        ("kernel", &["running 6.1.0", "newest 6.1.0"]),
        (
            "units",
            &[
                "nginx.service loaded active running web server",
                "apt-daily.timer loaded active waiting daily",
            ],
        ),
        (
            "listening",
            &["tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:((\"nginx\",pid=1,fd=6))"],
        ),
        ("restarts", &[]),
        ("users", &["root:x:0:0:root:/root:/bin/bash"]),
        ("groups", &["root:x:0:"]),
        ("mounts", &["/dev/vda1 / ext4 rw,relatime 0 0"]),
        ("taint", &["0"]),
        ("sick", &[]),
        ("dumps", &[]),
        (
            "disk",
            &[
                "Filesystem 1048576-blocks Used Available Capacity Mounted on",
                "/dev/vda1 4000 800 3200 20% /",
            ],
        ),
        ("memory", &["MemTotal: 500000 kB", "MemAvailable: 400000 kB"]),
        ("boot", &["FinishTimestampMonotonic=20000000"]),
        (
            "processes",
            &[
                "/proc/1/status:Name:\tnginx",
                "/proc/1/status:VmRSS:\t    8000 kB",
            ],
        ),
        ("deleted", &[]),
        ("firewall", &["= nft"]),
        ("errors", &[]),
        (
            "enabled",
            &["multi-user.target.wants/nginx.service /lib/systemd/system/nginx.service"],
        ),
        ("etc", &["m 0123456789ab /etc/nginx/sites-available/default"]),
        ("certificates", &[]),
    ];
    let lines = |lines: &[&str]| Section::Lines(lines.iter().map(|&line| line.to_owned()).collect());
    sections
        .into_iter()
        .map(|(name, text)| (name, lines(text)))
        .collect()
}

/// The answer of one of both commands.
pub(super) fn answer(sections: &Sections, files: bool) -> String {
    let mut text = String::new();
    for (name, section) in sections.iter().filter(|(name, _)| FILES.contains(*name) == files) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "@@ {name}");
        match section {
            Section::Lines(lines) => {
                for line in lines {
                    let _ = writeln!(text, " {line}");
                }
            }
            Section::Absent(what) => {
                let _ = writeln!(text, "@- {what}");
            }
            Section::Fails(how) => {
                let _ = writeln!(text, "@! {how}");
            }
        }
        text.push_str("@.\n");
    }
    text
}
