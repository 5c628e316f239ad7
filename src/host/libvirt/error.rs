//! Libvirt's errors as lab errors: cause and remedy from code and message.

use std::path::Path;

use virt::error::{Error, ErrorNumber};

use crate::model::outcome::Cause;
use crate::port::LabError;

/// Bytes of libvirt's message that are kept; QEMU's may hold its whole error output.
const MESSAGE_LIMIT: usize = 1000;

/// What libvirt's words stand for: cause, one of these words in lower case, remedy. The first that matches counts.
const KNOWN: &[(Cause, &[&str], &str)] = &[
    (
        Cause::HostMemory,
        &[
            "cannot allocate memory",
            "cannot set up guest memory",
            "out of memory",
        ],
        "free memory on the host, or lower `memory` of the role or of [[host]]",
    ),
    (
        Cause::HostDisk,
        &["no space left on device", "disk quota exceeded"],
        "free disk space where libvirt keeps its images; `patchgate clean` removes what dead runs left",
    ),
    (
        Cause::HostRefused,
        &[
            "could not access kvm",
            "kvm is not supported",
            "'kvm' is not supported",
            "failed to initialize kvm",
        ],
        "set accel = \"auto\" or \"tcg\" in [[host]], or load the host's KVM module",
    ),
    (
        Cause::HostRefused,
        &["authentication", "access denied", "polkit"],
        "add the user to the group `libvirt`, or set uri = \"qemu:///session\" in [[host]]",
    ),
    (
        Cause::HostRefused,
        &[
            "failed to connect socket",
            "unable to connect to server",
            "connection reset",
            "end of file while reading",
        ],
        "start libvirtd (`systemctl start libvirtd`; without systemd, as root: `virtlogd -d; libvirtd -d`)",
    ),
    (
        Cause::HostRefused,
        &["virtlogd"],
        "start virtlogd (`systemctl start virtlogd.socket`; without systemd, as root: `virtlogd -d`)",
    ),
    (
        Cause::HostRefused,
        &["dnsmasq"],
        "install dnsmasq-base on the host: libvirt's networks need it",
    ),
    (
        Cause::HostRefused,
        &["iptables", "nftables", "firewall"],
        "see that iptables or nftables work on the host: libvirt's NAT networks need them",
    ),
    (
        Cause::HostRefused,
        &["permission denied", "operation not permitted"],
        "let QEMU's user reach the path named, and look for an AppArmor or SELinux denial in the host's log",
    ),
    (
        Cause::HostRefused,
        &[
            "already exists",
            "already active",
            "already in use",
            "already defined",
        ],
        "`patchgate clean` removes what dead runs left",
    ),
];

/// The lab error of a libvirt error that came up while `doing` (`starting domain x`).
pub fn lab_error(doing: &str, error: &Error) -> LabError {
    let denied = [
        ErrorNumber::AuthFailed,
        ErrorNumber::AuthCancelled,
        ErrorNumber::AuthUnavailable,
    ];
    let message = if denied.into_iter().any(|code| error.code().is(code)) {
        format!("authentication: {}", error.message())
    } else {
        error.message().to_owned()
    };
    from_message(doing, &message)
}

/// The lab error of libvirt's words.
pub fn from_message(doing: &str, message: &str) -> LabError {
    let words = message.to_lowercase();
    let known = KNOWN
        .iter()
        .find(|(_, patterns, _)| patterns.iter().any(|pattern| words.contains(pattern)));
    let message = format!("{doing}: {}", one_line(message));
    match known {
        Some((cause, _, hint)) => LabError::new(*cause, message).with_hint(*hint),
        None => LabError::new(Cause::HostRefused, message),
    }
}

/// For `map_err`: the lab error of what came up while `doing`.
pub fn doing(doing: impl Into<String>) -> impl FnOnce(Error) -> LabError {
    let doing = doing.into();
    move |error| lab_error(&doing, &error)
}

/// Whether libvirt says that a domain, network, pool or volume is not there.
pub fn is_absent(error: &Error) -> bool {
    [
        ErrorNumber::NoDomain,
        ErrorNumber::NoNetwork,
        ErrorNumber::NoNwfilter,
        ErrorNumber::NoStoragePool,
        ErrorNumber::NoStorageVolume,
    ]
    .into_iter()
    .any(|code| error.code().is(code))
}

/// What a lookup found; `None` where it is not there.
pub fn found<T>(result: Result<T, Error>, what: &str) -> Result<Option<T>, LabError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(lab_error(&format!("looking up {what}"), &error)),
    }
}

/// Text on one line, bounded, without control characters.
pub fn one_line(text: &str) -> String {
    let mut line = text
        .split(|c: char| c.is_control())
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if line.len() > MESSAGE_LIMIT {
        let end = (0..=MESSAGE_LIMIT)
            .rev()
            .find(|at| line.is_char_boundary(*at))
            .unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The error of a file that is not what was sealed or saved.
pub fn damaged(file: &Path, fault: &str) -> LabError {
    LabError::new(Cause::ImageDamaged, format!("image {}: {fault}", file.display())).with_hint(
        "restore the file from where it was sealed, or remove the image and build or import it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirts_words_become_cause_and_remedy() {
        for (message, cause, hint) in [
            (
                "internal error: qemu unexpectedly closed the monitor: cannot set up guest memory 'pc.ram': Cannot allocate memory",
                Cause::HostMemory,
                Some("lower `memory`"),
            ),
            (
                "cannot write data to file '/x/y': No space left on device",
                Cause::HostDisk,
                Some("patchgate clean"),
            ),
            (
                "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
                Cause::HostRefused,
                Some("start libvirtd"),
            ),
            (
                "Could not access KVM kernel module: Permission denied",
                Cause::HostRefused,
                Some("accel"),
            ),
            (
                "authentication: authentication unavailable: no polkit agent",
                Cause::HostRefused,
                Some("group `libvirt`"),
            ),
            (
                "Cannot access storage file '/root/x': Permission denied",
                Cause::HostRefused,
                Some("QEMU's user"),
            ),
            (
                "network 'n' already exists with uuid 1",
                Cause::HostRefused,
                Some("patchgate clean"),
            ),
            ("unsupported configuration: no", Cause::HostRefused, None),
        ] {
            let error = from_message("starting domain d", message);
            assert_eq!(error.cause, cause, "{message}");
            assert!(error.message.starts_with("starting domain d: "), "{error}");
            match hint {
                Some(hint) => assert!(error.hint.is_some_and(|text| text.contains(hint)), "{message}"),
                None => assert_eq!(error.hint, None, "{message}"),
            }
        }
    }

    #[test]
    fn messages_are_one_bounded_line() {
        let error = from_message("x", &format!("a\n\tb\x1b[31m{}", "é".repeat(5000)));
        assert!(error.message.starts_with("x: a b [31mé"), "{error}");
        assert!(
            error.message.len() < MESSAGE_LIMIT + 20,
            "{}",
            error.message.len()
        );
    }
}
