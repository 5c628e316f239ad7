//! Copying what a domain's disks hold. One that is off is copied without a lock, and left alone: whoever starts it meanwhile
//! can, and the copy is given up. One that runs is copied as it is at one moment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::image::domain::error::DomainError;
use crate::image::domain_xml::disk::DomainDisk;
use crate::image::domain_xml::whole::{Domain, read};
use crate::image::error::BuildError;
use crate::image::foreign::Format;
use crate::model::id::RunId;
use crate::port::{DiskPlace, Domains, Frozen, LiveSpec, Stamp};

/// How often it is looked whether a domain that is off still is.
const POLL: Duration = Duration::from_millis(250);

/// How a running domain is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// As [`LiveSpec::watcher`].
    pub watcher: Vec<OsString>,
    /// As [`LiveSpec::id`].
    pub id: RunId,
}

/// A domain, and copies of what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its name.
    pub name: String,
    /// What its description says.
    pub domain: Domain,
    /// A copy of each disk's files, the top first.
    pub disks: Vec<Vec<Copied>>,
    /// A copy of its firmware's variables.
    pub nvram: Option<Copied>,
}

/// A copy of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The copy.
    pub file: PathBuf,
    /// Its format, which nobody has to guess.
    pub format: Format,
    /// Where it was.
    pub from: DiskPlace,
}

