//! Pools: one folder per run, gone with the run.

use std::path::{Path, PathBuf};

use virt::connect::Connect;
use virt::error::Error;
use virt::storage_pool::StoragePool;

use crate::host::libvirt::error::{doing, found, is_absent};
use crate::host::libvirt::xml::{Element, child, element, parse};
use crate::model::id::RunId;
use crate::model::name::PoolName;
use crate::model::outcome::Cause;
use crate::model::uri::HostUri;
use crate::port::LabError;
use crate::system::user::is_root;

/// Where a system daemon keeps its images; QEMU's user can get there.
const SYSTEM_IMAGES: &str = "/var/lib/libvirt/images";
/// Tries at what libvirt refuses while another volume of the pool is being made, 50 ms apart.
const BUSY_TRIES: u32 = 100;

/// Where the pools of a URI have their folders.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The folder around them.
    images: PathBuf,
    /// What is added to a pool's name to tell its folder from those of another daemon.
    suffix: &'static str,
}

/// Where the pools of that URI have their folders; `root` is who calls.
fn place(uri: &HostUri, root: bool) -> Result<Place, LabError> {
    let system = |suffix| Place {
        images: SYSTEM_IMAGES.into(),
        suffix,
    };
    if uri.is_system() {
        return Ok(system(""));
    }
    if !uri.is_local() {
        return Err(LabError::new(
            Cause::HostRefused,
            format!(
                "{uri} is somebody's session on another machine, where the folder for disks is not known"
            ),
        )
        .with_hint("name the other machine's system daemon: qemu+ssh://HOST/system"));
    }
    if root {
        // Root's session starts QEMU as a user of its own too, who cannot get through root's home.
        return Ok(system(".session"));
    }
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/share")))
        .ok_or_else(|| {
            LabError::new(Cause::HostRefused, "no home folder to keep disks in")
                .with_hint("set XDG_DATA_HOME")
        })?;
    Ok(Place {
        images: data.join("libvirt/images"),
        suffix: "",
    })
}

/// The folder of a pool of ours. The name is checked, since the folder is going to be deleted.
fn folder(uri: &HostUri, pool: &PoolName) -> Result<PathBuf, LabError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !pool.as_str().starts_with("pg-") || !pool.as_str().chars().all(plain) {
        return Err(LabError::new(
            Cause::Internal,
            format!("`{pool}` is no name of a pool of patchgate's"),
        ));
    }
    let place = place(uri, is_root())?;
    Ok(place.images.join(format!("{pool}{}", place.suffix)))
}

/// A pool's XML (<https://libvirt.org/formatstorage.html>).
fn describe(pool: &PoolName, folder: &Path) -> Element {
    element("pool")
        .with("type", "dir")
        .child(element("name").text(pool))
        .child(
            element("target")
                .child(element("path").text(folder.display()))
                // QEMU's user must get through the folder, and has no need to list it.
                .child(element("permissions").child(element("mode").text("0711"))),
        )
}

/// Defines, builds and starts a pool. Persistent, since a restart of libvirtd forgets transient pools, and with them
/// the way to delete the folder.
pub fn create(conn: &Connect, uri: &HostUri, pool: &PoolName) -> Result<(), LabError> {
    let making = || doing(format!("making pool {pool}"));
    let made = define(conn, uri, pool)?;
    made.build(0).map_err(making())?;
    made.create(0).map_err(making())
}

/// Defines a pool, with its folder yet to be made.
pub fn define(conn: &Connect, uri: &HostUri, pool: &PoolName) -> Result<StoragePool, LabError> {
    let folder = folder(uri, pool)?;
    conn.define_storage_pool_xml(&describe(pool, &folder).render(), 0)
        .map_err(doing(format!("defining pool {pool} in {}", folder.display())))
}

