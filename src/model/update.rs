//! The exact updates of a node, pinned before they are applied. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::input::hex;
use crate::model::advisory::Purpose;

/// What happens to one package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Update {
    /// The package; of one of which several versions stay side by side (rpm's kernels), with its version: `kernel-6.1.0-4`.
    pub name: String,
    /// Its architecture, such as `amd64` or `all`.
    pub arch: String,
    /// The version that is installed; absent where the package is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The version it gets; absent where the resolver removes the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Where it comes from, such as `Debian-Security:12/oldstable-security`.
    pub origin: String,
    /// Whether it is a kernel or a part of one: what runs afterwards is another one only after a reboot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kernel: bool,
    /// What the sources' own metadata say it is for, where they tell it of each package by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// What else changes with it, such as `vendor Lab -> Elsewhere`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// The architectures that a package may be of, as package managers write them: dpkg's release architectures
/// (<https://www.debian.org/ports/>), and rpm's names for the same.
pub const ARCHITECTURES: [&str; 19] = [
    "all", "amd64", "arm64", "armel", "armhf", "i386", "mips64el", "mipsel", "ppc64el", "riscv64", "s390x",
    "aarch64", "armv7hl", "i586", "i686", "noarch", "ppc64le", "x86_64", "loong64",
];

/// What stands for every architecture: with dpkg, and with rpm.
const ANY: [&str; 2] = ["all", "noarch"];

impl Update {
    /// Its name with its architecture; what the resolver names with one of another architecture has it already.
    fn full_name(&self) -> String {
        if self.name.contains(':') {
            self.name.clone()
        } else {
            format!("{}:{}", self.name, self.arch)
        }
    }

    /// Whether it removes that package.
    fn is_gone(&self, name: &str) -> bool {
        self.to.is_none() && self.name == name
    }

    /// Whether it is what happens to a package `name:arch`. A resolver names the packages of foreign architectures with
    /// them, and the system's own, `native`, without; these may change from it to all or back.
    fn is_of(&self, package: &str, native: &str) -> bool {
        if self.name.contains(':') || package == self.full_name() {
            return self.full_name() == package;
        }
        let Some((name, arch)) = package.rsplit_once(':') else {
            return self.name == package;
        };
        let is_own = |arch: &str| arch.is_empty() || arch == native || ANY.contains(&arch);
        name == self.name && is_own(arch) && is_own(&self.arch)
    }
}

/// The updates of one node, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSet {
    /// Sorted by name and architecture.
    pub updates: Vec<Update>,
    /// SHA-256 over every field of every update but its purpose, which is no part of what is installed; hexadecimal.
    pub digest: String,
}

/// Nothing, pinned.
impl Default for UpdateSet {
    fn default() -> Self {
        Self::pin(Vec::new())
    }
}

impl UpdateSet {
    /// Pins updates: sorts them and seals them with a digest.
    pub fn pin(mut updates: Vec<Update>) -> Self {
        updates.sort();
        updates.dedup();
        let mut hash = Sha256::new();
        for update in &updates {
            for field in [
                &update.name,
                &update.arch,
                update.from.as_deref().unwrap_or(""),
                update.to.as_deref().unwrap_or(""),
                &update.origin,
            ] {
                hash.update((field.len() as u64).to_le_bytes());
                hash.update(field);
            }
            if update.kernel {
                // No field is that long.
                hash.update(u64::MAX.to_le_bytes());
            }
            if let Some(change) = &update.change {
                hash.update((u64::MAX - 1).to_le_bytes());
                hash.update((change.len() as u64).to_le_bytes());
                hash.update(change);
            }
        }
        Self {
            updates,
            digest: hex(&hash.finalize()),
        }
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    /// What would take it back, as if from where it came.
    pub fn back(&self) -> Vec<Update> {
        let back = |update: &Update| Update {
            from: update.to.clone(),
            to: update.from.clone(),
            ..update.clone()
        };
        self.updates.iter().map(back).collect()
    }

    /// Whether a kernel is installed or updated by it.
    pub fn has_kernel(&self) -> bool {
        self.updates.iter().any(|update| update.kernel)
    }
}

/// What stands before the state of a package that is not fully installed.
const UNFINISHED: &str = "in ";

/// Whether a value of [`PackageStates::states`] is the state of a package that is not fully installed; no version has blanks.
pub fn is_unfinished(value: &str) -> bool {
    value.starts_with(UNFINISHED)
}

/// An update that is pending on a node, or held back there, and is not in the node's set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unrehearsed {
    /// The package.
    pub name: String,
    /// The version it would get, where the package manager tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why it is not in the set.
    pub why: Why,
}

