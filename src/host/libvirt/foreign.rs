//! Domains that are the host's own: what they are now, and the files of their disks.

use std::path::{Path, PathBuf};

use virt::connect::Connect;
use virt::storage_vol::StorageVol;

use crate::host::libvirt::error::{doing, found, lab_error};
use crate::host::libvirt::making::Halt;
use crate::host::libvirt::pool::patient;
use crate::host::libvirt::transfer;
use crate::host::libvirt::xml::{child, parse};
use crate::input::safe;
use crate::model::outcome::Cause;
use crate::port::{DiskPlace, DomainNow, LabError, Stamp};
use crate::system::disk::Disk;
use crate::system::file::FileError;

/// The names of all domains.
pub fn names(conn: &Connect) -> Result<Vec<String>, LabError> {
    let domains = conn.list_all_domains(0).map_err(doing("listing the domains"))?;
    // One that vanishes while we look is none.
    let mut names: Vec<String> = domains.iter().filter_map(|domain| domain.name().ok()).collect();
    names.sort();
    Ok(names)
}

/// What a domain is now.
pub fn now(conn: &Connect, name: &str) -> Result<Option<DomainNow>, LabError> {
    let what = format!("domain {}", safe::line(name));
    let Some(domain) = found(conn.lookup_domain_by_name(name), &what)? else {
        return Ok(None);
    };
    let reading = || doing(format!("reading {what}"));
    let active = domain.is_active().map_err(reading())?;
    Ok(Some(DomainNow {
        active,
        saved: !active && domain.has_managed_save(0).map_err(reading())?,
        xml: domain.xml_desc(0).map_err(reading())?,
    }))
}

/// What a disk is now.
pub fn stamp(conn: &Connect, local: bool, place: &DiskPlace) -> Result<Option<Stamp>, LabError> {
    let stamp = match source(conn, local, place)? {
        Source::Here(disk) => disk
            .stamp()
            .map_err(|error| unreadable(place, &error.to_string()))?,
        Source::Volume(volume) => {
            let xml = volume.xml_desc(0).map_err(doing(format!("reading {place}")))?;
            volume_stamp(&xml).ok_or_else(|| unreadable(place, "libvirt does not describe it"))?
        }
        Source::Nothing => return Ok(None),
    };
    Ok(Some(Stamp(stamp)))
}

/// A volume's size and last change.
fn volume_stamp(xml: &str) -> Option<String> {
    let document = parse(xml)?;
    let root = document.root_element();
    let text =
        |node: Option<roxmltree::Node<'_, '_>>| node.and_then(|node| node.text()).unwrap_or("-").to_owned();
    let times = child(root, "target").and_then(|target| child(target, "timestamps"));
    Some(format!(
        "{} {}",
        text(child(root, "physical")),
        text(times.and_then(|times| child(times, "mtime")))
    ))
}

/// Copies a disk to a new file.
pub fn fetch(
    conn: &Connect,
    local: bool,
    place: &DiskPlace,
    file: &Path,
    halt: &Halt,
) -> Result<(), LabError> {
    match source(conn, local, place)? {
        Source::Here(disk) => {
            let copied = disk.copy(file, &|| halt.check().is_err());
            halt.check()?;
            copied.map_err(|error| not_copied(place, file, &error))
        }
        Source::Volume(volume) => transfer::fetch_any(conn, &volume, &format!("copying {place}"), file, halt),
        Source::Nothing => Err(unreadable(place, "it is not there")),
    }
}

fn not_copied(place: &DiskPlace, file: &Path, error: &std::io::Error) -> LabError {
    let what = format!("copying {place} to {}", file.display());
    if error.kind() == std::io::ErrorKind::StorageFull {
        return LabError::new(Cause::HostDisk, format!("{what}: the disk is full")).with_hint(
            "free some room in the image store (`patchgate image remove --unused`), or let PATCHGATE_IMAGES name a folder on \
             another disk",
        );
    }
    LabError::new(Cause::HostRefused, format!("{what}: {error}"))
}

fn unreadable(place: &DiskPlace, why: &str) -> LabError {
    LabError::new(Cause::HostRefused, format!("{place} cannot be read: {why}"))
}

/// How a disk can be read.
enum Source {
    /// As a file of this machine.
    Here(Disk),
    /// Through libvirt.
    Volume(StorageVol),
    /// It is not there.
    Nothing,
}

