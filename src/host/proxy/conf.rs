//! Squid's configuration (<http://www.squid-cache.org/Versions/v5/cfgman/>). Pure.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddrV4};
use std::path::Path;

use crate::host::proxy::own::INSIDE;
use crate::model::update::Source;

/// Disk for what was fetched, in MB; the oldest goes first.
const CACHE_MB: u32 = 8192;
/// The largest file that is kept: a kernel's debug symbols are some 900 MB.
const OBJECT_MB: u32 = 1024;

/// What a squid is to be.
pub struct Squid<'a> {
    /// The folder that its cache is in.
    pub dir: &'a Path,
    /// Where it listens.
    pub address: SocketAddrV4,
    /// The prefix of the network that it serves.
    pub prefix: u8,
    /// What it lets through.
    pub sources: &'a [Source],
    /// Addresses of this machine.
    pub own: &'a BTreeSet<IpAddr>,
    /// Where it sends the lines of its access log.
    pub log: SocketAddrV4,
}

/// Its configuration. What is refused is refused before the list: addresses that a folder's prefix does not hold to, hosts
/// named by number, and names that lead to this machine or into a lab. Only a number that is itself listed is let through. No
/// name is looked up but a listed one, since a question is a way out too.
pub fn render(squid: &Squid<'_>) -> String {
    let Squid { address, prefix, .. } = squid;
    let dir = squid.dir.display();
    let names: Vec<&str> = squid
        .sources
        .iter()
        .map(|source| source.host.as_str())
        .filter(|host| !is_number(host))
        .collect();
    let own = squid.own.iter().map(ToString::to_string);
    let inside: Vec<String> = INSIDE.iter().map(|&net| net.to_owned()).chain(own).collect();
    let mut text = format!(
        "http_port {address}\n\
         acl clients src {}/{prefix}\n\
         acl reading method GET HEAD\n\
         acl tunnel method CONNECT\n\
         acl plain proto HTTP\n\
         acl crooked urlpath_regex -i /\\.\\.?(/|$) %2e %2f %5c %00 \\\\ \\?\n\
         acl number dstdom_regex -n -i ^[0-9.]+$ ^0x[0-9a-f.x]+$ :\n\
         acl inside dst {}\n",
        address.ip(),
        inside.join(" ")
    );
    // Writing to a String cannot fail.
    for (at, source) in squid.sources.iter().enumerate() {
        let _ = writeln!(
            text,
            "acl host{at} dstdomain -n {}\nacl port{at} port {}",
            source.host, source.port
        );
        if !source.tls {
            let _ = writeln!(text, "acl path{at} urlpath_regex ^{}", literal(&source.path));
        }
    }
    text.push_str("http_access deny !clients\nhttp_access deny reading crooked\n");
    let mut allow = |numbers: bool| {
        for (at, source) in squid
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| is_number(&source.host) == numbers)
        {
            let rule = if source.tls {
                format!("tunnel host{at} port{at}")
            } else {
                format!("reading plain host{at} port{at} path{at}")
            };
            let _ = writeln!(text, "http_access allow {rule}");
        }
        if numbers {
            text.push_str("http_access deny number\n");
            if !names.is_empty() {
                let _ = writeln!(
                    text,
                    "acl listed dstdomain -n {}\nhttp_access deny listed inside",
                    unique(&names).join(" ")
                );
            }
        }
    };
    allow(true);
    allow(false);
    let _ = write!(
        text,
        "http_access deny all\n\
         # Two clones that ask for the same at once are one question to the source.\n\
         collapsed_forwarding on\n\
         cache_dir ufs {dir}/cache {CACHE_MB} 16 64\n\
         cache_mem 64 MB\n\
         maximum_object_size {OBJECT_MB} MB\n\
         # A package of a version never changes, nor does what is named by its digest. All else is never kept: squid hands out\n\
         # what is old where its source does not answer.\n\
         acl lasting urlpath_regex -i \\.(u?deb|d?rpm)$ /by-hash/ /repodata/[0-9a-f]{{32,}}-\n\
         cache deny !lasting\n\
         refresh_pattern . 129600 100% 129600\n\
         logformat patchgate %Ss %<bs %<st %rm %ru\n\
         access_log tcp://{} logformat=patchgate on-error=drop\n\
         cache_log /dev/null\n\
         cache_store_log none\n\
         strip_query_terms off\n\
         pid_filename none\n\
         netdb_filename none\n\
         pinger_enable off\n\
         visible_hostname patchgate\n\
         via off\n\
         forwarded_for delete\n\
         half_closed_clients off\n\
         max_filedescriptors 4096\n\
         connect_timeout 30 seconds\n\
         shutdown_lifetime 0 seconds\n",
        squid.log
    );
    text
}

/// Whether a host is named by number.
pub fn is_number(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

fn unique<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let set: BTreeSet<&str> = names.iter().copied().collect();
    set.into_iter().collect()
}

/// A text as a regular expression that matches it alone (regex(7)).
fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r".[]{}()*+?^$|\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sources_are_let_through() {
        let sources: Vec<Source> = [
            "http://deb.debian.org/debian-security",
            "https://repo.example/x",
            "http://192.0.2.7:8080/repo",
        ]
        .iter()
        .filter_map(|uri| Source::parse(uri))
        .collect();
        let text = render(&Squid {
            dir: Path::new("/var/cache/p"),
            address: "10.213.0.1:3128".parse().expect("address"),
            prefix: 24,
            sources: &sources,
            own: &["192.0.2.2".parse().expect("address")].into(),
            log: "127.0.0.1:4000".parse().expect("address"),
        });
        let (rules, rest) = text
            .split_once("http_access deny all\n")
            .expect("an end of the rules");
        insta::assert_snapshot!(rules, @r"
        http_port 10.213.0.1:3128
        acl clients src 10.213.0.1/24
        acl reading method GET HEAD
        acl tunnel method CONNECT
        acl plain proto HTTP
        acl crooked urlpath_regex -i /\.\.?(/|$) %2e %2f %5c %00 \\ \?
        acl number dstdom_regex -n -i ^[0-9.]+$ ^0x[0-9a-f.x]+$ :
        acl inside dst 127.0.0.0/8 0.0.0.0/8 169.254.0.0/16 10.213.0.0/16 10.214.0.0/16 224.0.0.0/4 240.0.0.0/4 ::/127 fe80::/10 fec0::/10 ff00::/8 192.0.2.2
        acl host0 dstdomain -n deb.debian.org
        acl port0 port 80
        acl path0 urlpath_regex ^/debian-security/
        acl host1 dstdomain -n repo.example
        acl port1 port 443
        acl host2 dstdomain -n 192.0.2.7
        acl port2 port 8080
        acl path2 urlpath_regex ^/repo/
        http_access deny !clients
        http_access deny reading crooked
        http_access allow reading plain host2 port2 path2
        http_access deny number
        acl listed dstdomain -n deb.debian.org repo.example
        http_access deny listed inside
        http_access allow reading plain host0 port0 path0
        http_access allow tunnel host1 port1
        ");
        assert!(
            rest.contains("\ncache deny !lasting\n") && rest.contains("tcp://127.0.0.1:4000 "),
            "{rest}"
        );
    }
}