/// Why an update is not in a node's set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The lab file excludes it.
    Excluded,
    /// The set is of security updates alone, and this is none.
    NotSecurity,
    /// The set is of listed packages alone, and this is none.
    NotListed,
    /// The package would be removed, which only a set of all updates takes.
    Removal,
    /// The guest's admin holds the package as it is.
    Held,
    /// The package manager keeps it back, since something that it needs cannot be installed.
    KeptBack,
    /// The distribution hands it out in phases, and it is not this machine's turn.
    Phased,
    /// It is of a module's stream that the guest does not follow.
    Stream,
    /// The distribution hands it out to subscribers alone, and this machine is none.
    Unsubscribed,
    /// Another package manager of the guest's keeps it up to date, of which nothing is pinned.
    Unpinned,
}

impl Why {
    /// Whether the guest's package manager keeps the update back, though it could have it.
    pub fn is_kept_back(self) -> bool {
        match self {
            Self::Held | Self::KeptBack | Self::Phased => true,
            Self::Excluded
            | Self::NotSecurity
            | Self::NotListed
            | Self::Removal
            | Self::Stream
            | Self::Unsubscribed
            | Self::Unpinned => false,
        }
    }

    /// The reason in words, to stand after the package's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Excluded => "excluded",
            Self::NotSecurity => "not of the security archive",
            Self::NotListed => "not listed",
            Self::Removal => "to be removed",
            Self::Held => "on hold in the guest",
            Self::KeptBack => "kept back",
            Self::Phased => "phased, and not this machine's turn yet",
            Self::Stream => "of a stream that the guest does not follow",
            Self::Unsubscribed => "for subscribers alone",
            Self::Unpinned => "not pinned",
        }
    }
}

/// What is not rehearsed, counted and named; `None` where that is nothing.
pub fn unrehearsed_words(rest: &[Unrehearsed]) -> Option<String> {
    const SHOWN: usize = 6;
    let shown = |one: &Unrehearsed| {
        let to = one.to.as_ref().map(|to| format!(" {to}")).unwrap_or_default();
        format!("{}{to} ({})", one.name, one.why.words())
    };
    let mut names: Vec<String> = rest.iter().take(SHOWN).map(shown).collect();
    if rest.len() > SHOWN {
        names.push(format!("and {} more", rest.len() - SHOWN));
    }
    (!rest.is_empty()).then(|| format!("not rehearsed: {}: {}", rest.len(), names.join(", ")))
}

/// What a package manager says of its packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageStates {
    /// `name:arch` to version, of those that are fully installed.
    pub installed: BTreeMap<String, String>,
    /// `name:arch` to the package manager's state, of those that are neither fully installed nor gone.
    pub unfinished: BTreeMap<String, String>,
}

impl PackageStates {
    /// Packages that are not fully installed though they were, or were pinned, or are so in another way than before, with
    /// their states. What was so before the updates is not theirs.
    pub fn broken_since<'s>(
        &'s self,
        before: &'s Self,
        set: &'s UpdateSet,
    ) -> impl Iterator<Item = (&'s String, &'s String)> {
        let native = before.native();
        self.unfinished.iter().filter(move |(name, state)| {
            before.unfinished.get(*name) != Some(*state)
                || set.updates.iter().any(|update| update.is_of(name, native))
        })
    }

    /// The architecture that most packages have which have one.
    fn native(&self) -> &str {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.installed.keys() {
            match name.rsplit_once(':') {
                Some((_, arch)) if !ANY.contains(&arch) => *counts.entry(arch).or_default() += 1,
                Some(_) | None => {}
            }
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        most.map_or("", |(arch, _)| arch)
    }

    /// What is not fully installed and was not so before.
    pub fn unfinished_since(&self, before: Option<&Self>) -> impl Iterator<Item = (&String, &String)> {
        self.unfinished.iter().filter(move |(name, state)| {
            before.is_none_or(|before| before.unfinished.get(*name) != Some(*state))
        })
    }

    /// Every package with its version, or with its state where it is not fully installed; `database` is what has the states.
    pub fn states(&self, database: &str) -> BTreeMap<String, String> {
        let words = |state: &str| format!("{UNFINISHED}{database}'s state `{state}`");
        let mut states = self.installed.clone();
        states.extend(
            self.unfinished
                .iter()
                .map(|(name, state)| (name.clone(), words(state))),
        );
        states
    }
}

/// What the guest itself said after the reboot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Whether the boot id is another than before.
    pub boot_changed: bool,
    /// Updates of the set that are not installed as pinned: `name: is …, pinned …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Packages that changed and are not in the set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexpected: Vec<String>,
    /// Packages that are not fully installed and were not so before, with their state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub half_configured: Vec<String>,
    /// Updates of the set that are pending again though they were installed: what undoes itself, or was undone by the reboot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<String>,
}

