//! Squid's configuration (<http://www.squid-cache.org/Versions/v5/cfgman/>). Pure.

use std::fmt::Write;
use std::net::SocketAddrV4;
use std::path::Path;

use crate::model::update::Source;

/// Disk for what was fetched, in MB; the oldest goes first.
const CACHE_MB: u32 = 8192;
/// The largest file that is kept: a kernel's debug symbols are some 900 MB.
const OBJECT_MB: u32 = 1024;

/// The configuration of the squid that listens at `address` for a network of that prefix and keeps its files in `dir`.
pub fn render(dir: &Path, address: SocketAddrV4, prefix: u8, sources: &[Source]) -> String {
    let dir = dir.display();
    let mut text = format!(
        "http_port {address}\n\
         acl clients src {}/{prefix}\n\
         acl reading method GET HEAD\n\
         acl tunnel method CONNECT\n",
        address.ip()
    );
    // Writing to a String cannot fail.
    for (at, source) in sources.iter().enumerate() {
        let port = source.port;
        if source.tls {
            let _ = writeln!(
                text,
                "acl source{at} dstdomain {}\nacl port{at} port {port}\nhttp_access allow clients tunnel source{at} port{at}",
                source.host
            );
        } else {
            let shown = if port == 80 {
                "(:80)?".to_owned()
            } else {
                format!(":{port}")
            };
            let _ = writeln!(
                text,
                "acl source{at} url_regex -i ^http://{}{shown}{}\nhttp_access allow clients reading source{at}",
                literal(&source.host),
                literal(&source.path)
            );
        }
    }
    let _ = write!(
        text,
        "http_access deny all\n\
         # Two clones that ask for the same at once are one question to the source.\n\
         collapsed_forwarding on\n\
         cache_dir ufs {dir}/cache {CACHE_MB} 16 64\n\
         cache_mem 64 MB\n\
         maximum_object_size {OBJECT_MB} MB\n\
         # A package of a version never changes; lists and signatures are asked for anew.\n\
         refresh_pattern -i \\.u?deb$ 129600 100% 129600\n\
         refresh_pattern -i /by-hash/ 129600 100% 129600\n\
         refresh_pattern . 0 20% 0\n\
         logformat patchgate %Ss %<bs %<st %rm %ru\n\
         access_log stdio:{dir}/access.log patchgate\n\
         cache_log {dir}/cache.log\n\
         cache_store_log none\n\
         coredump_dir {dir}\n\
         pid_filename none\n\
         netdb_filename none\n\
         pinger_enable off\n\
         visible_hostname patchgate\n\
         via off\n\
         forwarded_for delete\n\
         half_closed_clients off\n\
         max_filedescriptors 4096\n\
         connect_timeout 30 seconds\n\
         shutdown_lifetime 0 seconds\n"
    );
    text
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
        let sources: Vec<Source> = ["http://deb.debian.org/debian-security", "https://repo.example/x"]
            .iter()
            .filter_map(|uri| Source::parse(uri))
            .collect();
        let text = render(
            Path::new("/var/cache/p"),
            "10.213.0.1:3128".parse().expect("address"),
            24,
            &sources,
        );
        insta::assert_snapshot!(text, @r#"
        http_port 10.213.0.1:3128
        acl clients src 10.213.0.1/24
        acl reading method GET HEAD
        acl tunnel method CONNECT
        acl source0 url_regex -i ^http://deb\.debian\.org(:80)?/debian-security/
        http_access allow clients reading source0
        acl source1 dstdomain repo.example
        acl port1 port 443
        http_access allow clients tunnel source1 port1
        http_access deny all
        # Two clones that ask for the same at once are one question to the source.
        collapsed_forwarding on
        cache_dir ufs /var/cache/p/cache 8192 16 64
        cache_mem 64 MB
        maximum_object_size 1024 MB
        # A package of a version never changes; lists and signatures are asked for anew.
        refresh_pattern -i \.u?deb$ 129600 100% 129600
        refresh_pattern -i /by-hash/ 129600 100% 129600
        refresh_pattern . 0 20% 0
        logformat patchgate %Ss %<bs %<st %rm %ru
        access_log stdio:/var/cache/p/access.log patchgate
        cache_log /var/cache/p/cache.log
        cache_store_log none
        coredump_dir /var/cache/p
        pid_filename none
        netdb_filename none
        pinger_enable off
        visible_hostname patchgate
        via off
        forwarded_for delete
        half_closed_clients off
        max_filedescriptors 4096
        connect_timeout 30 seconds
        shutdown_lifetime 0 seconds
        "#);
    }
}
