//! What patchgate itself reads from a node, to diff between arms. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::model::update::UpdateSet;

/// What an item is about, in the order in which differences matter to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Units of services and sockets that are up or failed: unit to `running`, `exited`, `listening`, `failed`, ...
    Service,
    /// Listening sockets: `tcp 0.0.0.0:80` to the names of the processes.
    Listening,
    /// How often a service was restarted by the service manager without being asked to: unit to the number.
    Restart,
    /// The kernel: `running` and `newest` to releases.
    Kernel,
    /// Installed packages: `name:arch` to the version, or to the package manager's state where one is not fully installed.
    Package,
    /// Files below /etc that are not as their package has them, or of no package: path to the start of a digest, with
    /// [`EDITED`] before it in the first case, or [`MISSING`].
    Config,
    /// What the kernel says of its own health: `flags` to its taint, and its oopses.
    Taint,
    /// Core dumps.
    Dump,
    /// Mounted file systems: mount point to type and mode.
    Mount,
    /// Users and groups: `user NAME`, `group NAME` to their numbers, shell and members.
    User,
    /// Firewall rules, one item each.
    Firewall,
    /// Processes that run code which is deleted from the disk: name to the files, in words.
    Stale,
    /// Different errors of this boot in the journal, normalised.
    Journal,
    /// What an installation left beside a configuration file: path.
    Leftover,
    /// Certificates below /etc: path to whether they expire soon.
    Certificate,
    /// Active timers.
    Timer,
    /// Units that are enabled or masked: the link that says so to which of both.
    Enabled,
    /// Disk in use: mount point to MiB.
    Disk,
    /// Memory in use: `used` and `process NAME` to MiB.
    Memory,
    /// Time from the kernel's start to the end of the boot: `finish` to milliseconds.
    Boot,
}

impl Class {
    /// Every class, in the order in which they are shown.
    pub const ALL: [Self; 20] = [
        Self::Service,
        Self::Listening,
        Self::Restart,
        Self::Kernel,
        Self::Package,
        Self::Config,
        Self::Taint,
        Self::Dump,
        Self::Mount,
        Self::User,
        Self::Firewall,
        Self::Stale,
        Self::Journal,
        Self::Leftover,
        Self::Certificate,
        Self::Timer,
        Self::Enabled,
        Self::Disk,
        Self::Memory,
        Self::Boot,
    ];

    /// What is looked at once more at the end of the soak: what stops, restarts, grows or complains in time.
    pub const LATE: [Self; 7] = [
        Self::Service,
        Self::Listening,
        Self::Restart,
        Self::Taint,
        Self::Dump,
        Self::Journal,
        Self::Memory,
    ];

    /// The class's word in lab files, patterns and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Listening => "listening",
            Self::Restart => "restart",
            Self::Kernel => "kernel",
            Self::Package => "package",
            Self::Config => "config",
            Self::Taint => "taint",
            Self::Dump => "dump",
            Self::Mount => "mount",
            Self::User => "user",
            Self::Firewall => "firewall",
            Self::Stale => "stale",
            Self::Journal => "journal",
            Self::Leftover => "leftover",
            Self::Certificate => "certificate",
            Self::Timer => "timer",
            Self::Enabled => "enabled",
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Boot => "boot",
        }
    }

    /// The unit of a class whose values are amounts, to be compared by how much they differ.
    pub fn unit(self) -> Option<&'static str> {
        match self {
            Self::Disk | Self::Memory => Some("MiB"),
            Self::Boot => Some("ms"),
            Self::Restart => Some("times"),
            Self::Service
            | Self::Listening
            | Self::Kernel
            | Self::Package
            | Self::Config
            | Self::Taint
            | Self::Dump
            | Self::Mount
            | Self::User
            | Self::Firewall
            | Self::Stale
            | Self::Journal
            | Self::Leftover
            | Self::Certificate
            | Self::Timer
            | Self::Enabled => None,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// When a node was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// In the first boot, before the updates and, in control, where they would be.
    BeforeUpdates,
    /// After the reboot.
    AfterReboot,
    /// At the end of the soak.
    AfterSoak,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BeforeUpdates => "before the updates",
            Self::AfterReboot => "after the reboot",
            Self::AfterSoak => "at the end of the soak",
        })
    }
}