/// Copies a domain's disks into a folder. A running one is only copied where `live` says how.
///
/// # Errors
/// Nothing is left of it on the host; what is in the folder is worth nothing.
pub async fn fetch(
    host: &dyn Domains,
    name: &str,
    live: Option<&Live>,
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Fetched, DomainError> {
    let now = host
        .domain(name)
        .await?
        .ok_or_else(|| DomainError::Unknown(name.to_owned()))?;
    let mut domain = read(&now.xml).map_err(|error| DomainError::Xml {
        domain: name.to_owned(),
        error,
    })?;
    if now.saved {
        domain.said.push(
            "its memory is saved (`virsh managedsave`), so that its disks are as if it had lost power then"
                .to_owned(),
        );
    }
    let nvram = nvram(host, &mut domain, folder).await;
    let mut fetched = Fetched {
        name: name.to_owned(),
        disks: links(&domain, folder),
        domain,
        nvram,
    };
    let copying = async {
        match (now.active, live) {
            (false, _) => off(host, &fetched).await.map(|()| None),
            (true, Some(live)) => running(host, &mut fetched, live, folder).await.map(Some),
            (true, None) => Err(DomainError::Running(name.to_owned())),
        }
    };
    let frozen = tokio::select! {
        copied = copying => copied?,
        () = cancel.cancelled() => {
            if let Some(live) = live {
                // Who watches ends it too; whoever asked waits until it is over.
                host.end_copy(name, &live.id, false).await?;
            }
            return Err(BuildError::Interrupted.into());
        }
    };
    if let Some(frozen) = frozen {
        fetched.domain.said.push(match frozen {
            Frozen::Yes(count) => format!("it ran on; {count} of its file systems were frozen at the moment of the copy"),
            Frozen::No(why) => format!(
                "it ran on, and its file systems could not be frozen ({why}): the copy is as after a power cut"
            ),
        });
    }
    Ok(fetched)
}

/// Where its disks' files are, and where their copies will be.
fn links(domain: &Domain, folder: &Path) -> Vec<Vec<Copied>> {
    let of_disk = |(nth, disk): (usize, &DomainDisk)| {
        let links = disk.links.iter().enumerate();
        links
            .map(|(below, link)| Copied {
                file: folder.join(format!("disk{nth}.{below}")),
                format: link.format,
                from: link.place.clone(),
            })
            .collect()
    };
    domain.disks.iter().enumerate().map(of_disk).collect()
}

/// Where its variables are, if they are anywhere yet and can be read; a machine starts without them too.
async fn nvram(host: &dyn Domains, domain: &mut Domain, folder: &Path) -> Option<Copied> {
    let nvram = domain.nvram.clone()?;
    let from = DiskPlace::File(nvram.file);
    let why = match host.stamp(&from).await {
        Ok(Some(_)) => {
            return Some(Copied {
                file: folder.join("nvram.0"),
                format: nvram.format,
                from,
            });
        }
        Ok(None) => "it is not there".to_owned(),
        Err(error) => error.message,
    };
    domain.nvram = None;
    domain.said.push(format!(
        "its firmware's variables ({from}) are not taken: {why}; clones begin with new ones"
    ));
    None
}

async fn stamps(host: &dyn Domains, fetched: &Fetched) -> Result<Vec<Stamp>, DomainError> {
    let mut stamps = Vec::new();
    for copied in fetched.disks.iter().flatten().chain(&fetched.nvram) {
        let stamp = host.stamp(&copied.from).await?;
        stamps.push(stamp.ok_or_else(|| DomainError::Missing {
            domain: fetched.name.clone(),
            place: copied.from.to_string(),
        })?);
    }
    Ok(stamps)
}

/// Copies a domain that is off, as long as it is.
async fn off(host: &dyn Domains, fetched: &Fetched) -> Result<(), DomainError> {
    let before = stamps(host, fetched).await?;
    let all = || fetched.disks.iter().flatten().chain(&fetched.nvram);
    let copy = async {
        for copied in all() {
            host.fetch_disk(&copied.from, &copied.file).await?;
        }
        Ok::<(), DomainError>(())
    };
    let copied = tokio::select! {
        copied = copy => copied,
        given_up = watch(host, &fetched.name) => Err(given_up),
    };
    copied?;
    is_off(host, &fetched.name).await?;
    // One that was started and stopped between two looks has written to its disks, or has done no harm.
    let after = stamps(host, fetched).await?;
    let mut changed = all().zip(before.iter().zip(&after));
    match changed.find(|(_, (before, after))| before != after) {
        Some((copied, _)) => Err(DomainError::Changed {
            domain: fetched.name.clone(),
            place: copied.from.to_string(),
        }),
        None => Ok(()),
    }
}

/// Ends when a domain is not off any more, or nobody can tell.
async fn watch(host: &dyn Domains, name: &str) -> DomainError {
    loop {
        tokio::time::sleep(POLL).await;
        if let Err(given_up) = is_off(host, name).await {
            return given_up;
        }
    }
}

async fn is_off(host: &dyn Domains, name: &str) -> Result<(), DomainError> {
    match host.domain(name).await? {
        Some(now) if now.active => Err(DomainError::Started(name.to_owned())),
        Some(_) => Ok(()),
        None => Err(DomainError::Unknown(name.to_owned())),
    }
}

/// Copies a domain that runs. What it cannot write to is copied as it is, and its variables as well.
async fn running(
    host: &dyn Domains,
    fetched: &mut Fetched,
    live: &Live,
    folder: &Path,
) -> Result<Frozen, DomainError> {
    let mut spec = LiveSpec {
        domain: fetched.name.clone(),
        id: live.id.clone(),
        disks: Vec::new(),
        watcher: live.watcher.clone(),
    };
    let disks = fetched.domain.disks.iter().zip(&mut fetched.disks);
    for (nth, (disk, files)) in disks
        .enumerate()
        .filter(|(_, (disk, _))| !disk.hardware.read_only)
    {
        let Some(top) = files.first() else {
            continue;
        };
        let whole = Copied {
            file: folder.join(format!("disk{nth}.live")),
            format: Format::Qcow2,
            from: top.from.clone(),
        };
        spec.disks.push((disk.name.clone(), whole.file.clone()));
        *files = vec![whole];
    }
    let at_rest = fetched.domain.disks.iter().zip(&fetched.disks);
    let at_rest = at_rest
        .filter(|(disk, _)| disk.hardware.read_only)
        .flat_map(|(_, files)| files);
    for copied in at_rest.chain(&fetched.nvram) {
        host.fetch_disk(&copied.from, &copied.file).await?;
    }
    if spec.disks.is_empty() {
        return Ok(Frozen::No("it writes to none of its disks".to_owned()));
    }
    Ok(host.copy_live(&spec).await?)
}
