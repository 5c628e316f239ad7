//! The one way out of a run's clones: squid (<https://wiki.squid-cache.org/>), which lets their update sources through and
//! nothing else, and keeps what it fetched for the next clone and the next run.

mod bait;
mod conf;
mod log;

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::model::event::Traffic;
use crate::model::outcome::Cause;
use crate::model::update::Source;
use crate::port::{Forbidden, LabError, Proxy, ProxyLauncher, ProxySpec};
use crate::system::user::is_root;
use crate::system::{child, file};
use bait::Bait;

/// The program, in Debian's package `squid`.
pub const PROGRAM: &str = "/usr/sbin/squid";
/// The user that Debian's squid runs as; squid refuses to run as root.
const USER: &str = "proxy";
/// Where the cache is kept when patchgate runs as root, since `proxy` cannot get through root's home.
const SYSTEM_CACHE: &str = "/var/cache/patchgate/proxy";
/// Bytes of squid's own log, and of the machine's list of users, that are read.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;
const USERS_LIMIT: u64 = 16 * 1024 * 1024;
/// Runs at once with a cache of their own; each cache belongs to one squid at a time.
const SLOTS: u32 = 64;
/// How long squid may take to make its cache, and to answer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long squid may take to write down what it has; it gives its clients one second.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Starts squid on this machine.
#[derive(Debug)]
pub struct SquidLauncher {
    base: PathBuf,
}

impl SquidLauncher {
    /// Keeps the caches in `cache`; of root in the system's own place.
    pub fn new(cache: PathBuf) -> Self {
        let base = if is_root() { SYSTEM_CACHE.into() } else { cache };
        Self { base }
    }
}

struct Squid {
    address: SocketAddrV4,
    forbidden: Forbidden,
    bait: Bait,
    log: PathBuf,
    child: Mutex<Option<Child>>,
    /// Keeps the cache from being used by another run.
    _slot: File,
}

#[async_trait]
impl ProxyLauncher for SquidLauncher {
    async fn start(&self, spec: &ProxySpec) -> Result<Box<dyn Proxy>, LabError> {
        if !Path::new(PROGRAM).is_file() {
            return Err(LabError::new(
                Cause::HostRefused,
                format!("{PROGRAM} is not installed, and clones get their updates through it alone"),
            )
            .with_hint("apt-get install squid; or ./setup.sh, which installs all that patchgate needs"));
        }
        let sources: Vec<Source> = spec.sources.iter().filter_map(|uri| Source::parse(uri)).collect();
        let refused = |what: &str, error: io::Error| {
            LabError::new(Cause::HostRefused, format!("starting the proxy: {what}: {error}"))
                .with_hint("can patchgate write its cache folder, and has the disk room?")
        };
        let (dir, slot) = slot(&self.base).map_err(|error| refused("preparing its cache", error))?;
        let address = free(spec.outlet.gateway).map_err(|error| refused("finding a free port", error))?;
        let conf = dir.join("squid.conf");
        let log = dir.join("access.log");
        fs::write(&conf, conf::render(&dir, address, spec.outlet.prefix, &sources))
            .and_then(|()| fs::write(&log, ""))
            .and_then(|()| give(&log))
            .map_err(|error| refused("writing its configuration", error))?;
        if !dir.join("cache/00").is_dir() {
            let made = timeout(START_LIMIT, command(&conf).arg("-z").status()).await;
            match made {
                Ok(Ok(status)) if status.success() => {}
                Ok(Err(error)) => return Err(refused("making its cache", error)),
                Ok(Ok(_)) | Err(_) => return Err(died(&dir, "it did not make its cache")),
            }
        }
        let mut child = command(&conf)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| refused(PROGRAM, error))?;
        answers(&mut child, address, &dir).await?;
        let bait = Bait::lay(spec.outlet.gateway)
            .await
            .map_err(|error| refused("listening for what must not arrive", error))?;
        let mut forbidden = bait.forbidden();
        if let Some(source) = sources.first() {
            forbidden.name = Some(source.host.clone()).filter(|host| host.parse::<IpAddr>().is_err());
            forbidden.tcp.extend(directly(source).await);
        }
        Ok(Box::new(Squid {
            address,
            forbidden,
            bait,
            log,
            child: Mutex::new(Some(child)),
            _slot: slot,
        }))
    }
}