fn source(conn: &Connect, local: bool, place: &DiskPlace) -> Result<Source, LabError> {
    let volume = match place {
        DiskPlace::File(_) => None,
        DiskPlace::Volume { pool, volume } => {
            let Some(pool) = found(conn.lookup_storage_pool_by_name(pool), &format!("{place}"))? else {
                return Ok(Source::Nothing);
            };
            match found(pool.lookup_storage_vol_by_name(volume), &format!("{place}"))? {
                Some(volume) => Some(volume),
                None => return Ok(Source::Nothing),
            }
        }
    };
    let path = match (place, &volume) {
        (DiskPlace::File(path), _) => path.clone(),
        (DiskPlace::Volume { .. }, Some(volume)) => {
            PathBuf::from(volume.path().map_err(doing(format!("looking up {place}")))?)
        }
        (DiskPlace::Volume { .. }, None) => return Ok(Source::Nothing),
    };
    if local {
        match Disk::open(&path) {
            Ok(disk) => return Ok(Source::Here(disk)),
            Err(FileError::Missing | FileError::NotAFolder) => return Ok(Source::Nothing),
            // What this user may not read, libvirt may, where it is in a pool of its own.
            Err(FileError::Io(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(unreadable(place, &error.to_string())),
        }
    }
    match volume {
        Some(volume) => Ok(Source::Volume(volume)),
        None => in_pool(conn, local, place, &path),
    }
}

/// The error of a file that is read neither here nor through a pool.
fn in_no_pool(local: bool, place: &DiskPlace) -> LabError {
    let (why, hint) = if local {
        (
            "this user may not, and it is in no pool of libvirt's, through which it could be read",
            "call patchgate as root, or make its folder a pool (`virsh pool-define-as`)",
        )
    } else {
        (
            "it is in no pool of that host's, and only volumes of pools can be read from another host",
            "make its folder a pool there (`virsh pool-define-as NAME dir --target FOLDER`, `virsh pool-start NAME`), or \
             run patchgate on that host",
        )
    };
    unreadable(place, why).with_hint(hint)
}

/// A file as a volume of the pool that it is in.
fn in_pool(conn: &Connect, local: bool, place: &DiskPlace, path: &Path) -> Result<Source, LabError> {
    let folder = path.parent().unwrap_or(path).display().to_string();
    let what = format!("the pool of {place}");
    let Some(pool) = found(conn.lookup_storage_pool_by_target_path(&folder), &what)? else {
        return Err(in_no_pool(local, place));
    };
    // What was written since the pool was read last.
    patient(|| pool.refresh(0)).map_err(|error| lab_error(&format!("reading {what}"), &error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let volume = found(pool.lookup_storage_vol_by_name(&name), &place.to_string())?;
    Ok(volume.map_or(Source::Nothing, Source::Volume))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volumes_stamp_is_its_size_and_its_last_change() {
        let xml = "<volume><physical unit='bytes'>7</physical><target><timestamps><mtime>1.5</mtime></timestamps></target></volume>";
        assert_eq!(volume_stamp(xml).as_deref(), Some("7 1.5"));
        assert_eq!(volume_stamp("<volume/>").as_deref(), Some("- -"));
        assert_eq!(volume_stamp("<volume"), None);
    }

    #[test]
    fn a_disk_is_read_here_or_from_a_pool_and_nowhere_else() {
        let conn = Connect::open(Some("test:///default")).expect("the test driver");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        std::fs::write(&path, vec![7; 100_000]).expect("a disk");
        let place = DiskPlace::File(path.clone());
        assert!(stamp(&conn, true, &place).expect("it opens").is_some());
        let copy = folder.path().join("copy");
        fetch(&conn, true, &place, &copy, &Halt::default()).expect("a copy");
        assert_eq!(std::fs::read(&copy).expect("it reads"), vec![7; 100_000]);
        let gone = DiskPlace::File(folder.path().join("gone"));
        assert_eq!(stamp(&conn, true, &gone).expect("an answer"), None);
        // Of another host it takes a pool.
        for (local, words) in [(false, "only volumes of pools"), (true, "this user may not")] {
            let error = in_no_pool(local, &place);
            assert!(error.message.contains(words), "{error}");
            assert!(error.hint.is_some_and(|hint| hint.contains("pool-define-as")));
        }
        let volume = DiskPlace::Volume {
            pool: "none".into(),
            volume: "disk".into(),
        };
        assert_eq!(stamp(&conn, true, &volume).expect("an answer"), None);
    }
}
