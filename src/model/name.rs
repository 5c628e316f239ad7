//! Names of what a run makes on a host: such that libvirt, file systems and XML take them as they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::id::RunId;

/// Bytes of a name; libvirt makes file names of it, with endings of its own, and those have 255.
const LIMIT: usize = 200;

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no name for a {kind}: use letters and digits, and `.`, `_` or `-` after the first; at most {LIMIT} characters",
    .text.escape_debug()
)]
pub struct NameError {
    kind: &'static str,
    text: String,
}

fn check(kind: &'static str, text: &str) -> Result<(), NameError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= LIMIT && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
    {
        return Ok(());
    }
    Err(NameError {
        kind,
        text: text.chars().take(LIMIT).collect(),
    })
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A name of that text, where it can be one.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check($kind, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// A VM's.
    DomainName "domain";
    /// A virtual network's.
    NetworkName "network";
    /// A network filter's.
    FilterName "filter";
    /// A storage pool's.
    PoolName "pool";
    /// A disk's, or another file's, in its pool.
    VolumeName "volume";
}

/// The name of what a run has once on a host.
fn of_run(run: &RunId) -> String {
    format!("pg-{run}")
}

/// The run of such a name.
fn run(name: &str) -> Option<RunId> {
    name.strip_prefix("pg-")?.parse().ok()
}

impl PoolName {
    /// A run's pool.
    pub fn of_run(run: &RunId) -> Self {
        Self(of_run(run))
    }

    /// The run of a pool of patchgate's; nothing of any other.
    pub fn run(&self) -> Option<RunId> {
        run(&self.0)
    }
}

impl FilterName {
    /// A run's filter.
    pub fn of_run(run: &RunId) -> Self {
        Self(of_run(run))
    }

    /// The run of a filter of patchgate's; nothing of any other. Filters have no metadata.
    pub fn run(&self) -> Option<RunId> {
        run(&self.0)
    }
}

/// A volume and its pool, `pool/volume`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumePath {
    /// The pool.
    pub pool: PoolName,
    /// The volume.
    pub name: VolumeName,
}

impl VolumePath {
    /// A volume in a pool.
    pub fn new(pool: &PoolName, name: &VolumeName) -> Self {
        Self {
            pool: pool.clone(),
            name: name.clone(),
        }
    }
}

impl FromStr for VolumePath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // Without a slash it is a pool alone, and no volume has an empty name.
        let (pool, name) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self {
            pool: pool.parse()?,
            name: name.parse()?,
        })
    }
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_libvirt_and_file_systems_take_as_they_are() {
        for name in [
            "pg-20261123-140912-7c1f-3-treatment-web",
            "debian-12-web.base.qcow2",
            "here-6ba7b810_x",
            "0",
            &"x".repeat(LIMIT),
        ] {
            assert_eq!(DomainName::new(name).expect(name).as_str(), name);
        }
        for name in [
            "",
            ".",
            "..",
            "-rf",
            ".hidden",
            "a/b",
            "a b",
            "a\n",
            "a\0",
            "wéb",
            "a&b",
            &"x".repeat(LIMIT + 1),
        ] {
            let error = VolumeName::new(name).expect_err(name).to_string();
            assert!(error.contains("no name for a volume"), "{error}");
            assert!(!error.contains('\n') && error.len() < 500, "{error}");
        }
    }

    #[test]
    fn a_runs_own_names_tell_it() {
        let id: RunId = "20261123-140912-7c1f".parse().expect("a run id");
        assert_eq!(PoolName::of_run(&id).run(), Some(id.clone()));
        assert_eq!(FilterName::of_run(&id).run(), Some(id.clone()));
        assert_eq!(
            PoolName::of_run(&id),
            PoolName::new(PoolName::of_run(&id).as_str()).expect("a name")
        );
        for other in ["pg-look-1", "20261123-140912-7c1f", "default", "clean-traffic"] {
            assert_eq!(PoolName::new(other).expect(other).run(), None, "{other}");
            assert_eq!(FilterName::new(other).expect(other).run(), None, "{other}");
        }
    }

    #[test]
    fn a_volume_is_named_with_its_pool() {
        let path: VolumePath = "pg-a/web.qcow2".parse().expect("a volume");
        assert_eq!((path.pool.as_str(), path.name.as_str()), ("pg-a", "web.qcow2"));
        assert_eq!(path.to_string(), "pg-a/web.qcow2");
        for text in ["pg-a", "pg-a/", "/x", "pg-a/x/y", "pg-a/../x"] {
            assert!(text.parse::<VolumePath>().is_err(), "{text}");
        }
    }
}
