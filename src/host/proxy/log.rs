//! Squid's access log, in the format that [`crate::host::proxy::conf`] asks for: status, bytes from the source, bytes to the clone,
//! method, address.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::model::event::Traffic;

/// Bytes of a line that are read.
const LINE_LIMIT: usize = 8 * 1024;
/// Refused addresses that are kept, and characters of each.
const REFUSED_LIMIT: usize = 20;
const REFUSED_LENGTH: usize = 120;
/// How long lines may still come after squid has ended.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// What squid tells of what passed it, counted as it comes: nothing is written that could grow, or be a link.
pub struct Ledger {
    address: SocketAddrV4,
    traffic: Arc<Mutex<Traffic>>,
    task: JoinHandle<()>,
}

impl Ledger {
    /// Begins to listen, for one squid.
    /// `probed` is what patchgate itself asks for to be refused, as `METHOD ADDRESS`; that is not told.
    pub async fn open(probed: Vec<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let its = traffic.clone();
        let task = tokio::spawn(async move {
            if let Ok((stream, _)) = listener.accept().await {
                lines(stream, |line| {
                    add(
                        &mut its.lock().unwrap_or_else(PoisonError::into_inner),
                        &probed,
                        line,
                    );
                })
                .await;
            }
        });
        Ok(Self {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
            traffic,
            task,
        })
    }

    /// Where squid sends its lines.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// All that passed, once squid has ended.
    pub async fn close(&mut self) -> Traffic {
        if timeout(REST_LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
        self.traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hands over every line until the end, each cut at the limit.
pub async fn lines(mut from: impl AsyncRead + Unpin, mut take: impl FnMut(&str)) {
    let (mut line, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        for &byte in &piece[..read] {
            if byte == b'\n' {
                take(&String::from_utf8_lossy(&line));
                line.clear();
            } else if line.len() < LINE_LIMIT {
                line.push(byte);
            }
        }
    }
    if !line.is_empty() {
        take(&String::from_utf8_lossy(&line));
    }
}

/// Counts one line. What clones asked for is theirs to choose, and so is bounded.
fn add(traffic: &mut Traffic, probed: &[String], line: &str) {
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
    // Somebody connected and asked for nothing, as patchgate does to see whether squid answers.
    if url.starts_with("error:") {
        return;
    }
    let bytes = |field: &str| field.parse::<u64>().unwrap_or(0);
    if status.contains("DENIED") {
        let whole = format!("{method} {url}");
        let shown: String = whole.chars().take(REFUSED_LENGTH).collect();
        let is_ours = url.starts_with(crate::guest::probe::UNLISTED) || probed.contains(&whole);
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

    #[tokio::test]
    async fn lines_come_over_a_connection_and_are_cut() {
        use tokio::io::AsyncWriteExt;
        let mut ledger = Ledger::open(Vec::new()).await.expect("a ledger");
        let mut squid = tokio::net::TcpStream::connect(ledger.address())
            .await
            .expect("a way");
        let long = format!("TCP_DENIED - 1 GET http://{}\n", "x".repeat(3 * LINE_LIMIT));
        squid.write_all(long.as_bytes()).await.expect("written");
        squid
            .write_all(b"TCP_MISS 1000 1300 GET http://h/a.deb")
            .await
            .expect("written");
        drop(squid);
        let traffic = ledger.close().await;
        assert_eq!(
            (traffic.requests, traffic.mirror_bytes, traffic.refused.len()),
            (1, 1000, 1)
        );
    }

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
            "TCP_DENIED - 3900 CONNECT 127.0.0.1:22",
            "garbage",
            "",
        ] {
            add(&mut traffic, &["CONNECT 127.0.0.1:22".to_owned()], line);
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
                &[],
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
