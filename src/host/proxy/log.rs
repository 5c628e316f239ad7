//! Squid's access log, in the format that [`crate::host::proxy::conf`] asks for: status, bytes from the source, bytes to the clone,
//! method, address.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::model::event::Traffic;
use crate::system::file;

/// Bytes of the log that are read: some million answers.
const READ_LIMIT: u64 = 128 * 1024 * 1024;
/// Refused addresses that are kept, and characters of each.
const REFUSED_LIMIT: usize = 20;
const REFUSED_LENGTH: usize = 120;

/// What the log at `path` says.
pub fn read(path: &Path) -> io::Result<Traffic> {
    let mut traffic = Traffic::default();
    for line in BufReader::new(file::open(path)?.take(READ_LIMIT)).split(b'\n') {
        add(&mut traffic, &String::from_utf8_lossy(&line?));
    }
    Ok(traffic)
}

/// Counts one line. What clones asked for is theirs to choose, and so is bounded.
fn add(traffic: &mut Traffic, line: &str) {
    let mut fields = line.splitn(5, ' ');
    let (Some(status), Some(fetched), Some(sent), Some(method), Some(url)) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) else {
        return;
    };
    let bytes = |field: &str| field.parse::<u64>().unwrap_or(0);
    if status.contains("DENIED") {
        let shown: String = format!("{method} {url}").chars().take(REFUSED_LENGTH).collect();
        let is_ours = url.starts_with(crate::guest::probe::UNLISTED);
        if !is_ours && traffic.refused.len() < REFUSED_LIMIT && !traffic.refused.contains(&shown) {
            traffic.refused.push(shown);
        }
        return;
    }
    traffic.requests += 1;
    let fetched = bytes(fetched);
    traffic.mirror_bytes = traffic.mirror_bytes.saturating_add(fetched);
    let own = bytes(sent).saturating_sub(fetched);
    if status.contains("HIT") || status.contains("UNMODIFIED") {
        traffic.cache_bytes = traffic.cache_bytes.saturating_add(own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_by_where_they_came_from() {
        let mut traffic = Traffic::default();
        for line in [
            "TCP_MISS 1000 1300 GET http://deb.debian.org/debian/a.deb",
            "TCP_HIT - 1290 GET http://deb.debian.org/debian/a.deb",
            "TCP_MEM_HIT 0 290 GET http://deb.debian.org/debian/b.deb",
            "TCP_DENIED - 3900 POST http://bank.example/transfer",
            "TCP_DENIED - 3900 POST http://bank.example/transfer",
            "TCP_DENIED - 3900 HEAD http://patchgate.invalid/",
            "garbage",
            "",
        ] {
            add(&mut traffic, line);
        }
        assert_eq!(
            (traffic.requests, traffic.mirror_bytes, traffic.cache_bytes),
            (3, 1000, 1580)
        );
        assert_eq!(traffic.refused, ["POST http://bank.example/transfer"]);
    }

    #[test]
    fn a_clone_that_asks_for_everything_fills_nothing() {
        let mut traffic = Traffic::default();
        for number in 0..1000 {
            add(
                &mut traffic,
                &format!("TCP_DENIED - 1 GET http://{number}/{}", "x".repeat(9000)),
            );
        }
        assert_eq!(traffic.refused.len(), REFUSED_LIMIT);
        assert!(
            traffic
                .refused
                .iter()
                .all(|refused| refused.chars().count() <= REFUSED_LENGTH)
        );
    }
}
