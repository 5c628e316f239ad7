//! What names of things in a guest may look like: paths, hosts, ports, units, packages.

/// What a unit's name may hold beside letters and digits (systemd.unit(5)).
pub const UNIT: &str = ":-_.\\@";

/// What a package's name may hold beside letters and digits.
pub const PACKAGE: &str = "+-._:";

/// Whether a text is an absolute path.
pub fn is_absolute(text: &str) -> bool {
    text.starts_with('/') && !text.contains('\0')
}

/// Whether a text has only ASCII letters, digits and some more characters.
pub fn is_name(text: &str, also: &str, most: usize) -> bool {
    let fits = (1..=most).contains(&text.len()) && !text.starts_with('-');
    fits && text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

/// Whether a text can be the name or address of a host.
pub fn is_host(text: &str) -> bool {
    is_name(text, "-._", 253) || text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Whether a text is a TCP or UDP port.
pub fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}
