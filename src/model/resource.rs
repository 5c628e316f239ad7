//! What a run makes on a host and must remove.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::id::RunId;
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

    /// Whether it is called as that run calls what it makes; of a volume, its pool is.
    pub fn is_of(&self, run: &RunId) -> bool {
        let begins = |name: &str| {
            let rest = name
                .strip_prefix("pg-")
                .and_then(|name| name.strip_prefix(run.as_str()));
            rest.is_some_and(|rest| rest.starts_with('-'))
        };
        match self {
            Self::Domain(name) => begins(name.as_str()),
            Self::Network(name) => begins(name.as_str()),
            Self::Filter(name) => name.run().as_ref() == Some(run),
            Self::Volume(path) => path.pool.run().as_ref() == Some(run),
            Self::Pool(name) => name.run().as_ref() == Some(run),
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
    fn only_what_is_called_after_a_run_is_of_it() {
        let run: RunId = "20261123-140912-7c1f".parse().expect("a run id");
        for (kind, name, is_its) in [
            ("domain", "pg-20261123-140912-7c1f-0-control-web", true),
            ("domain", "pg-20261123-140912-7c1f", false),
            ("domain", "pg-20261123-140912-7c1f0-web", false),
            ("domain", "pg-20261123-140912-7c20-0-control-web", false),
            ("domain", "erp", false),
            ("network", "pg-20261123-140912-7c1f-out", true),
            ("network", "default", false),
            ("filter", "pg-20261123-140912-7c1f", true),
            ("filter", "clean-traffic", false),
            ("volume", "pg-20261123-140912-7c1f/web.qcow2", true),
            ("volume", "default/web.qcow2", false),
            ("volume", "default/pg-20261123-140912-7c1f", false),
            ("pool", "pg-20261123-140912-7c1f", true),
            ("pool", "default", false),
        ] {
            let text = format!(r#"{{"kind":"{kind}","name":"{name}","uri":"qemu:///system"}}"#);
            let resource: Resource = serde_json::from_str(&text).expect("a resource");
            assert_eq!(resource.made.is_of(&run), is_its, "{kind} {name}");
        }
    }

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
