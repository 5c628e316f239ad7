//! A mirror of RPM packages whose content changes when a test says so. It listens on this machine's loopback; patchgate's
//! proxy lets clones through to it since its number is listed as a source.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where it listens, as tests/rpm/lab.repo says too: nothing else of this machine's world can be there.
const ADDRESS: &str = "127.83.80.80";
const PORT: u16 = 8380;
/// One mirror at a time in a process.
static ALONE: Mutex<()> = Mutex::new(());
/// A client that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(20);

/// How a repository's metadata is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    WithAdvisories,
    /// Without any.
    Bare,
    /// As an hour later, with what was learned meanwhile.
    Later,
}

#[derive(Default)]
struct Shelf {
    /// Each repository's name and the folder that is it now.
    folders: BTreeMap<String, PathBuf>,
    /// Whatever was asked for, in order.
    asked: Vec<String>,
    /// Says that it cannot serve now.
    down: bool,
}

/// The server, which ends with this.
pub struct Mirror {
    /// What build-repo.sh built.
    built: PathBuf,
    folder: tempfile::TempDir,
    shelf: Arc<Mutex<Shelf>>,
    published: Mutex<u32>,
    ends: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
    _alone: MutexGuard<'static, ()>,
}

impl Mirror {
    /// A mirror of `base`, with nothing in `updates` and `silent`.
    pub fn begin(built: &Path) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = TcpListener::bind((ADDRESS, PORT)).expect("the mirror's port is free");
        let (shelf, ends) = (Arc::<Mutex<Shelf>>::default(), Arc::<AtomicBool>::default());
        let server = thread::spawn({
            let (shelf, ends) = (shelf.clone(), ends.clone());
            move || {
                for client in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let shelf = shelf.clone();
                    // A client that goes away is its own affair.
                    thread::spawn(move || client.and_then(|client| serve(&client, &shelf)));
                }
            }
        });
        let mirror = Self {
            built: built.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
            shelf,
            published: Mutex::default(),
            ends,
            server: Some(server),
            _alone: alone,
        };
        locked(&mirror.shelf)
            .folders
            .insert("base".into(), built.join("base"));
        mirror.publish("updates", &[], Metadata::Bare);
        mirror.publish("silent", &[], Metadata::Bare);
        mirror
    }

    /// Its address, as a source of the lab file.
    pub fn source() -> String {
        format!("http://{ADDRESS}:{PORT}/")
    }

    /// From now on a repository has these packages (`pg-web-2.0-1`) and no others.
    pub fn publish(&self, repository: &str, packages: &[&str], metadata: Metadata) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        *published += 1;
        let folder = self.folder.path().join(published.to_string());
        fs::create_dir(&folder).expect("a folder");
        for package in packages {
            let file = format!("{package}.noarch.rpm");
            let from = ["base", "updates", "second", "silent", "flip"]
                .iter()
                .map(|built| self.built.join(built).join(&file))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("build-repo.sh builds no {file}"));
            fs::copy(from, folder.join(file)).expect("copied");
        }
        let mut script = Command::new(scripts().join("publish.sh"));
        match metadata {
            Metadata::WithAdvisories => {}
            Metadata::Bare => _ = script.arg("--bare"),
            Metadata::Later => _ = script.args(["--later", "3600"]),
        }
        run(script.arg(&self.built).arg(&folder));
        locked(&self.shelf).folders.insert(repository.into(), folder);
    }

    /// A package that the metadata goes on naming is not there any more.
    pub fn withdraw(&self, repository: &str, package: &str) {
        fs::remove_file(self.file(repository, package)).expect("removed");
    }

    /// A package is not the file any more that the metadata describes: the same name, some bytes more.
    pub fn tamper(&self, repository: &str, package: &str) {
        let path = self.file(repository, package);
        let mut bytes = fs::read(&path).expect("read");
        bytes.extend(b"not what was signed");
        fs::write(path, bytes).expect("written");
    }

    /// Whether it answers every question with 503 from now on.
    pub fn down(&self, down: bool) {
        locked(&self.shelf).down = down;
    }

    /// What it was asked for, as `GET /updates/repodata/repomd.xml`.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.shelf).asked.clone()
    }

    fn file(&self, repository: &str, package: &str) -> PathBuf {
        let folder = locked(&self.shelf).folders[repository].clone();
        assert!(
            folder.starts_with(self.folder.path()),
            "{repository} is everybody's"
        );
        folder.join(format!("{package}.noarch.rpm"))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes it, so that it sees that it ends.
        if TcpStream::connect((ADDRESS, PORT)).is_ok()
            && let Some(server) = self.server.take()
        {
            let _ = server.join();
        }
    }
}

/// The folder of the shell scripts.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rpm")
}

