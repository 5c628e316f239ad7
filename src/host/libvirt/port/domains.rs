//! A host's own domains: the [`Domains`] port.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::host::libvirt::host::LibvirtHost;
use crate::host::libvirt::live::{self, Froze, Stand};
use crate::host::libvirt::watcher::Watcher;
use crate::host::libvirt::{foreign, pool, transfer};
use crate::image::domain::watch::{FREEZES, LONGEST, THAWED};
use crate::input::safe;
use crate::model::id::RunId;
use crate::model::name::{PoolName, VolumePath};
use crate::model::resource::Made;
use crate::port::{DiskPlace, DomainNow, Domains, Frozen, LabError, LiveSpec, Stamp};

/// The pause between two looks at a copy.
const POLL: Duration = Duration::from_millis(250);

#[async_trait]
impl Domains for LibvirtHost {
    async fn domains(&self) -> Result<Vec<String>, LabError> {
        let what = format!("asking {} for its domains", self.link().uri());
        self.link().ask(what, foreign::names).await
    }

    async fn domain(&self, name: &str) -> Result<Option<DomainNow>, LabError> {
        let what = format!("asking {} for domain {}", self.link().uri(), safe::line(name));
        let name = name.to_owned();
        self.link().ask(what, move |conn| foreign::now(conn, &name)).await
    }

    async fn stamp(&self, disk: &DiskPlace) -> Result<Option<Stamp>, LabError> {
        let (disk, local) = (disk.clone(), self.is_local());
        let what = format!("looking at {disk}");
        self.link()
            .ask(what, move |conn| foreign::stamp(conn, local, &disk))
            .await
    }

    async fn fetch_disk(&self, disk: &DiskPlace, file: &Path) -> Result<(), LabError> {
        let (disk, file) = (disk.clone(), file.to_owned());
        self.read(format!("copying {disk}"), move |conn, local, halt| {
            foreign::fetch(conn, local, &disk, &file, halt)
        })
        .await
    }

    async fn copy_live(&self, spec: &LiveSpec) -> Result<Frozen, LabError> {
        let (room, uri) = (spec.clone(), self.link().uri().clone());
        let what = format!(
            "looking for room for a copy of domain {}",
            safe::line(&spec.domain)
        );
        self.link()
            .ask(what, move |conn| live::has_room(conn, &uri, &room))
            .await?;
        let mut watcher = Watcher::start(spec, self.link().uri()).await?;
        let copied = copy(self, spec, &mut watcher).await;
        // Whatever came of it, who watches ends what is left; one road, which is walked each time.
        let ended = watcher.end().await;
        let frozen = copied?;
        ended?;
        Ok(frozen)
    }

    async fn end_copy(&self, domain: &str, id: &RunId, thaw: bool) -> Result<(), LabError> {
        let (uri, name, id) = (self.link().uri().clone(), domain.to_owned(), id.clone());
        let what = format!("ending the copy of domain {}", safe::line(domain));
        self.is_made(&Made::Pool(PoolName::of_run(&id))).await?;
        self.link()
            .ask(what, move |conn| live::end(conn, &uri, &name, &id, thaw))
            .await
    }
}

async fn copy(host: &LibvirtHost, spec: &LiveSpec, watcher: &mut Watcher) -> Result<Frozen, LabError> {
    let (pool, uri) = (PoolName::of_run(&spec.id), host.link().uri().clone());
    let name = pool.clone();
    host.make(
        &Made::Pool(pool.clone()),
        format!("making pool {pool}"),
        move |conn| pool::create(conn, &uri, &name),
    )
    .await?;
    let frozen = begin(host, spec, watcher).await?;
    loop {
        let (name, uri) = (spec.domain.clone(), host.link().uri().clone());
        let what = format!("asking how far the copy of domain {} is", safe::line(&name));
        let stand = host.link().ask(what, move |conn| {
            let stand = live::stand(conn, &name)?;
            live::is_full(conn, &uri)?;
            Ok(stand)
        });
        match stand.await? {
            Stand::GoesOn => tokio::time::sleep(POLL).await,
            Stand::Whole => break,
        }
    }
    for (disk, file) in &spec.disks {
        let volume = VolumePath::new(&pool, &live::volume(disk)?);
        let (path, file) = (volume.clone(), file.clone());
        host.transfer(
            format!("fetching {volume}"),
            &volume,
            move |conn, folder, halt| transfer::fetch(conn, folder.as_deref(), &path, &file, halt),
        )
        .await?;
    }
    Ok(frozen)
}

/// Begins the copy, with the file systems frozen for that moment where somebody in the guest can do so.
async fn begin(host: &LibvirtHost, spec: &LiveSpec, watcher: &mut Watcher) -> Result<Frozen, LabError> {
    let domain = safe::line(&spec.domain);
    watcher.tell(FREEZES).await?;
    let since = Instant::now();
    let name = spec.domain.clone();
    let froze = host
        .link()
        .call(
            format!("freezing the file systems of domain {domain}"),
            LONGEST,
            move |conn| live::freeze(conn, &name),
        )
        .await?;
    let wanted = spec.clone();
    let begun = host
        .link()
        .call(
            format!("beginning a copy of domain {domain}"),
            LONGEST,
            move |conn| live::begin(conn, &wanted),
        )
        .await;
    let frozen = match froze {
        Froze::No(why) => Frozen::No(why),
        Froze::Partly(why) => {
            // What has not frozen may not thaw either.
            let _ = thaw(host, &spec.domain).await;
            Frozen::No(why)
        }
        Froze::Yes(count) => {
            thaw(host, &spec.domain).await?;
            if since.elapsed() < LONGEST {
                Frozen::Yes(count)
            } else {
                Frozen::No(format!("it took longer than {} s", LONGEST.as_secs()))
            }
        }
    };
    watcher.tell(THAWED).await?;
    begun?;
    Ok(frozen)
}

async fn thaw(host: &LibvirtHost, domain: &str) -> Result<(), LabError> {
    let name = domain.to_owned();
    let what = format!("thawing the file systems of domain {}", safe::line(domain));
    host.link().ask(what, move |conn| live::thaw(conn, &name)).await
}
