//! What a run makes on a host and must remove.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::name::{DomainName, FilterName, NameError, NetworkName, PoolName, VolumePath};
use crate::model::uri::HostUri;

/// Something that a run makes on a host and that must be removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Entry", into = "Entry")]
pub struct Resource {
    /// What it is.
    pub made: Made,
    /// Its host.
    pub uri: HostUri,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.made, self.uri)
    }
}

/// What can be made, by its name, in the order in which it must be removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Made {
    /// A VM.
    Domain(DomainName),
    /// A virtual network.
    Network(NetworkName),
    /// A filter of what may pass a VM's interface.
    Filter(FilterName),
    /// A disk in a pool.
    Volume(VolumePath),
    /// A run's storage pool, with its folder.
    Pool(PoolName),
}

impl Made {
    fn kind(&self) -> Kind {
        match self {
            Self::Domain(_) => Kind::Domain,
            Self::Network(_) => Kind::Network,
            Self::Filter(_) => Kind::Filter,
            Self::Volume(_) => Kind::Volume,
            Self::Pool(_) => Kind::Pool,
        }
    }

    /// Its name in libvirt; a volume's is `pool/volume`.
    pub fn name(&self) -> String {
        match self {
            Self::Domain(name) => name.to_string(),
            Self::Network(name) => name.to_string(),
            Self::Filter(name) => name.to_string(),
            Self::Volume(path) => path.to_string(),
            Self::Pool(name) => name.to_string(),
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind() {
            Kind::Domain => "domain",
            Kind::Network => "network",
            Kind::Filter => "filter",
            Kind::Volume => "volume",
            Kind::Pool => "pool",
        };
        write!(f, "{word} {}", self.name())
    }
}

/// A resource as it stands in a ledger.
#[derive(Serialize, Deserialize)]
struct Entry {
    kind: Kind,
    name: String,
    uri: HostUri,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Domain,
    Network,
    Filter,
    Volume,
    Pool,
}

impl TryFrom<Entry> for Resource {
    type Error = NameError;

    fn try_from(Entry { kind, name, uri }: Entry) -> Result<Self, NameError> {
        let made = match kind {
            Kind::Domain => Made::Domain(name.parse()?),
            Kind::Network => Made::Network(name.parse()?),
            Kind::Filter => Made::Filter(name.parse()?),
            Kind::Volume => Made::Volume(name.parse()?),
            Kind::Pool => Made::Pool(name.parse()?),
        };
        Ok(Self { made, uri })
    }
}

impl From<Resource> for Entry {
    fn from(resource: Resource) -> Self {
        Self {
            kind: resource.made.kind(),
            name: resource.made.name(),
            uri: resource.uri,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_stands_in_a_ledger_by_kind_name_and_host() {
        for (text, words) in [
            (
                r#"{"kind":"domain","name":"pg-a-web","uri":"qemu:///system"}"#,
                "domain pg-a-web on qemu:///system",
            ),
            (
                r#"{"kind":"volume","name":"pg-a/web.qcow2","uri":"fake:///lab"}"#,
                "volume pg-a/web.qcow2 on fake:///lab",
            ),
        ] {
            let resource: Resource = serde_json::from_str(text).expect(text);
            assert_eq!(resource.to_string(), words);
            assert_eq!(serde_json::to_string(&resource).expect("JSON"), text);
        }
        for text in [
            r#"{"kind":"volume","name":"pg-a","uri":"qemu:///system"}"#,
            r#"{"kind":"pool","name":"../images","uri":"qemu:///system"}"#,
            r#"{"kind":"pool","name":"pg-a","uri":"auto"}"#,
        ] {
            assert!(serde_json::from_str::<Resource>(text).is_err(), "{text}");
        }
    }
}
