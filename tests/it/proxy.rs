//! The clones' one way out, with a real squid on loopback ports: what it refuses, and that it hands out nothing old.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use patchgate::host::proxy::SquidLauncher;
use patchgate::port::{OutletInfo, Proxy, ProxyLauncher, ProxySpec};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::testkit::guests::names;

/// A folder that squid's user can get into.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
    folder
}

/// A repository that answers every question with the path that it was asked for.
async fn repository() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let read = stream.read(&mut asked).await.unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..read]).into_owned();
            let path = asked.split(' ').nth(1).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{path}",
                path.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, task)
}

async fn launch(base: &Path, sources: &[String]) -> Result<Box<dyn Proxy>, patchgate::port::LabError> {
    let spec = ProxySpec {
        outlet: OutletInfo {
            gateway: Ipv4Addr::LOCALHOST,
            prefix: 8,
        },
        sources: sources.to_vec(),
    };
    SquidLauncher::at(base.join("proxy")).start(&spec).await
}

/// The answer to one request: its status, and squid's own error where it is one.
async fn ask(proxy: SocketAddrV4, asked: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(proxy).await.expect("a proxy");
    let request = format!("{asked} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let error = answer
        .lines()
        .find_map(|line| line.strip_prefix("X-Squid-Error: "));
    (status.unwrap_or(0), error.unwrap_or_default().trim().to_owned())
}

const DENIED: (u16, &str) = (403, "ERR_ACCESS_DENIED 0");

#[tokio::test]
async fn only_what_is_below_a_source_passes_and_nothing_that_leads_to_this_machine() {
    let (folder, (port, repository)) = (folder(), repository().await);
    let here = format!("http://127.0.0.1:{port}/repo");
    let sources = [here.clone(), "https://packages.invalid/x".to_owned()];
    let proxy = launch(folder.path(), &sources).await.expect("a proxy");
    let at = proxy.address();
    assert_eq!(ask(at, &format!("GET {here}/a.deb")).await, (200, String::new()));
    let refused = proxy.forbidden().refused;
    for words in [
        "CONNECT 127.0.0.1:22",
        "HEAD http://localhost/",
        "/repo/../",
        "/repo/%2e%2e/",
        "/repo/?a=b",
        "169.254",
    ] {
        assert!(
            refused.iter().any(|asked| asked.contains(words)),
            "{words} in {refused:?}"
        );
    }
    let more = [
        format!("GET http://127.0.0.1:{port}/other"),
        format!("GET http://127.0.0.1:{port}/Repo/a.deb"),
        format!("GET http://127.0.0.1:{port}/repo/%2E%2E/x"),
        format!("GET http://0x7f000001:{}/repo/a.deb", port.wrapping_add(1)),
        format!("POST {here}/a.deb"),
        format!("CONNECT 127.0.0.1:{port}"),
        "CONNECT 192.0.2.80:443".to_owned(),
        "CONNECT packages.invalid:22".to_owned(),
        "GET http://packages.invalid/x/".to_owned(),
        "GET http://10.213.7.2/".to_owned(),
    ];
    for asked in refused.iter().chain(&more) {
        let (status, error) = ask(at, asked).await;
        assert_eq!((status, error.as_str()), DENIED, "{asked}");
    }
    assert_eq!(proxy.breaches(), Vec::<String>::new());
    let traffic = proxy.stop().await;
    assert_eq!(traffic.requests, 1);
    // What patchgate itself asks for is not what clones did.
    assert!(
        !traffic.refused.iter().any(|told| refused.contains(told)),
        "{traffic:?}"
    );
    assert!(traffic.refused.contains(&more[0]), "{traffic:?}");
    repository.abort();
}

#[tokio::test]
async fn a_source_that_is_down_has_no_old_lists() {
    let (folder, (port, repository)) = (folder(), repository().await);
    let here = format!("http://127.0.0.1:{port}/repo");
    let proxy = launch(folder.path(), std::slice::from_ref(&here))
        .await
        .expect("a proxy");
    let at = proxy.address();
    let lasting = ["pool/a_1_all.deb", "dists/x/main/by-hash/SHA256/00"];
    let lists = [
        "dists/x/InRelease",
        "dists/x/Release",
        "dists/x/Release.gpg",
        "dists/x/main/Packages.xz",
        "repodata/repomd.xml",
    ];
    for path in lasting.iter().chain(&lists) {
        assert_eq!(ask(at, &format!("GET {here}/{path}")).await.0, 200, "{path}");
    }
    repository.abort();
    let _ = repository.await;
    for path in lasting {
        assert_eq!(
            ask(at, &format!("GET {here}/{path}")).await.0,
            200,
            "{path} is kept"
        );
    }
    for path in lists {
        let (status, error) = ask(at, &format!("GET {here}/{path}")).await;
        assert!(
            status >= 500 && error.starts_with("ERR_CONNECT_FAIL"),
            "{path}: {status} {error}"
        );
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_no_source() {
    let folder = folder();
    let error = launch(folder.path(), &["http://localhost:8000/repo".to_owned()])
        .await
        .err()
        .expect("refused");
    assert!(
        error
            .message
            .contains("the update source localhost is at 127.0.0.1"),
        "{error}"
    );
    assert!(
        error
            .hint
            .is_some_and(|hint| hint.contains("http://127.0.0.1:8000/repo/"))
    );
}

#[tokio::test]
async fn squid_writes_nowhere_but_in_its_cache() {
    let folder = folder();
    let proxy = launch(folder.path(), &[]).await.expect("a proxy");
    proxy.stop().await;
    assert_eq!(names(&folder.path().join("proxy/0")), ["cache", "squid.conf"]);
}