#[async_trait]
impl Proxy for Squid {
    fn address(&self) -> SocketAddrV4 {
        self.address
    }

    fn forbidden(&self) -> Forbidden {
        self.forbidden.clone()
    }

    fn breaches(&self) -> Vec<String> {
        self.bait.caught()
    }

    async fn stop(&self) -> Traffic {
        if let Some(mut child) = self.child.lock().await.take() {
            if let Some(pid) = child
                .id()
                .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
            {
                // It may have ended by itself, which `wait` tells.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            if timeout(STOP_LIMIT, child.wait()).await.is_err() {
                // Dropping it kills it.
                tracing::warn!("squid did not end within {STOP_LIMIT:?} and is killed");
            }
        }
        log::read(&self.log).unwrap_or_else(|error| {
            tracing::warn!("what passed the proxy cannot be told: {error}");
            Traffic::default()
        })
    }
}

/// Squid in the foreground, as its own user and ending with patchgate however that ends (setpriv(1)).
fn command(conf: &Path) -> Command {
    let mut command = Command::from(child::command("setpriv"));
    if is_root() {
        command.args([
            "--reuid",
            USER,
            "--regid",
            USER,
            "--init-groups",
            "--pdeathsig",
            "TERM",
        ]);
    } else {
        command.args(["--pdeathsig", "TERM"]);
    }
    command
        .args(["--", PROGRAM, "-N", "-f"])
        .arg(conf)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A port that nobody listens at, on whatever address: a squid of the host's own may have the usual one on all of them.
fn free(gateway: Ipv4Addr) -> io::Result<SocketAddrV4> {
    let port = TcpListener::bind((gateway, 0))?.local_addr()?.port();
    Ok(SocketAddrV4::new(gateway, port))
}

async fn answers(child: &mut Child, address: SocketAddrV4, dir: &Path) -> Result<(), LabError> {
    let started = Instant::now();
    loop {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Err(died(dir, "it ended at once"));
        }
        if started.elapsed() > START_LIMIT {
            return Err(died(dir, "it does not answer"));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What squid's own log says of its end.
fn died(dir: &Path, what: &str) -> LabError {
    let log = file::read(&dir.join("cache.log"), LOG_LIMIT).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let fatal = text
        .lines()
        .rev()
        .find(|line| line.contains("FATAL") || line.contains("ERROR"));
    let why = fatal.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    LabError::new(Cause::HostRefused, format!("starting the proxy: {what}{why}")).with_hint(format!(
        "squid's own words are in {}",
        dir.join("cache.log").display()
    ))
}

/// Where an update source is, without the proxy. A clone must not get there.
async fn directly(source: &Source) -> Vec<SocketAddr> {
    match tokio::net::lookup_host((source.host.as_str(), source.port)).await {
        Ok(addresses) => addresses.filter(SocketAddr::is_ipv4).take(2).collect(),
        // Squid will not find it either, and the probe says so.
        Err(_) => Vec::new(),
    }
}

/// A folder with a cache that no other run uses, and the lock on it.
fn slot(base: &Path) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(base)?;
    for number in 0..SLOTS {
        let lock = File::create(base.join(format!("{number}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {
                let dir = base.join(number.to_string());
                fs::create_dir_all(&dir)?;
                give(&dir)?;
                return Ok((dir, lock));
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{SLOTS} runs have a proxy already")))
}

/// Makes a file or folder squid's own.
fn give(path: &Path) -> io::Result<()> {
    if !is_root() {
        return Ok(());
    }
    let users = String::from_utf8_lossy(&file::read(Path::new("/etc/passwd"), USERS_LIMIT)?).into_owned();
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_its = fields.next() == Some(USER);
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        is_its.then_some((uid, gid))
    });
    let (uid, gid) = ids.ok_or_else(|| io::Error::other(format!("there is no user {USER}")))?;
    chown(path, Some(uid), Some(gid))
}
