//! What a run makes on a host and must remove.

use serde::{Deserialize, Serialize};

/// Something that a run makes on a host and that must be removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name in libvirt; a volume's is `pool/volume`.
    pub name: String,
    /// The libvirt URI of its host.
    pub uri: String,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} on {}", self.kind.word(), self.name, self.uri)
    }
}

/// Kinds of resource, in the order in which they must be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A VM.
    Domain,
    /// A virtual network.
    Network,
    /// A filter of what may pass a VM's interface.
    Filter,
    /// A disk in a pool.
    Volume,
    /// A run's storage pool, with its folder.
    Pool,
}

impl ResourceKind {
    /// libvirt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Network => "network",
            Self::Filter => "filter",
            Self::Volume => "volume",
            Self::Pool => "pool",
        }
    }
}
