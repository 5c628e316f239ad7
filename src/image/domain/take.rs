//! A domain, from its host to a sealed image.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::image::catalogue::image_name;
use crate::image::confined::Confined;
use crate::image::domain::error::DomainError;
use crate::image::domain::fetch::{Fetched, Live, fetch};
use crate::image::domain::whole::whole;
use crate::image::error::BuildError;
use crate::image::foreign::Foreign;
use crate::image::import::told::ImportProgress;
use crate::image::import::{Import, Imported, import};
use crate::image::manifest::Sealed;
use crate::image::process::{Dialect, Runner, missing};
use crate::image::store::{Lock, Store, Work};
use crate::port::Domains;
use crate::system::firmware;

/// What the store's locks call this.
const KEY: &str = "domain";
/// Bytes of memory that a program may take that looks at a disk.
const MEMORY: u64 = 2 << 30;
/// Bytes of a file that it may write.
const FILE: u64 = 4 << 40;

/// A domain to take over.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Its name.
    pub domain: String,
    /// Its OS version, as an import has it.
    pub os: String,
    /// The role that it has.
    pub role: Option<String>,
    /// How it is copied where it runs; nothing: it is refused.
    pub live: Option<Live>,
}

/// A domain that was taken over.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its image.
    pub sealed: Sealed,
    /// What it was, and what there is to say of it; its disks' copies are gone.
    pub machine: Foreign,
}

/// Where a domain is made an image.
struct Shop {
    _lock: Lock,
    _work: Work,
    confined: Confined,
    runner: Runner,
}

/// Takes a domain over. It is as it was, and in the store is its image or nothing of it.
pub async fn take(
    host: &dyn Domains,
    wish: &Wish,
    store: &Store,
    progress: Arc<dyn ImportProgress + Send>,
    cancel: &CancellationToken,
) -> Result<Taken, DomainError> {
    let name = image_name(&wish.os, wish.role.as_deref());
    let shop = open(&name, store, cancel)?;
    let folder = shop.confined.folder.clone();
    let fetched = fetch(host, &wish.domain, wish.live.as_ref(), &folder, cancel).await?;
    let (wish, store, cancel) = (wish.clone(), store.clone(), cancel.clone());
    let making =
        tokio::task::spawn_blocking(move || make(&shop, fetched, &wish, &store, progress.as_ref(), &cancel));
    making.await.map_err(|error| {
        BuildError::of_io(
            "make the image",
            &folder,
            std::io::Error::other(error.to_string()),
        )
    })?
}

fn open(name: &str, store: &Store, cancel: &CancellationToken) -> Result<Shop, BuildError> {
    if let Some(tool) = missing(&["setpriv", "prlimit", "qemu-img"]) {
        return Err(BuildError::ToolMissing(tool.to_owned()));
    }
    let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
    store.sweep().map_err(in_store)?;
    let lock = store.lock(name, KEY, cancel, &|| {})?;
    let work = store.work(name, KEY, &lock).map_err(in_store)?;
    let confined = Confined {
        folder: work.dir().join("copies"),
        memory: MEMORY,
        file: FILE,
    };
    DirBuilder::new()
        .mode(0o700)
        .create(&confined.folder)
        .map_err(in_store)?;
    let runner = Runner::passing(work.dir(), cancel, Dialect::default()).map_err(in_store)?;
    Ok(Shop {
        _lock: lock,
        _work: work,
        confined,
        runner,
    })
}

fn make(
    shop: &Shop,
    fetched: Fetched,
    wish: &Wish,
    store: &Store,
    progress: &dyn ImportProgress,
    cancel: &CancellationToken,
) -> Result<Taken, DomainError> {
    let machine = whole(fetched, &shop.runner, &shop.confined)?;
    let made = seal(machine.clone(), wish, store, progress, cancel)?;
    let sealed = made.sealed;
    let said = made.said;
    Ok(Taken {
        sealed,
        machine: Foreign { said, ..machine },
    })
}

/// Seals a machine. Its disks are whole and in formats that are known.
fn seal(
    machine: Foreign,
    wish: &Wish,
    store: &Store,
    progress: &dyn ImportProgress,
    cancel: &CancellationToken,
) -> Result<Imported, BuildError> {
    let wanted = Import {
        os: wish.os.clone(),
        role: wish.role.clone(),
        builds: firmware::local(),
        ..Import::default()
    };
    // The copies are gone when an error is read.
    let disks = machine.disks.iter();
    let known: Vec<(PathBuf, String)> = disks
        .map(|disk| (disk.file.clone(), format!("disk {}", disk.name)))
        .chain(
            machine
                .nvram
                .iter()
                .map(|nvram| (nvram.clone(), "NVRAM".to_owned())),
        )
        .collect();
    let named = |path: &Path| {
        let (_, name) = known.iter().find(|(file, _)| file == path)?;
        Some(format!("domain {}, {name}", wish.domain).into())
    };
    import(&wanted, machine, store, progress, cancel).map_err(|error| error.named(named))
}
