//! One connection: calls with deadlines, and a new connection where libvirtd was restarted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use virt::connect::Connect;

use crate::host::libvirt::error::{doing, one_line};
use crate::model::outcome::Cause;
use crate::model::uri::HostUri;
use crate::port::LabError;

/// How long opening a connection may take.
pub const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// How long an ordinary call may take. Stopping a stuck QEMU takes libvirt up to 30 s, starting one on a loaded host
/// the same.
pub const CALL_LIMIT: Duration = Duration::from_secs(120);

/// How often a daemon that answered before is tried again: it is being restarted, and its guests run on.
const RESTART_TRIES: u32 = 60;
/// The time between two tries.
const RESTART_POLL: Duration = Duration::from_millis(250);

/// A connection to one URI, shared by all that use the host.
#[derive(Clone)]
pub struct Link {
    uri: Arc<HostUri>,
    current: Arc<Mutex<Current>>,
}

/// The connection that is used now.
struct Current {
    connect: Connect,
    /// Whether a daemon that had gone was waited for in vain: one wait is enough for all who call.
    given_up: bool,
}

impl Link {
    /// Opens a connection.
    pub async fn open(uri: &HostUri) -> Result<Self, LabError> {
        // Libvirt prints every error to standard error by default, also those that are answers ("no domain").
        virt::error::clear_error_callback();
        let uri = Arc::new(uri.clone());
        let wanted = Arc::clone(&uri);
        let connect = blocking(format!("connecting to {uri}"), OPEN_LIMIT, move || open(&wanted)).await?;
        Ok(Self {
            uri,
            current: Arc::new(Mutex::new(Current {
                connect,
                given_up: false,
            })),
        })
    }

    /// The URI.
    pub fn uri(&self) -> &HostUri {
        &self.uri
    }

    /// Makes one call, or one sequence of calls, named by `what`.
    pub async fn call<T, F>(&self, what: impl Into<String>, limit: Duration, call: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&Connect) -> Result<T, LabError> + Send + 'static,
    {
        let link = self.clone();
        blocking(what.into(), limit, move || call(&link.alive()?)).await
    }

    /// Like [`Self::call`], for what may be done twice: repeated once where the connection turns out to be dead.
    pub async fn ask<T, F>(&self, what: impl Into<String>, call: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: Fn(&Connect) -> Result<T, LabError> + Send + 'static,
    {
        let link = self.clone();
        blocking(what.into(), CALL_LIMIT, move || {
            let connect = link.alive()?;
            match call(&connect) {
                Err(_) if !connect.is_alive().unwrap_or(false) => call(&link.alive()?),
                answer => answer,
            }
        })
        .await
    }

    /// The connection; a new one where the old one is dead. Without libvirt's event loop a lost daemon shows only
    /// after the first call that failed.
    fn alive(&self) -> Result<Connect, LabError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.connect.is_alive().unwrap_or(false) {
            let tries = if current.given_up { 1 } else { RESTART_TRIES };
            let opened = open_again(&self.uri, tries);
            current.given_up = opened.is_err();
            current.connect = opened?;
        }
        Ok(current.connect.clone())
    }
}

fn open(uri: &HostUri) -> Result<Connect, LabError> {
    Connect::open(Some(uri.as_str())).map_err(doing(format!("connecting to {uri}")))
}

/// Opens a connection where there was one. Blocks between the tries.
fn open_again(uri: &HostUri, tries: u32) -> Result<Connect, LabError> {
    for _ in 1..tries {
        if let Ok(connect) = open(uri) {
            return Ok(connect);
        }
        std::thread::sleep(RESTART_POLL);
    }
    open(uri)
}

/// Runs what blocks on a thread of its own. At the deadline the thread is left behind: libvirt cannot cancel.
pub async fn blocking<T, F>(what: String, limit: Duration, work: F) -> Result<T, LabError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, LabError> + Send + 'static,
{
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(answer)) => answer,
        // `virt` panics where freeing a handle fails.
        Ok(Err(panic)) => Err(LabError::new(
            Cause::HostRefused,
            format!(
                "{what}: the libvirt client failed: {}",
                one_line(&panic.to_string())
            ),
        )),
        Err(_) => Err(LabError::new(
            Cause::HostRefused,
            format!("{what}: libvirt did not answer within {} s", limit.as_secs()),
        )
        .with_hint(
            "see whether libvirtd hangs (`virsh list` answers?) and restart it; running guests survive that",
        )),
    }
}
