//! The addresses of this machine, which no clone may reach by way of the proxy. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

/// Networks that are nobody's update source: this machine itself, link-local, the outlets' and cells' own, multicast, reserved.
pub const INSIDE: [&str; 11] = [
    "127.0.0.0/8",
    "0.0.0.0/8",
    "169.254.0.0/16",
    "10.213.0.0/16",
    "10.214.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The addresses in the kernel's table of routes, `/proc/net/fib_trie`, where a local address is a line `|-- ADDRESS` with
/// a line `/32 host LOCAL` below it; and in `/proc/net/if_inet6`, where it begins a line in hexadecimal digits.
pub fn addresses(fib_trie: &str, if_inet6: &str) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok().map(IpAddr::V4);
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last);
        }
    }
    found.extend(if_inet6.lines().filter_map(|line| {
        let digits = line
            .split_whitespace()
            .next()
            .filter(|digits| digits.len() == 32)?;
        let bits = u128::from_str_radix(digits, 16).ok()?;
        Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_read_and_no_others() {
        let fib = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 192.0.2.0/24 2 0 2\n        \
                   |-- 192.0.2.0\n           /24 link UNICAST\n        |-- 192.0.2.2\n           /32 host LOCAL\n        \
                   |-- 192.0.2.255\n           /32 link BROADCAST\n";
        let six = "fd000000000000000000000000000002 04 40 00 82     eth0\nnonsense\n";
        let found: Vec<String> = addresses(fib, six).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.2", "fd00::2"]);
        assert!(addresses("garbage\n/32 host LOCAL", "").is_empty());
    }
}
