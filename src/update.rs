//! The exact updates of a node, pinned before they are applied. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex;

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
    /// Whether the node ended with exactly its pinned set.
    pub fn holds(&self) -> bool {
        self.boot_changed
            && self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.half_configured.is_empty()
    }
}
