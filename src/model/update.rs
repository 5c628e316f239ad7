//! The exact updates of a node, pinned before they are applied. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::input::hex;

/// What happens to one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Update {
    /// The package.
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
}

/// The updates of one node, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSet {
    /// Sorted by name and architecture.
    pub updates: Vec<Update>,
    /// SHA-256 over every field of every update, hexadecimal.
    pub digest: String,
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
}

impl UpdateSet {
    /// Whether a kernel is installed or updated by it: what runs afterwards is another one only after a reboot.
    pub fn has_kernel(&self) -> bool {
        let names = self.updates.iter().map(|update| update.name.as_str());
        names
            .into_iter()
            .any(|name| name.starts_with("linux-image") || name.starts_with("linux-modules"))
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
    /// Packages that are not fully installed, with their state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub half_configured: Vec<String>,
}

impl Proof {
    /// Whether the node was rebooted and ended with exactly its pinned set.
    pub fn holds(&self) -> bool {
        self.boot_changed && self.is_exact()
    }

    /// Whether exactly the pinned set is installed.
    pub fn is_exact(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.half_configured.is_empty()
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
