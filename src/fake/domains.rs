//! A host's own domains that are made up, with disks that are files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::id::RunId;
use crate::model::outcome::Cause;
use crate::port::{DiskPlace, DomainNow, Domains, Frozen, LabError, LiveSpec, Stamp};
use crate::system::disk::Disk;
use crate::system::file::FileError;

/// A domain, and what becomes of it.
#[derive(Debug, Clone, Default)]
pub struct FakeDomain {
    /// Its description.
    pub xml: String,
    /// Whether it runs.
    pub active: bool,
    /// Whether its memory is saved.
    pub saved: bool,
    /// The file that is a qcow2 of each disk's content while it runs, by the disk's name.
    pub live: BTreeMap<String, std::path::PathBuf>,
    /// Whether an agent freezes its file systems.
    pub has_agent: bool,
    /// When it is started, counted from the beginning of a copy.
    pub starts_after: Option<Duration>,
}

/// A host of such domains.
#[derive(Clone, Default)]
pub struct FakeDomains(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    domains: BTreeMap<String, FakeDomain>,
    /// How long a copy takes.
    copying: Duration,
    /// The copies of running domains that were begun and not ended.
    copies: Vec<RunId>,
    calls: Vec<String>,
}

impl FakeDomains {
    /// A host with no domain.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it a domain.
    pub fn define(&self, name: &str, domain: FakeDomain) {
        self.state().domains.insert(name.to_owned(), domain);
    }

    /// Says how long each copy takes.
    pub fn copies_for(&self, time: Duration) {
        self.state().copying = time;
    }

    /// What was asked of it, in order.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// The copies of running domains that are there still.
    pub fn left(&self) -> Vec<RunId> {
        self.state().copies.clone()
    }

    fn call(&self, call: String) -> Duration {
        let mut state = self.state();
        state.calls.push(call);
        state.copying
    }

    /// Takes the time of a copy; whoever is to be started meanwhile is.
    async fn copy(&self, time: Duration) {
        let due = {
            let state = self.state();
            let due = state.domains.iter();
            let due = due.filter_map(|(name, domain)| Some((domain.starts_after?, name.clone())));
            due.min()
        };
        match due {
            Some((after, name)) if after < time => {
                tokio::time::sleep(after).await;
                if let Some(domain) = self.state().domains.get_mut(&name) {
                    domain.active = true;
                    domain.starts_after = None;
                }
                tokio::time::sleep(time.saturating_sub(after)).await;
            }
            Some(_) | None => tokio::time::sleep(time).await,
        }
    }
}

fn refused(place: &DiskPlace, error: &dyn std::fmt::Display) -> LabError {
    LabError::new(Cause::HostRefused, format!("{place} cannot be read: {error}"))
}

fn open(place: &DiskPlace) -> Result<Option<Disk>, LabError> {
    match place {
        DiskPlace::File(path) => match Disk::open(path) {
            Ok(disk) => Ok(Some(disk)),
            Err(FileError::Missing) => Ok(None),
            Err(error) => Err(refused(place, &error)),
        },
        DiskPlace::Volume { .. } => Ok(None),
    }
}

#[async_trait]
impl Domains for FakeDomains {
    async fn domains(&self) -> Result<Vec<String>, LabError> {
        Ok(self.state().domains.keys().cloned().collect())
    }

    async fn domain(&self, name: &str) -> Result<Option<DomainNow>, LabError> {
        let state = self.state();
        let domain = state.domains.get(name);
        Ok(domain.map(|domain| DomainNow {
            active: domain.active,
            saved: domain.saved,
            xml: domain.xml.clone(),
        }))
    }

    async fn stamp(&self, disk: &DiskPlace) -> Result<Option<Stamp>, LabError> {
        let Some(open) = open(disk)? else {
            return Ok(None);
        };
        let stamp = open.stamp().map_err(|error| refused(disk, &error))?;
        Ok(Some(Stamp(stamp)))
    }

    async fn fetch_disk(&self, disk: &DiskPlace, file: &Path) -> Result<(), LabError> {
        let time = self.call(format!("fetch {disk}"));
        let open = open(disk)?.ok_or_else(|| refused(disk, &"it is not there"))?;
        open.copy(file, &|| false)
            .map_err(|error| refused(disk, &error))?;
        self.copy(time).await;
        Ok(())
    }

    async fn copy_live(&self, spec: &LiveSpec) -> Result<Frozen, LabError> {
        let names: Vec<&str> = spec.disks.iter().map(|(name, _)| name.as_str()).collect();
        let time = self.call(format!("copy {} {}", spec.domain, names.join(" ")));
        let domain = self
            .state()
            .domains
            .get(&spec.domain)
            .cloned()
            .unwrap_or_default();
        if !domain.active {
            return Err(LabError::new(Cause::HostRefused, "the domain is off"));
        }
        self.state().copies.push(spec.id.clone());
        self.copy(time).await;
        for (name, file) in &spec.disks {
            let place = domain.live.get(name).map(|path| DiskPlace::File(path.clone()));
            let place = place.ok_or_else(|| LabError::new(Cause::HostRefused, "no such disk"))?;
            let disk = open(&place)?.ok_or_else(|| refused(&place, &"it is not there"))?;
            disk.copy(file, &|| false)
                .map_err(|error| refused(&place, &error))?;
        }
        self.end_copy(&spec.domain, &spec.id, false).await?;
        Ok(if domain.has_agent {
            Frozen::Yes(1)
        } else {
            Frozen::No("there is no agent".to_owned())
        })
    }

    async fn end_copy(&self, domain: &str, id: &RunId, thaw: bool) -> Result<(), LabError> {
        let thaws = if thaw { " and thaw" } else { "" };
        let mut state = self.state();
        state.calls.push(format!("end the copy of {domain}{thaws}"));
        state.copies.retain(|copy| copy != id);
        Ok(())
    }
}
