//! The one way out of a run's clones: squid (<https://wiki.squid-cache.org/>), which lets their update sources through and
//! nothing else, and keeps what it fetched for the next clone and the next run.

mod bait;
mod conf;
mod folder;
mod log;
mod own;

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::host::proxy::bait::Bait;
use crate::host::proxy::folder::USER;
use crate::host::proxy::log::Ledger;
use crate::model::event::Traffic;
use crate::model::outcome::Cause;
use crate::model::update::Source;
use crate::port::{Forbidden, LabError, Proxy, ProxyLauncher, ProxySpec};
use crate::system::user::is_root;
use crate::system::{child, file};

/// The program, in Debian's package `squid`.
pub const PROGRAM: &str = "/usr/sbin/squid";
/// Where the cache is kept when patchgate runs as root, since `proxy` cannot get through root's home.
const SYSTEM_CACHE: &str = "/var/cache/patchgate/proxy";
/// Bytes of the kernel's tables of addresses that are read.
const TABLE_LIMIT: u64 = 64 * 1024 * 1024;
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

    /// Keeps the caches there, whoever runs it; squid's user must be able to get there.
    pub fn at(base: PathBuf) -> Self {
        Self { base }
    }
}

struct Squid {
    address: SocketAddrV4,
    forbidden: Forbidden,
    bait: Bait,
    child: Mutex<Option<Child>>,
    ledger: Mutex<Ledger>,
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
                .with_hint("can patchgate write its cache folder, does it belong to this user alone, and has the disk room?")
        };
        let own = own_addresses().map_err(|error| refused("finding this machine's addresses", error))?;
        let ways = Ways::find(&sources, &own).await?;
        let (dir, slot) = folder::slot(&self.base).map_err(|error| refused("preparing its cache", error))?;
        let bait = Bait::lay(spec.outlet.gateway)
            .await
            .map_err(|error| refused("listening for what must not arrive", error))?;
        let mut forbidden = bait.forbidden();
        forbidden.refused = ways.refused(&sources, &forbidden.tcp, spec.outlet.address(0));
        if let Some(source) = sources.first() {
            forbidden.name = Some(source.host.clone()).filter(|host| !conf::is_number(host));
        }
        forbidden.tcp.extend(ways.directly());
        let ledger = Ledger::open(forbidden.refused.clone())
            .await
            .map_err(|error| refused("listening for its log", error))?;
        let address = free(spec.outlet.gateway).map_err(|error| refused("finding a free port", error))?;
        let conf = dir.join("squid.conf");
        let text = conf::render(&conf::Squid {
            dir: &dir,
            address,
            prefix: spec.outlet.prefix,
            sources: &sources,
            own: &own,
            log: ledger.address(),
        });
        fs::write(&conf, text)
            .and_then(|()| fs::set_permissions(&conf, Permissions::from_mode(0o644)))
            .map_err(|error| refused("writing its configuration", error))?;
        if fs::symlink_metadata(dir.join("cache/00")).is_err() {
            let made = timeout(START_LIMIT, command(&conf).arg("-z").output()).await;
            match made {
                Ok(Ok(output)) if output.status.success() => {}
                Ok(Err(error)) => return Err(refused("making its cache", error)),
                Ok(Ok(output)) => {
                    let words = String::from_utf8_lossy(&output.stderr);
                    return Err(died(words.lines(), "it did not make its cache"));
                }
                Err(_) => return Err(died([], "it did not make its cache in its time")),
            }
        }
        let mut child = command(&conf)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| refused(PROGRAM, error))?;
        let words = Words::of(&mut child);
        answers(&mut child, address, &words).await?;
        Ok(Box::new(Squid {
            address,
            forbidden,
            bait,
            child: Mutex::new(Some(child)),
            ledger: Mutex::new(ledger),
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
        self.ledger.lock().await.close().await
    }
}

/// Squid in the foreground, as its own user and ending with patchgate however that ends (setpriv(1)).
fn command(conf: &Path) -> Command {
    let mut command = Command::from(child::command("setpriv"));
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--init-groups"]);
    }
    command
        .args(["--pdeathsig", "TERM", "--", PROGRAM, "-N", "-d", "1", "-f"])
        .arg(conf)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A port that nobody listens at, on whatever address: a squid of the host's own may have the usual one on all of them.
fn free(gateway: Ipv4Addr) -> io::Result<SocketAddrV4> {
    let port = TcpListener::bind((gateway, 0))?.local_addr()?.port();
    Ok(SocketAddrV4::new(gateway, port))
}

async fn answers(child: &mut Child, address: SocketAddrV4, words: &Words) -> Result<(), LabError> {
    let started = Instant::now();
    loop {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            // Its last words may still be on their way.
            sleep(Duration::from_millis(200)).await;
            return Err(words.died("it ended at once"));
        }
        if started.elapsed() > START_LIMIT {
            return Err(words.died("it does not answer"));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The end of what squid says of itself, which goes to no file.
struct Words(Arc<SyncMutex<VecDeque<String>>>);

impl Words {
    /// Takes the error output of a child that has one, until it ends.
    fn of(child: &mut Child) -> Self {
        const KEPT: usize = 100;
        let kept = Arc::new(SyncMutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            let its = kept.clone();
            tokio::spawn(log::lines(stderr, move |line| {
                let mut kept = its.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(line.to_owned());
            }));
        }
        Self(kept)
    }

    fn died(&self, what: &str) -> LabError {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        died(kept.iter().map(String::as_str), what)
    }
}

/// What squid itself says of its end.
fn died<'w>(words: impl IntoIterator<Item = &'w str>, what: &str) -> LabError {
    let telling = |line: &&str| line.contains("FATAL") || line.contains("ERROR");
    let fatal = words.into_iter().filter(telling).last();
    let why = fatal.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    LabError::new(Cause::HostRefused, format!("starting the proxy: {what}{why}"))
        .with_hint("is squid's package whole? `squid -k parse` tells")
}

/// The addresses of this machine.
fn own_addresses() -> io::Result<BTreeSet<IpAddr>> {
    // A kernel without IPv6 has no such file.
    let six = file::read(Path::new("/proc/net/if_inet6"), TABLE_LIMIT).unwrap_or_default();
    let four = file::read(Path::new("/proc/net/fib_trie"), TABLE_LIMIT)?;
    Ok(own::addresses(
        &String::from_utf8_lossy(&four),
        &String::from_utf8_lossy(&six),
    ))
}

/// Where the update sources are, without the proxy. A clone must not get there, nor to a target by number.
struct Ways(Vec<Vec<SocketAddr>>);

impl Ways {
    /// Looks the sources' names up. One that leads to this machine is refused, as squid would refuse it.
    async fn find(sources: &[Source], own: &BTreeSet<IpAddr>) -> Result<Self, LabError> {
        let mut ways = Vec::new();
        for source in sources {
            let found = match tokio::net::lookup_host((source.host.as_str(), source.port)).await {
                Ok(addresses) => addresses.collect(),
                // Squid will not find it either, and the probe says so.
                Err(_) => Vec::new(),
            };
            let is_own = |at: &SocketAddr| at.ip().is_loopback() || own.contains(&at.ip());
            if let Some(at) = found
                .iter()
                .find(|at| !conf::is_number(&source.host) && is_own(at))
            {
                let message = format!(
                    "the update source {} is at {}, which is this machine itself; through a name no clone may reach that",
                    source.host,
                    at.ip()
                );
                return Err(LabError::new(Cause::HostRefused, message).with_hint(format!(
                    "write the address itself into the sources where that is meant: http://{at}{}",
                    source.path
                )));
            }
            ways.push(found);
        }
        Ok(Self(ways))
    }

    /// A few of the addresses, for a try without the proxy.
    fn directly(&self) -> impl Iterator<Item = SocketAddr> {
        self.0
            .iter()
            .flatten()
            .copied()
            .filter(SocketAddr::is_ipv4)
            .take(2)
    }

    /// What the proxy must refuse; `bait` are listeners of this machine, `clone` is an address of the outlet's.
    fn refused(&self, sources: &[Source], bait: &[SocketAddr], clone: Ipv4Addr) -> Vec<String> {
        let mut refused: Vec<String> = ["127.0.0.1:22", "[::1]:22", "169.254.169.254:80"]
            .iter()
            .flat_map(|at| [format!("CONNECT {at}"), format!("HEAD http://{at}/")])
            .collect();
        refused.push("HEAD http://localhost/".to_owned());
        refused.push(format!("HEAD http://{clone}/"));
        for at in bait {
            refused.extend([format!("CONNECT {at}"), format!("HEAD http://{at}/")]);
        }
        for (source, ways) in sources.iter().zip(&self.0) {
            let (host, port, path) = (&source.host, source.port, &source.path);
            if let Some(at) = ways.first().filter(|_| !conf::is_number(host)) {
                refused.push(if source.tls {
                    format!("CONNECT {at}")
                } else {
                    format!("HEAD http://{at}{path}")
                });
            }
            if source.tls {
                refused.push(format!("CONNECT {host}:22"));
            } else {
                let at = format!("http://{host}:{port}{path}");
                refused.extend(["../", "%2e%2e/", "?a=b"].map(|way| format!("HEAD {at}{way}")));
            }
        }
        // Squid's log, in which these are looked up, leaves out the usual port (RFC 3986, 6.2.3).
        refused
            .into_iter()
            .map(|asked| match asked.split_once(":80/") {
                Some((host, path)) if host.starts_with("HEAD ") => format!("{host}/{path}"),
                Some(_) | None => asked,
            })
            .collect()
    }
}