/// What was read of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// The items, each with its value; a value may be empty where the item's presence says all.
    Items(BTreeMap<String, String>),
    /// This guest has not what it takes to read it, and what that is. Never to be taken for nothing.
    Absent(String),
    /// Reading it failed, and how. Never to be taken for nothing.
    Unreadable(String),
}

/// A node in one arm at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// What was read; a class that is not here was not looked at.
    pub readings: BTreeMap<Class, Reading>,
    /// Files of [`Class::Config`] that belong to no package, with the packages whose own scripts speak of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub writers: BTreeMap<String, BTreeSet<String>>,
    /// The last log lines of each failed unit; bounded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unit_logs: BTreeMap<String, String>,
}

/// What became of an item from control to treatment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// Treatment has it, control has not.
    New {
        /// Its value.
        to: String,
    },
    /// Control has it, treatment has not.
    Gone {
        /// Its value.
        from: String,
    },
    /// Both have it, with other values.
    Changed {
        /// In control.
        from: String,
        /// In treatment.
        to: String,
    },
}

impl Observation {
    /// The items of a class, where it could be read.
    pub fn items(&self, class: Class) -> Option<&BTreeMap<String, String>> {
        match self.readings.get(&class) {
            Some(Reading::Items(items)) => Some(items),
            Some(Reading::Absent(_) | Reading::Unreadable(_)) | None => None,
        }
    }

    /// Why a class was not read; `None` where it was.
    pub fn unreadable(&self, class: Class) -> Option<&str> {
        match self.readings.get(&class) {
            Some(Reading::Items(_)) => None,
            Some(Reading::Absent(why) | Reading::Unreadable(why)) => Some(why),
            None => Some("it was not looked at"),
        }
    }

    /// Whether the guest has not what it takes to read a class.
    pub fn lacks(&self, class: Class) -> bool {
        matches!(self.readings.get(&class), Some(Reading::Absent(_)))
    }

    /// The running kernel's release.
    pub fn kernel(&self) -> Option<&str> {
        self.items(Class::Kernel)?.get("running").map(String::as_str)
    }

    /// Whether nothing was read at all.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }
}

/// What differs between two readings of one class, by item.
pub fn changes(
    control: &BTreeMap<String, String>,
    treatment: &BTreeMap<String, String>,
) -> Vec<(String, Change)> {
    let names: BTreeSet<&String> = control.keys().chain(treatment.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let change = match (control.get(name).cloned(), treatment.get(name).cloned()) {
                (Some(from), None) => Change::Gone { from },
                (None, Some(to)) => Change::New { to },
                (Some(from), Some(to)) if from != to => Change::Changed { from, to },
                (Some(_) | None, _) => return None,
            };
            Some((name.clone(), change))
        })
        .collect()
}

/// A difference in words: `service nginx.service stopped (running in control)`.
pub fn words(class: Class, item: &str, change: &Change) -> String {
    let valued = |value: &str| {
        if value.is_empty() {
            String::new()
        } else {
            format!(" ({value})")
        }
    };
    let what = match (class, change) {
        (Class::Service, Change::New { to }) if to == FAILED => "failed (not running in control)".to_owned(),
        (Class::Service, Change::New { to }) => format!("{to} (not in control)"),
        (Class::Service, Change::Gone { from }) => format!("stopped ({from} in control)"),
        (Class::Service, Change::Changed { from, to }) => format!("{to} ({from} in control)"),
        (Class::Config, Change::New { to }) if is_packaged(to) => format!("{to} (as packaged in control)"),
        (Class::Config, Change::Gone { from }) if is_packaged(from) => {
            format!("as packaged ({from} in control)")
        }
        (_, Change::Changed { from, to }) => match class.unit() {
            Some(unit) => format!("{from} {unit} -> {to} {unit}"),
            None => format!("{from} -> {to}"),
        },
        (_, Change::New { to }) => format!("new{}", valued(to)),
        (_, Change::Gone { from }) => format!("gone{}", valued(from)),
    };
    format!("{class} {item} {what}")
}

