//! Nothing leaks: a resource is in the ledger, on disk, before it is made, and leaves it when it is gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::model::id::RunId;
use crate::model::name::{VolumeName, VolumePath};
use crate::model::outcome::Cause;
use crate::model::plan::ImagePin;
use crate::model::resource::{Made, Resource};
use crate::port::{Hypervisor, LabError};
use crate::record::ledger::Ledger;
use crate::run::names;
use crate::run::site::loss::Loss;

/// An image in the run's pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its disks, in their order.
    pub disks: Vec<VolumeName>,
    /// The firmware's variables that it was installed with, where it has any.
    pub nvram: Option<VolumeName>,
}

/// What a file of an image is.
#[derive(Clone, Copy)]
enum Content {
    Disk,
    Nvram,
}

/// What a run has made on one host and not yet removed.
pub struct Resources {
    run: RunId,
    host: Arc<dyn Hypervisor>,
    loss: Loss,
    /// The run's, of all its hosts.
    ledger: Arc<Mutex<Ledger>>,
    book: Mutex<Book>,
    pool: OnceCell<()>,
    bases: Mutex<BTreeMap<VolumeName, Arc<OnceCell<()>>>>,
}

#[derive(Default)]
struct Book {
    present: Vec<Resource>,
    kept: bool,
}

impl Resources {
    /// Nothing yet of a run, on that host.
    pub fn new(run: RunId, host: Arc<dyn Hypervisor>, ledger: Arc<Mutex<Ledger>>, loss: Loss) -> Self {
        Self {
            run,
            host,
            loss,
            ledger,
            book: Mutex::default(),
            pool: OnceCell::new(),
            bases: Mutex::new(BTreeMap::new()),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that a resource is about to be made. No resource may be made without it.
    pub fn intend(&self, made: Made) -> Result<Resource, LabError> {
        let resource = Resource {
            made,
            uri: self.host.uri().clone(),
        };
        self.ledger().intend(&resource).map_err(|error| {
            LabError::new(
                Cause::Internal,
                format!("{resource} is not made, as it cannot be written down: {error}"),
            )
        })?;
        self.book().present.push(resource.clone());
        Ok(resource)
    }

    /// Marks that something is left on purpose, so that the run's pool stays too.
    pub fn keep(&self) {
        self.book().kept = true;
    }

    /// Removes a resource; on failure it stays in the ledger, and nothing is removed from a lost host.
    pub async fn remove(&self, resource: &Resource) -> Result<(), LabError> {
        self.loss
            .or(self.host.uri(), self.host.remove(resource, &self.run))
            .await?;
        self.book().present.retain(|present| present != resource);
        self.ledger()
            .removed(resource)
            .map_err(|error| LabError::new(Cause::Internal, format!("{resource} is gone: {error}")))
    }

    /// Removes resources in the right order. What cannot be removed stays in the ledger, and is tried again at the end.
    pub async fn remove_all(&self, made: Vec<Resource>) {
        for (resource, error) in self.take_down(made).await {
            tracing::warn!("{resource} could not be removed yet: {error}");
        }
    }

    /// VMs first; then what is of networks and what is of disks, side by side, as neither needs the other. Returns what
    /// stays, and why.
    async fn take_down(&self, mut resources: Vec<Resource>) -> Vec<(Resource, LabError)> {
        resources.sort();
        resources.dedup();
        let (mut domains, mut links, mut disks) = (Vec::new(), Vec::new(), Vec::new());
        for resource in resources {
            match resource.made {
                Made::Domain(_) => domains.push(resource),
                Made::Network(_) | Made::Filter(_) => links.push(resource),
                Made::Volume(_) | Made::Pool(_) => disks.push(resource),
            }
        }
        let mut left = self.one_by_one(domains).await;
        let (links, disks) = tokio::join!(self.one_by_one(links), self.one_by_one(disks));
        left.extend(links);
        left.extend(disks);
        left
    }

    async fn one_by_one(&self, resources: Vec<Resource>) -> Vec<(Resource, LabError)> {
        let mut left = Vec::new();
        for resource in resources {
            if let Err(error) = self.remove(&resource).await {
                left.push((resource, error));
            }
        }
        left
    }

    /// Places a sealed image into the run's pool, once however many arms ask. `disk` is its first disk; all else of it is
    /// beside that.
    pub async fn base(&self, run: &RunId, pin: &ImagePin, disk: &Path) -> Result<Base, LabError> {
        let sha256 = pin
            .sha256
            .as_deref()
            .ok_or_else(|| LabError::new(Cause::ImageDamaged, format!("image {} is not built", pin.name)))?;
        let first = names::base(&pin.name, 0)?;
        let mut base = Base {
            disks: vec![self.placed(run, first, (disk, sha256), Content::Disk).await?],
            nvram: None,
        };
        for (at, more) in pin.machine.more_disks.iter().enumerate() {
            let (name, file) = (names::base(&pin.name, at + 1)?, disk.with_file_name(&more.file));
            let placed = self.placed(run, name, (&file, &more.sha256), Content::Disk);
            base.disks.push(placed.await?);
        }
        if let Some(nvram) = &pin.machine.nvram
            && pin.machine.has_nvram()
        {
            let (name, file) = (names::base_nvram(&pin.name)?, disk.with_file_name(&nvram.file));
            let placed = self.placed(run, name, (&file, &nvram.sha256), Content::Nvram);
            base.nvram = Some(placed.await?);
        }
        Ok(base)
    }

    /// Places a file of a sealed image into the run's pool, once however many arms ask.
    async fn placed(
        &self,
        run: &RunId,
        volume: VolumeName,
        (file, sha256): (&Path, &str),
        content: Content,
    ) -> Result<VolumeName, LabError> {
        let pool = names::pool(run);
        self.pool
            .get_or_try_init(|| async {
                self.intend(Made::Pool(pool.clone()))?;
                self.host.create_pool(&pool).await
            })
            .await?;
        let cell = {
            let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
            bases.entry(volume.clone()).or_default().clone()
        };
        cell.get_or_try_init(|| async {
            let path = VolumePath::new(&pool, &volume);
            self.intend(Made::Volume(path.clone()))?;
            match content {
                Content::Disk => self.host.place_image(&path, file, sha256).await,
                Content::Nvram => self.host.place_file(&path, file, sha256).await,
            }
        })
        .await?;
        Ok(volume)
    }

    /// Removes all that is still there, and says in words what could not be. What is kept on purpose stays.
    pub async fn finish(&self) -> Vec<String> {
        let present = {
            let book = self.book();
            if book.kept {
                return book
                    .present
                    .iter()
                    .map(|resource| format!("{resource} (kept)"))
                    .collect();
            }
            book.present.clone()
        };
        let left = self.take_down(present).await;
        left.into_iter()
            .map(|(resource, error)| format!("{resource}: {error}"))
            .collect()
    }
}

/// Removes resources of a dead run, in the right order, writing down what is gone. Returns what was removed, and what
/// could not be with the reason.
pub async fn clean_up(
    host: &dyn Hypervisor,
    run: &RunId,
    mut left: Vec<Resource>,
    ledger: Option<&mut Ledger>,
) -> (Vec<Resource>, Vec<(Resource, String)>) {
    left.sort();
    left.dedup();
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    let mut ledger = ledger;
    for resource in left {
        let outcome = match host.remove(&resource, run).await {
            Ok(()) => match ledger.as_mut() {
                Some(ledger) => ledger.removed(&resource).map_err(|error| error.to_string()),
                None => Ok(()),
            },
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => removed.push(resource),
            Err(reason) => failed.push((resource, reason)),
        }
    }
    (removed, failed)
}