/// Whether a pool of such a name is ours: pools carry no mark, and those of runs have a folder of their own in one place. One
/// that libvirt does not know is nobody's.
///
/// # Errors
/// It is another's, and is left alone.
pub fn is_ours(conn: &Connect, uri: &HostUri, pool: &PoolName) -> Result<(), LabError> {
    let folder = folder(uri, pool)?;
    let what = format!("pool {pool}");
    let Some(handle) = found(conn.lookup_storage_pool_by_name(pool.as_str()), &what)? else {
        return Ok(());
    };
    let target = target(&handle)?;
    if Path::new(&target) == folder {
        Ok(())
    } else {
        Err(LabError::new(
            Cause::HostRefused,
            format!("{what} is not of a run and is left alone: its folder is {target}"),
        ))
    }
}

/// Deletes a pool with its volumes and its folder, in whatever state it is; no error where there is neither.
pub fn remove(conn: &Connect, uri: &HostUri, pool: &PoolName) -> Result<(), LabError> {
    is_ours(conn, uri, pool)?;
    let folder = folder(uri, pool)?;
    let removing = || doing(format!("removing pool {pool} in {}", folder.display()));
    let handle = match found(
        conn.lookup_storage_pool_by_name(pool.as_str()),
        &format!("pool {pool}"),
    )? {
        Some(handle) => handle,
        // The folder may be there without a definition; libvirt can only delete it through one.
        None => define(conn, uri, pool)?,
    };
    let active = handle.is_active().map_err(removing())? || handle.create(0).is_ok();
    let mut emptied = Ok(());
    if active {
        emptied = empty(&handle).map_err(removing());
        patient(|| handle.destroy()).map_err(removing())?;
    }
    // A pool that does not start has no folder, or one that libvirt cannot read.
    let deleted = if active {
        handle.delete(0).map_err(removing())
    } else {
        Ok(())
    };
    if handle.is_persistent().unwrap_or(true) {
        handle.undefine().map_err(removing())?;
    }
    if uri.is_local() && folder.is_dir() {
        return std::fs::remove_dir_all(&folder).map_err(|error| {
            LabError::new(
                Cause::HostRefused,
                format!("removing folder {}: {error}", folder.display()),
            )
        });
    }
    emptied.and(deleted)
}