/// Whether a value of [`Class::Config`] is of a package's file, which is only listed where it is not as packaged.
fn is_packaged(value: &str) -> bool {
    value == MISSING || value.starts_with(EDITED)
}

/// The value of a package's configuration file that is not there.
pub const MISSING: &str = "missing";

/// What the value of a package's configuration file begins with that is not as packaged; a digest follows.
pub const EDITED: &str = "edited ";

/// The value of a unit that failed.
pub const FAILED: &str = "failed";

/// The value of a certificate that expires within the time that is looked ahead.
pub const EXPIRES: &str = "expires within 30 days";

/// How treatment differs from control, in lines for a reader, what is likeliest to matter first; a failed unit is
/// followed by its log, and packages that were to change come last. Empty where nothing differs.
pub fn differences(
    control: &Observation,
    treatment: &Observation,
    pinned: Option<&UpdateSet>,
) -> Vec<String> {
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for class in Class::ALL {
        let (Some(before), Some(after)) = (control.items(class), treatment.items(class)) else {
            continue;
        };
        // Amounts always differ; by how much is for the drift to judge.
        if class.unit().is_some() {
            continue;
        }
        for (item, change) in changes(before, after) {
            let line = words(class, &item, &change);
            if class == Class::Package && is_pinned(pinned, &item, &change) {
                expected.push(format!("pinned {line}"));
                continue;
            }
            lines.push(line);
            if let Some(log) = treatment.unit_logs.get(&item).filter(|_| class == Class::Service) {
                lines.extend(log.lines().map(|line| format!("log of {item}: {line}")));
            }
        }
    }
    lines.extend(expected);
    lines
}

/// Whether a package changed exactly as it was pinned to.
pub fn is_pinned(set: Option<&UpdateSet>, package: &str, change: &Change) -> bool {
    let to = match change {
        Change::New { to } | Change::Changed { to, .. } => Some(to),
        Change::Gone { .. } => None,
    };
    set.is_some_and(|set| {
        set.updates.iter().any(|update| {
            // A removal is pinned without its architecture.
            let is_it = package.strip_prefix(update.name.as_str()).is_some_and(|rest| {
                rest.is_empty()
                    || rest
                        .strip_prefix(':')
                        .is_some_and(|arch| update.arch.is_empty() || arch == update.arch)
            });
            is_it && update.to.as_ref() == to
        })
    })
}

/// Characters of a normalised text.
const NORMAL_CHARS: usize = 240;

/// A log line without what differs from boot to boot: numbers, hexadecimal ids, addresses, times and the names of
/// temporary files become `#`. Doing it again changes nothing.
pub fn normalise(text: &str) -> String {
    let mut text: String = text.chars().take(4 * NORMAL_CHARS).collect();
    // Each pass shortens the text or turns more of it into `#`, so this ends.
    loop {
        let next = pass(&text);
        if next == text {
            return next;
        }
        text = next;
    }
}

/// A pattern of this file's own; the tests use every one.
fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of our own is right")
}

fn pass(text: &str) -> String {
    const RULES: [&str; 5] = [
        // UUIDs and MAC addresses, which may have groups of letters alone.
        r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
        r"\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b",
        // Runs of hexadecimal digits with a decimal one among them: numbers, addresses, digests.
        r"(?:0x)?[a-fA-F]*[0-9][0-9a-fA-F]*",
        // What such runs were parts of: dates, times, versions, IP addresses.
        r"#(?:[-:.+T]#)+",
        r"##+",
    ];
    static COMPILED: LazyLock<Vec<Regex>> = LazyLock::new(|| RULES.map(fixed).into());
    static TEMPORARY: LazyLock<Regex> = LazyLock::new(|| fixed(r"(/(?:var/)?tmp/|/dev/shm/)[^\s:'\x22]+"));
    let mut next = Cow::Borrowed(text);
    for rule in COMPILED.iter() {
        next = Cow::Owned(rule.replace_all(&next, "#").into_owned());
    }
    let next = TEMPORARY.replace_all(&next, "${1}#");
    let words: Vec<&str> = next.split_whitespace().collect();
    let joined: String = words.join(" ").chars().take(NORMAL_CHARS).collect();
    joined.trim_end().to_owned()
}
