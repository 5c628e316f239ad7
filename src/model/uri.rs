//! What a libvirt URI (<https://libvirt.org/uri.html>) says of its daemon. Pure.

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
}
