//! One host: the connection that the ports are built on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use virt::connect::Connect;

use crate::host::libvirt::capabilities::version;
use crate::host::libvirt::error::doing;
use crate::host::libvirt::folders::Folders;
use crate::host::libvirt::link::{CALL_LIMIT, Link};
use crate::host::libvirt::making::{Halt, Making};
use crate::model::name::VolumePath;
use crate::model::outcome::Cause;
use crate::model::plan::HostPlan;
use crate::model::resource::Made;
use crate::model::uri::HostUri;
use crate::port::LabError;

/// How long copying an image may take.
const PLACE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long reading a disk of a domain's may take: some terabytes.
const READ_LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// A host that answers.
#[derive(Clone)]
pub struct LibvirtHost {
    link: Link,
    version: String,
    chosen: String,
    folders: Arc<Folders>,
    making: Making,
}

/// Connects to the host of a plan. `auto` takes the system daemon where it answers, else the session, which needs
/// none.
pub async fn connect(host: &HostPlan) -> Result<LibvirtHost, LabError> {
    if host.uri != "auto" {
        names_no_program(&host.uri)?;
        let chosen = format!("the lab file names {}", host.uri);
        return LibvirtHost::open(&host.uri.parse()?, chosen).await;
    }
    let (system, session) = (HostUri::system(), HostUri::session());
    match LibvirtHost::open(&system, format!("{system} answers")).await {
        Ok(host) => Ok(host),
        Err(refused) => LibvirtHost::open(
            &session,
            format!("{session}, since {system} does not answer ({refused})"),
        )
        .await
        .map_err(|error| LabError {
            message: format!("{}; before that, {}", error.message, refused.message),
            ..error
        }),
    }
}

/// Refuses a URI that has libvirt run a program that the URI names (<https://libvirt.org/uri.html>).
fn names_no_program(uri: &str) -> Result<(), LabError> {
    const TRANSPORTS: &[&str] = &["ssh", "libssh", "libssh2", "tls", "tcp", "unix"];
    const REFUSED: &[&str] = &["command", "netcat"];
    let (scheme, rest) = uri.split_once("://").unwrap_or_default();
    let transport = scheme.split_once('+').map(|(_, transport)| transport);
    let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
    let refused = parameters
        .split(['&', ';'])
        .map(|parameter| parameter.split('=').next().unwrap_or_default())
        .find(|name| REFUSED.iter().any(|refused| name.eq_ignore_ascii_case(refused)) || name.contains('%'));
    let what = match (transport, refused) {
        (Some(transport), _) if !TRANSPORTS.contains(&transport) => format!("the transport `{transport}`"),
        (_, Some(name)) => format!("the parameter `{name}`"),
        _ => return Ok(()),
    };
    Err(LabError::new(
        Cause::HostRefused,
        format!("{what} of the host's URI is not taken: it names a program to be run"),
    )
    .with_hint("reach it by ssh, such as qemu+ssh://NAME/system; what ssh needs belongs into ~/.ssh/config"))
}

impl LibvirtHost {
    async fn open(uri: &HostUri, chosen: String) -> Result<Self, LabError> {
        let link = Link::open(uri).await?;
        let version = link
            .ask(format!("asking {uri} for its version"), |conn| {
                let asking = || doing("asking libvirt for its version");
                let driver = conn.driver_type().map_err(asking())?;
                if driver != "QEMU" {
                    return Err(LabError::new(
                        Cause::HostRefused,
                        format!("libvirt drives {driver} there, not QEMU"),
                    )
                    .with_hint("name a URI that begins with `qemu`"));
                }
                Ok(format!(
                    "libvirt {}, QEMU {}",
                    version(conn.lib_version().map_err(asking())?),
                    version(conn.hyp_version().map_err(asking())?),
                ))
            })
            .await?;
        Ok(Self {
            link,
            version,
            chosen,
            folders: Arc::default(),
            making: Making::default(),
        })
    }

    /// The versions in use: `libvirt 9.0.0, QEMU 10.0.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Why this URI, in words.
    pub fn chosen(&self) -> &str {
        &self.chosen
    }

    /// Whether it is the machine that patchgate runs on.
    pub fn is_local(&self) -> bool {
        self.link.uri().is_local()
    }

    /// Its connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Copies from or to a volume; the work is given its pool's folder, where that is on this machine, and is to end early
    /// where nobody waits for it any more.
    pub async fn transfer<T, F>(&self, what: String, volume: &VolumePath, work: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&Connect, Option<PathBuf>, &Halt) -> Result<T, LabError> + Send + 'static,
    {
        let folders = self.is_local().then(|| self.folders.clone());
        let pool = volume.pool.clone();
        let (busy, _waits) = self.making.begin(&Made::Volume(volume.clone()).name());
        self.link
            .call(what, PLACE_LIMIT, move |conn| {
                let folder = folders.and_then(|folders| folders.of(conn, &pool));
                work(conn, folder, busy.halt())
            })
            .await
    }

    /// Reads something of any size of a host; the work is told whether that is this machine, and is to end early where nobody
    /// waits for it any more.
    pub async fn read<T, F>(&self, what: String, work: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&Connect, bool, &Halt) -> Result<T, LabError> + Send + 'static,
    {
        let local = self.is_local();
        let (busy, _waits) = self.making.begin(&what);
        self.link
            .call(what, READ_LIMIT, move |conn| work(conn, local, busy.halt()))
            .await
    }

    /// Makes a call that makes `made`.
    pub async fn make<T, F>(&self, made: &Made, what: String, work: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&Connect) -> Result<T, LabError> + Send + 'static,
    {
        let (busy, _waits) = self.making.begin(&made.name());
        self.link
            .call(what, CALL_LIMIT, move |conn| {
                let _busy = busy;
                work(conn)
            })
            .await
    }

    /// Waits until a thing is not being made any more, by a call that was given up, say.
    pub async fn is_made(&self, made: &Made) -> Result<(), LabError> {
        self.making.over(&made.name(), CALL_LIMIT).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_that_names_a_program_is_refused() {
        for uri in [
            "qemu:///system",
            "qemu+ssh://root@lab2:22/system?keyfile=/root/.ssh/lab&no_verify=1",
            "qemu+tls://lab2/system",
            "qemu+unix:///system?socket=/run/lab/libvirt-sock",
            "test:///default",
        ] {
            assert!(names_no_program(uri).is_ok(), "{uri}");
        }
        for uri in [
            "qemu+ext:///system?command=/tmp/x.sh",
            "qemu+ssh://lab2/system?command=/tmp/x.sh",
            "qemu+ssh://lab2/system?no_verify=1&NETCAT=x",
            "qemu+ssh://lab2/system?%63ommand=/tmp/x.sh",
        ] {
            let error = names_no_program(uri).expect_err(uri);
            assert!(error.message.contains("of the host's URI"), "{error}");
        }
    }
}