impl Proof {
    /// Compares what is installed with what was pinned, for a node that was not rebooted yet; `database` is what has the
    /// packages' states.
    pub fn compare(set: &UpdateSet, before: &PackageStates, after: &PackageStates, database: &str) -> Self {
        let native = before.native();
        let mut missing = Vec::new();
        for update in &set.updates {
            let is = if update.to.is_some() {
                after.installed.get(&update.full_name())
            } else {
                let mut installed = after.installed.iter();
                let left = installed.find(|(name, _)| update.is_of(name, native));
                left.map(|(_, version)| version)
            };
            if is != update.to.as_ref() {
                let words = |version: Option<&String>| version.map_or("absent".to_owned(), Clone::clone);
                missing.push(format!(
                    "{}: is {}, pinned {}",
                    update.name,
                    words(is),
                    words(update.to.as_ref())
                ));
            }
        }
        let pinned = |name: &str| set.updates.iter().any(|update| update.is_of(name, native));
        let mut unexpected = Vec::new();
        for (name, from) in &before.installed {
            match after.installed.get(name) {
                Some(to) if to == from => {}
                _ if pinned(name) => {}
                Some(to) => unexpected.push(format!("{name}: {from} -> {to}")),
                None => unexpected.push(format!("{name}: {from} -> absent")),
            }
        }
        for (name, to) in &after.installed {
            // What was half-installed before and is whole now was repaired on the way.
            let was_there = before.installed.contains_key(name) || before.unfinished.contains_key(name);
            if !was_there && !pinned(name) {
                unexpected.push(format!("{name}: new {to}"));
            }
        }
        Self {
            missing,
            unexpected,
            half_configured: after
                .broken_since(before, set)
                .map(|(name, state)| format!("{name}: {database} state `{state}`"))
                .collect(),
            ..Self::default()
        }
    }

    /// Takes in what is pending once the set is in, by the lists that it was resolved by. Of a package of the set nothing may
    /// be, but for a version that is newer still, of lists that the guest has read itself meanwhile.
    pub fn take_pending(&mut self, set: &UpdateSet, pending: &[Update]) {
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "absent".to_owned());
        for update in pending {
            let Some(own) = set.updates.iter().find(|own| {
                (&own.name, &own.arch) == (&update.name, &update.arch) || own.is_gone(&update.name)
            }) else {
                continue;
            };
            let is_newer =
                own.to.is_some() && update.from == own.to && update.to.is_some() && update.to != own.from;
            if !is_newer {
                self.again.push(format!(
                    "{}: {} -> {}",
                    update.name,
                    version(&update.from),
                    version(&update.to)
                ));
            }
        }
    }

    /// What is wrong, by its kind in words.
    pub fn faults(&self) -> [(&'static str, &[String]); 4] {
        [
            ("not installed", &self.missing),
            ("not pinned", &self.unexpected),
            ("half-configured", &self.half_configured),
            ("pending again", &self.again),
        ]
    }

    /// Whether the node was rebooted and ended with exactly its pinned set.
    pub fn holds(&self) -> bool {
        self.boot_changed && self.is_exact()
    }

    /// Whether exactly the pinned set is installed.
    pub fn is_exact(&self) -> bool {
        self.faults().iter().all(|(_, items)| items.is_empty())
    }
}

/// One update source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whether it is asked over TLS; then nothing of it can be cached.
    pub tls: bool,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its path, with a slash at both ends.
    pub path: String,
}

impl Source {
    /// Reads `http[s]://host[:port][/path]`; `None` for what is no such address.
    pub fn parse(uri: &str) -> Option<Self> {
        let (tls, rest) = match (uri.strip_prefix("http://"), uri.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (authority, if tls { 443 } else { 80 }),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !host.chars().all(named) || !path.chars().all(|c| c.is_ascii_graphic()) {
            return None;
        }
        Some(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port,
            path: format!("/{}/", path.trim_matches('/')).replace("//", "/"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_addresses_of_web_servers() {
        let source = |uri| Source::parse(uri).map(|s| (s.tls, s.host, s.port, s.path));
        let is = |tls, host: &str, port, path: &str| Some((tls, host.to_owned(), port, path.to_owned()));
        assert_eq!(
            source("http://deb.debian.org/debian"),
            is(false, "deb.debian.org", 80, "/debian/")
        );
        assert_eq!(
            source("https://Repo.Example:8443/"),
            is(true, "repo.example", 8443, "/")
        );
        assert_eq!(source("http://mirror"), is(false, "mirror", 80, "/"));
        for wrong in [
            "file:/srv/repo",
            "http://",
            "http://a b/",
            "http://h:0/",
            "http://h/a b",
            "ftp://h/",
            "http://h\n/",
        ] {
            assert_eq!(source(wrong), None, "{wrong:?}");
        }
    }
}
