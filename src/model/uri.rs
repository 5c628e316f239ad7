//! Libvirt URIs (<https://libvirt.org/uri.html>) and what they say of their daemons.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a URI.
const LIMIT: usize = 1024;

/// A text that is no URI of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no libvirt URI such as qemu:///system", .0.escape_debug())]
pub struct UriError(String);

/// The URI of a connection to a host; never `auto`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostUri(String);

impl HostUri {
    /// The machine's own system daemon.
    pub fn system() -> Self {
        Self("qemu:///system".to_owned())
    }

    /// The caller's own session.
    pub fn session() -> Self {
        Self("qemu:///session".to_owned())
    }

    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of a system daemon.
    pub fn is_system(&self) -> bool {
        is_system(&self.0)
    }

    /// Whether it is of the machine that patchgate runs on.
    pub fn is_local(&self) -> bool {
        is_local(&self.0)
    }
}

impl FromStr for HostUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for HostUri {
    type Error = UriError;

    fn try_from(text: String) -> Result<Self, UriError> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        if text.len() <= LIMIT && !scheme.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(UriError(text.chars().take(LIMIT).collect()))
        }
    }
}

impl From<HostUri> for String {
    fn from(uri: HostUri) -> Self {
        uri.0
    }
}

impl AsRef<str> for HostUri {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether a URI is of a system daemon, not of one user's session.
pub fn is_system(uri: &str) -> bool {
    uri.split(['?', '#'])
        .next()
        .is_some_and(|path| path.ends_with("/system"))
}

/// Whether a URI is of one user's session.
pub fn is_session(uri: &str) -> bool {
    uri.split('?')
        .next()
        .is_some_and(|path| path.ends_with("/session"))
}

/// Whether a URI is of the machine that patchgate runs on.
pub fn is_local(uri: &str) -> bool {
    uri.split_once("://")
        .is_some_and(|(scheme, rest)| rest.starts_with('/') && matches!(scheme, "qemu" | "qemu+unix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_told_apart() {
        for (uri, system, local) in [
            ("qemu:///system", true, true),
            ("qemu:///session", false, true),
            ("qemu+unix:///system?socket=/run/x", true, true),
            ("qemu+ssh://lab2/system", true, false),
            ("qemu+ssh:///system", true, false),
            ("qemu+tls://lab2/session", false, false),
            ("system", false, false),
        ] {
            assert_eq!((is_system(uri), is_local(uri)), (system, local), "{uri}");
        }
    }

    #[test]
    fn a_host_has_a_uri() {
        for uri in [
            "qemu:///system",
            "qemu+unix:///system?socket=/run/x",
            "fake:///lab",
        ] {
            assert_eq!(uri.parse::<HostUri>().expect(uri).as_str(), uri);
        }
        for text in [
            "",
            "auto",
            "://x",
            "qemu:///sys tem",
            "qemu:///\u{1b}[m",
            &format!("qemu:///{}", "x".repeat(LIMIT)),
        ] {
            assert!(text.parse::<HostUri>().is_err(), "{text}");
        }
        assert!(HostUri::system().is_system() && HostUri::session().is_local());
    }
}