fn empty(pool: &StoragePool) -> Result<(), Error> {
    patient(|| pool.refresh(0))?;
    for volume in pool.list_all_volumes(0)? {
        match volume.delete(0) {
            Err(error) if !is_absent(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Pools of runs: those that libvirt knows, and folders of those that it has forgotten.
pub fn marked(conn: &Connect, uri: &HostUri) -> Result<Vec<(PoolName, RunId)>, LabError> {
    let pools = conn
        .list_all_storage_pools(0)
        .map_err(doing("listing the pools"))?;
    let mut names: Vec<String> = pools.iter().filter_map(|pool| pool.name().ok()).collect();
    if uri.is_local() {
        let Place { images, suffix } = place(uri, is_root())?;
        // Not readable for a user of a system daemon; then libvirt's list has to do.
        let entries = std::fs::read_dir(images).into_iter().flatten().flatten();
        names.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .filter_map(|entry| {
                    let name = entry.file_name().into_string().ok()?;
                    Some(name.strip_suffix(suffix)?.to_owned())
                }),
        );
    }
    names.sort();
    names.dedup();
    Ok(names
        .into_iter()
        .filter_map(|name| {
            let name: PoolName = name.parse().ok()?;
            let run = name.run()?;
            Some((name, run))
        })
        .collect())
}

/// Bytes that are free where disks are kept.
pub fn free(conn: &Connect, uri: &HostUri) -> Result<u64, LabError> {
    let images = place(uri, is_root())?.images;
    let asking = || doing(format!("asking how much is free in {}", images.display()));
    if uri.is_local() {
        let existing = images
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let stats = rustix::fs::statvfs(existing).map_err(|error| {
            LabError::new(
                Cause::HostRefused,
                format!("asking how much is free in {}: {error}", existing.display()),
            )
        })?;
        return Ok(stats.f_bavail.saturating_mul(stats.f_frsize));
    }
    let path = images.display().to_string();
    if let Some(pool) = found(
        conn.lookup_storage_pool_by_target_path(&path),
        "the pool of images",
    )? && pool.is_active().unwrap_or(false)
    {
        return Ok(pool.info().map_err(asking())?.available);
    }
    // A transient pool is forgotten with `destroy`, which leaves the folder as it is.
    let name: PoolName = format!("pg-look-{}", uuid::Uuid::new_v4().simple()).parse()?;
    let pool = conn
        .create_storage_pool_xml(&describe(&name, &images).render(), 0)
        .map_err(asking())?;
    let info = pool.info().map_err(asking());
    pool.destroy().map_err(asking())?;
    Ok(info?.available)
}

/// A pool's folder.
pub fn target(pool: &StoragePool) -> Result<String, LabError> {
    let xml = pool.xml_desc(0).map_err(doing("reading a pool"))?;
    target_in(&xml).ok_or_else(|| LabError::new(Cause::HostRefused, "a pool without a folder"))
}

fn target_in(xml: &str) -> Option<String> {
    let document = parse(xml)?;
    let path = child(child(document.root_element(), "target")?, "path")?.text()?;
    Some(path.to_owned())
}

/// Repeats what libvirt refuses while a volume of the pool is being made ("has asynchronous jobs running").
pub fn patient<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 0;
    loop {
        match work() {
            Err(error) if tries < BUSY_TRIES && error.message().contains("asynchronous jobs") => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PoolName {
        text.parse().expect("a name")
    }

    #[test]
    fn a_pool() {
        let xml = describe(&name("pg-20261123-140912-7c1f"), Path::new("/a&b/pg-1")).render();
        insta::assert_snapshot!(xml, @r#"
        <pool type="dir">
          <name>pg-20261123-140912-7c1f</name>
          <target>
            <path>/a&amp;b/pg-1</path>
            <permissions>
              <mode>0711</mode>
            </permissions>
          </target>
        </pool>
        "#);
        assert_eq!(target_in(&xml).as_deref(), Some("/a&b/pg-1"));
    }

    #[test]
    fn a_pool_with_another_folder_is_left_alone() {
        let conn = Connect::open(Some("test:///default")).expect("the test driver");
        let pool = name("pg-20261123-140912-7c1f");
        let uri = &HostUri::system();
        is_ours(&conn, uri, &pool).expect("nobody's");
        for (folder, ours) in [
            ("/srv/erp", false),
            ("/var/lib/libvirt/images", false),
            ("/var/lib/libvirt/images/pg-20261123-140912-7c1f", true),
        ] {
            let made = conn
                .define_storage_pool_xml(&describe(&pool, Path::new(folder)).render(), 0)
                .expect("a pool");
            assert_eq!(is_ours(&conn, uri, &pool).is_ok(), ours, "{folder}");
            if !ours {
                let error = remove(&conn, uri, &pool).expect_err(folder);
                assert!(error.message.contains(folder), "{error}");
                conn.lookup_storage_pool_by_name(pool.as_str()).expect(folder);
            }
            made.undefine().expect("undefine");
        }
    }

    #[test]
    fn only_folders_of_our_own_pools_are_ever_deleted() {
        let uri = &HostUri::system();
        assert_eq!(
            folder(uri, &name("pg-20261123-140912-7c1f")).expect("ours"),
            Path::new("/var/lib/libvirt/images/pg-20261123-140912-7c1f")
        );
        for other in ["default", "pg-A", "pg-a.b"] {
            assert_eq!(
                folder(uri, &name(other)).expect_err(other).cause,
                Cause::Internal,
                "{other}"
            );
        }
        for none in ["", "pg-../default", "pg-a/b", "../pg-a"] {
            assert!(none.parse::<PoolName>().is_err(), "{none}");
        }
        let far = "qemu+ssh://far/session".parse().expect("a URI");
        assert!(folder(&far, &name("pg-a")).is_err());
        let rooted = place(&HostUri::session(), true).expect("a place");
        assert_eq!(rooted.images, Path::new(SYSTEM_IMAGES));
        assert_ne!(rooted.suffix, place(uri, true).expect("a place").suffix);
    }
}
