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

/// A connection to one URI, shared by all that use the host.
#[derive(Clone)]
pub struct Link {
    uri: Arc<HostUri>,
    current: Arc<Mutex<Connect>>,
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
            current: Arc::new(Mutex::new(connect)),
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
        if !current.is_alive().unwrap_or(false) {
            *current = open(&self.uri)?;
        }
        Ok(current.clone())
    }
}

fn open(uri: &HostUri) -> Result<Connect, LabError> {
    Connect::open(Some(uri.as_str())).map_err(doing(format!("connecting to {uri}")))
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