/// Runs a program that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one question (RFC 9110): GET or HEAD of a file, all of it or one range.
fn serve(client: &TcpStream, shelf: &Mutex<Shelf>) -> io::Result<()> {
    client.set_read_timeout(Some(SILENCE))?;
    client.set_write_timeout(Some(SILENCE))?;
    let mut lines = BufReader::new(client).take(64 * 1024).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("range:") {
            range = Some(bytes.trim().to_owned());
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let file = {
        let mut shelf = locked(shelf);
        shelf.asked.push(format!("{method} {path}"));
        if shelf.down {
            return head(client, "503 Service Unavailable", 0, "");
        }
        find(&shelf, path)
    };
    let Some(mut file) = file.and_then(|path| fs::File::open(path).ok()) else {
        return head(client, "404 Not Found", 0, "");
    };
    let size = file.metadata()?.len();
    let (from, to) = match range.as_deref().map(|range| part(range, size)) {
        None => (0, size),
        Some(Some(part)) => part,
        Some(None) => {
            let all = format!("Content-Range: bytes */{size}\r\n");
            return head(client, "416 Range Not Satisfiable", 0, &all);
        }
    };
    if range.is_some() {
        let part = format!("Content-Range: bytes {from}-{}/{size}\r\n", to - 1);
        head(client, "206 Partial Content", to - from, &part)?;
    } else {
        head(client, "200 OK", size, "")?;
    }
    if method == "GET" {
        file.seek(SeekFrom::Start(from))?;
        io::copy(&mut file.take(to - from), &mut &*client)?;
    }
    Ok(())
}

fn head(mut client: &TcpStream, status: &str, length: u64, more: &str) -> io::Result<()> {
    // Not kept: the proxy's cache outlives a test, and the next one has other packages of the same name.
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\nCache-Control: no-store\r\n\
         Content-Type: application/octet-stream\r\nConnection: close\r\n{more}\r\n"
    )
}

/// The file that a path names: that of a repository, or in its `repodata`.
fn find(shelf: &Shelf, path: &str) -> Option<PathBuf> {
    let path = decoded(path)?;
    let (repository, file) = path.strip_prefix('/')?.split_once('/')?;
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    let name = file.strip_prefix("repodata/").unwrap_or(file);
    Some(shelf.folders.get(repository)?.join(file)).filter(|_| plain(name))
}

/// A path without its percent signs: `^`, `~` and `+` are in names of packages.
fn decoded(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut text = parts.next()?.as_bytes().to_vec();
    for part in parts {
        text.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        text.extend(part.as_bytes().get(2..)?);
    }
    String::from_utf8(text).ok()
}

/// Where the one range of `bytes=FROM-TO` begins, and the byte behind its last one.
fn part(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = if from.is_empty() {
        (size.saturating_sub(to.parse().ok()?), size)
    } else {
        let end = if to.is_empty() {
            size
        } else {
            to.parse::<u64>().ok()?.saturating_add(1)
        };
        (from.parse().ok()?, end.min(size))
    };
    (from < to).then_some((from, to))
}

/// What it answers: the status, and what follows the head.
fn ask(question: &str) -> (String, Vec<u8>) {
    let mut server = TcpStream::connect((ADDRESS, PORT)).expect("it listens");
    write!(server, "{question}\r\n\r\n").expect("asked");
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).expect("answered");
    let end = answer
        .windows(4)
        .position(|at| at == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, answer.split_off(end + 4))
}

#[test]
fn the_mirror_has_what_it_is_told_to_have() {
    let mirror = Mirror::begin(&crate::rpm::built());
    let status = |path: &str| ask(&format!("GET {path} HTTP/1.1")).0;
    let metadata = |repository: &str| ask(&format!("GET /{repository}/repodata/repomd.xml HTTP/1.1")).1;
    assert_eq!(status("/base/pg-web-1.0-1.noarch.rpm"), "200");
    assert_eq!(status("/updates/pg-web-2.0-1.noarch.rpm"), "404");
    mirror.publish(
        "updates",
        &["pg-web-2.0-1", "caret-1.0^20260101-1"],
        Metadata::WithAdvisories,
    );
    assert_eq!(status("/updates/caret-1.0%5E20260101-1.noarch.rpm"), "200");
    let (file, first) = ("/updates/pg-web-2.0-1.noarch.rpm", metadata("updates"));
    let whole = ask(&format!("GET {file} HTTP/1.1")).1;
    let part = ask(&format!("GET {file} HTTP/1.1\r\nRange: bytes=2-5"));
    assert_eq!(part, ("206".to_owned(), whole[2..6].to_vec()));
    assert_eq!(
        ask(&format!("HEAD {file} HTTP/1.1")),
        ("200".to_owned(), Vec::new())
    );
    mirror.tamper("updates", "pg-web-2.0-1");
    assert!(ask(&format!("GET {file} HTTP/1.1")).1.len() > whole.len());
    mirror.withdraw("updates", "pg-web-2.0-1");
    assert_eq!(
        (status(file).as_str(), metadata("updates")),
        ("404", first.clone())
    );
    mirror.publish("updates", &["pg-web-2.1-1"], Metadata::Later);
    assert_ne!(metadata("updates"), first);
    for outside in [
        "/keys/lab.secret.asc",
        "/base/../keys/lab.secret.asc",
        "/base/%2e%2e/base.tar",
        "/",
    ] {
        assert_eq!(status(outside), "404", "{outside}");
    }
    mirror.down(true);
    assert_eq!(status("/base/repodata/repomd.xml"), "503");
    assert!(mirror.asked().contains(&format!("HEAD {file}")));
}
