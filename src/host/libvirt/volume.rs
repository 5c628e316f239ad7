//! Volumes: sealed images copied into a run's pool, overlays forked from them, the ends of consoles.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};
use virt::connect::Connect;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use crate::host::libvirt::capabilities::owner;
use crate::host::libvirt::direct::{self, CHUNK};
use crate::host::libvirt::error::{damaged, doing, found, is_absent, lab_error};
use crate::host::libvirt::making::Halt;
use crate::host::libvirt::pool::patient;
use crate::host::libvirt::xml::{Element, child, element, parse};
use crate::input::hex;
use crate::model::name::{PoolName, VolumeName, VolumePath};
use crate::model::outcome::Cause;
use crate::port::{Disk, LabError};
use crate::system;

/// A volume's pool.
fn pool(conn: &Connect, path: &VolumePath) -> Result<StoragePool, virt::error::Error> {
    conn.lookup_storage_pool_by_name(path.pool.as_str())
}

/// A volume and its pool.
pub fn find(conn: &Connect, path: &VolumePath) -> Result<(StoragePool, StorageVol), LabError> {
    let looking = || doing(format!("looking up volume {path}"));
    let handle = pool(conn, path).map_err(looking())?;
    let volume = handle
        .lookup_storage_vol_by_name(path.name.as_str())
        .map_err(looking())?;
    Ok((handle, volume))
}

/// Deletes a volume; no error where it, or its pool, is not there.
pub fn remove(conn: &Connect, path: &VolumePath) -> Result<(), LabError> {
    let what = format!("volume {path}");
    let Some(handle) = found(pool(conn, path), &what)? else {
        return Ok(());
    };
    let removing = || doing(format!("removing {what}"));
    if !handle.is_active().map_err(removing())? && handle.create(0).is_err() {
        // No folder, no volume.
        return Ok(());
    }
    let lookup = || found(handle.lookup_storage_vol_by_name(path.name.as_str()), &what);
    let volume = if let Some(volume) = lookup()? {
        volume
    } else {
        // The daemon may have died between making the file and knowing it.
        patient(|| handle.refresh(0)).map_err(removing())?;
        let Some(volume) = lookup()? else {
            return Ok(());
        };
        volume
    };
    match volume.delete(0) {
        Err(error) if !is_absent(&error) => Err(lab_error(&format!("removing {what}"), &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a file of a sealed image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A disk that overlays are forked from.
    Disk,
    /// Bytes.
    Plain,
}

/// Copies a file of a sealed image into a pool, and checks it on the way: to the pool's folder where that is on this machine,
/// else through libvirt, which works on any host.
pub fn place_image(
    conn: &Connect,
    folder: Option<&Path>,
    path: &VolumePath,
    (file, sha256, content): (&Path, &str, Content),
    halt: &Halt,
) -> Result<(), LabError> {
    let unreadable = |error: std::io::Error| {
        LabError::new(Cause::ImageDamaged, format!("image {}: {error}", file.display()))
            .with_hint("build or import the image again")
    };
    let mut source = system::file::open(file).map_err(|error| unreadable(error.into()))?;
    let size = source.metadata().map_err(unreadable)?.len();
    let placing = || doing(format!("copying image {} to volume {path}", file.display()));
    let handle = pool(conn, path).map_err(placing())?;
    // Raw, so that libvirt makes a file of exactly that size; it looks for the format when it refreshes the pool.
    let xml = describe(&path.name, size, Kind::RAW).render();
    let volume = StorageVol::create_xml(&handle, &xml, 0).map_err(placing())?;
    let copied = match direct::writable(folder, &path.name) {
        Some(target) => direct::copy(&source, &target, file, halt),
        None => upload(conn, &volume, &mut source, 0..size, (file, halt)),
    };
    let copied = copied.and_then(|digest| {
        if !digest.eq_ignore_ascii_case(sha256) {
            return Err(damaged(
                file,
                &format!("its SHA-256 is {digest}, sealed was {sha256}"),
            ));
        }
        match content {
            Content::Disk => patient(|| handle.refresh(0)).map_err(placing())?,
            Content::Plain => return Ok(()),
        }
        let xml = volume.xml_desc(0).map_err(placing())?;
        match base_fault(&xml) {
            None => Ok(()),
            Some(fault) => Err(damaged(file, &fault)),
        }
    });
    if copied.is_err() {
        // Where this fails too, the volume goes with the pool.
        let _ = volume.delete(0);
    }
    copied
}

/// Why a volume cannot be the base of overlays.
fn base_fault(xml: &str) -> Option<String> {
    let Some(document) = parse(xml) else {
        return Some("libvirt describes its copy with XML that cannot be read".into());
    };
    let root = document.root_element();
    let format = child(root, "target")
        .and_then(|target| child(target, "format"))
        .and_then(|format| format.attribute("type"));
    if format != Some("qcow2") {
        return Some(format!(
            "it is {}, not qcow2",
            format.unwrap_or("of no known format")
        ));
    }
    child(root, "backingStore")
        .and_then(|backing| child(backing, "path"))
        .map(|path| format!("it needs another disk, {}", path.text().unwrap_or_default()))
}

/// Makes a raw volume of nothing that QEMU may write to by itself.
pub fn create_owned(conn: &Connect, path: &VolumePath, size: u64) -> Result<StorageVol, LabError> {
    let making = || doing(format!("making volume {path}"));
    let owner = owner(conn)?;
    let kind = Kind {
        owner: owner.as_ref(),
        ..Kind::RAW
    };
    let handle = pool(conn, path).map_err(making())?;
    let xml = describe(&path.name, size, kind).render();
    StorageVol::create_xml(&handle, &xml, 0).map_err(making())
}

/// Makes a raw volume of these bytes.
pub fn place_bytes(conn: &Connect, path: &VolumePath, bytes: &[u8]) -> Result<(), LabError> {
    let placing = || doing(format!("writing volume {path}"));
    let handle = pool(conn, path).map_err(placing())?;
    let size = bytes.len() as u64;
    let xml = describe(&path.name, size, Kind::RAW).render();
    let volume = StorageVol::create_xml(&handle, &xml, 0).map_err(placing())?;
    upload(
        conn,
        &volume,
        &mut &*bytes,
        0..size,
        (Path::new(path.name.as_str()), &Halt::default()),
    )
    .map(drop)
}

/// Sends as many bytes of a file to that place in a volume; their SHA-256.
pub fn upload(
    conn: &Connect,
    volume: &StorageVol,
    source: &mut dyn Read,
    place: Range<u64>,
    (file, halt): (&Path, &Halt),
) -> Result<String, LabError> {
    let size = place.end.saturating_sub(place.start);
    let sending = || doing(format!("copying image {}", file.display()));
    let stream = Stream::new(conn, 0).map_err(sending())?;
    volume.upload(&stream, place.start, size, 0).map_err(sending())?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut left = size;
    while left > 0 {
        if let Err(halted) = halt.check() {
            let _ = stream.abort();
            return Err(halted);
        }
        let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let read = match source.read(&mut buffer[..want]) {
            Ok(0) => {
                let _ = stream.abort();
                return Err(damaged(file, "it became shorter while it was read"));
            }
            Ok(read) => read,
            Err(error) => {
                let _ = stream.abort();
                return Err(damaged(file, &error.to_string()));
            }
        };
        digest.update(&buffer[..read]);
        let mut sent = 0;
        while sent < read {
            match stream.send(&buffer[sent..read]).map(usize::try_from) {
                Ok(Ok(more)) if more > 0 => sent += more,
                Ok(_) => {
                    let _ = stream.abort();
                    return Err(LabError::new(
                        Cause::HostRefused,
                        format!("copying image {}: libvirt takes no more data", file.display()),
                    ));
                }
                Err(error) => {
                    // Only `finish` tells why the daemon ended the stream: a full disk, say.
                    let error = stream.finish().err().unwrap_or(error);
                    return Err(sending()(error));
                }
            }
        }
        left -= read as u64;
    }
    stream.finish().map_err(sending())?;
    Ok(hex(&digest.finalize()))
}

/// What a volume is, beside its name and size.
#[derive(Clone, Copy)]
struct Kind<'a> {
    format: &'static str,
    /// The path of what it is forked from.
    base: Option<&'a str>,
    /// Numbers of a user and a group, where they are not libvirt's own.
    owner: Option<&'a (String, String)>,
}

impl Kind<'_> {
    /// A file of bytes.
    const RAW: Self = Self {
        format: "raw",
        base: None,
        owner: None,
    };
}

/// A volume's XML (<https://libvirt.org/formatstorage.html>).
fn describe(name: &VolumeName, capacity: u64, kind: Kind<'_>) -> Element {
    let Kind { format, base, owner } = kind;
    let permissions = owner.map(|(user, group)| {
        element("permissions")
            .child(element("mode").text("0600"))
            .child(element("owner").text(user))
            .child(element("group").text(group))
    });
    let target = element("target")
        .child(element("format").with("type", format))
        .children(permissions);
    let volume = element("volume")
        .child(element("name").text(name))
        .child(element("capacity").with("unit", "bytes").text(capacity))
        .child(element("allocation").text(0))
        .child(target);
    match base {
        None => volume,
        Some(path) => volume.child(
            element("backingStore")
                .child(element("path").text(path))
                .child(element("format").with("type", "qcow2")),
        ),
    }
}

/// Forks an overlay from a base volume: a linked clone.
pub fn create_overlay(conn: &Connect, pool: &PoolName, disk: &Disk) -> Result<(), LabError> {
    let overlay = VolumePath::new(pool, &disk.volume);
    let (handle, base) = find(conn, &VolumePath::new(pool, &disk.base))?;
    let forking = || doing(format!("making overlay {overlay}"));
    let capacity = base.info().map_err(forking())?.capacity;
    let path = base.path().map_err(forking())?;
    let kind = Kind {
        format: "qcow2",
        base: Some(&path),
        owner: None,
    };
    let xml = describe(&overlay.name, capacity, kind).render();
    StorageVol::create_xml(&handle, &xml, 0)
        .map(drop)
        .map_err(forking())
}

/// The last bytes of a file in a pool, at most `limit`.
pub fn tail(conn: &Connect, file: &str, limit: u64) -> Result<Vec<u8>, LabError> {
    let reading = || doing(format!("reading {file}"));
    let path = Path::new(file);
    let (Some(folder), Some(name)) = (
        path.parent().and_then(Path::to_str),
        path.file_name().and_then(|n| n.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    let pool = conn
        .lookup_storage_pool_by_target_path(folder)
        .map_err(reading())?;
    patient(|| pool.refresh(0)).map_err(reading())?;
    let volume = pool.lookup_storage_vol_by_name(name).map_err(reading())?;
    let size = volume.info().map_err(reading())?.capacity;
    let length = size.min(limit);
    if length == 0 {
        return Ok(Vec::new());
    }
    let stream = Stream::new(conn, 0).map_err(reading())?;
    volume
        .download(&stream, size - length, length, 0)
        .map_err(reading())?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    while (bytes.len() as u64) < length {
        match stream.recv(&mut buffer).map(usize::try_from) {
            Ok(Ok(read)) if read > 0 => bytes.extend_from_slice(&buffer[..read.min(buffer.len())]),
            Ok(_) => break,
            Err(error) => {
                let _ = stream.abort();
                return Err(reading()(error));
            }
        }
    }
    // What was read is whole or shorter; a stream that does not end well changes nothing about it.
    let _ = stream.abort();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_and_an_overlay() {
        let name = |text: &str| text.parse::<VolumeName>().expect("a name");
        insta::assert_snapshot!(describe(&name("base"), 4096, Kind::RAW).render(), @r#"
        <volume>
          <name>base</name>
          <capacity unit="bytes">4096</capacity>
          <allocation>0</allocation>
          <target>
            <format type="raw"/>
          </target>
        </volume>
        "#);
        let overlay = Kind {
            format: "qcow2",
            base: Some("/p/base"),
            owner: None,
        };
        insta::assert_snapshot!(describe(&name("web.qcow2"), 1 << 32, overlay).render(), @r#"
        <volume>
          <name>web.qcow2</name>
          <capacity unit="bytes">4294967296</capacity>
          <allocation>0</allocation>
          <target>
            <format type="qcow2"/>
          </target>
          <backingStore>
            <path>/p/base</path>
            <format type="qcow2"/>
          </backingStore>
        </volume>
        "#);
    }

    #[test]
    fn only_a_qcow2_that_stands_alone_is_a_base() {
        let volume = |format: &str, rest: &str| {
            format!("<volume><target><format type='{format}'/></target>{rest}</volume>")
        };
        assert_eq!(base_fault(&volume("qcow2", "")), None);
        assert_eq!(base_fault(&volume("qcow2", "<backingStore/>")), None);
        for (xml, fault) in [
            (volume("raw", ""), "it is raw"),
            (
                volume("qcow2", "<backingStore><path>/etc/shadow</path></backingStore>"),
                "/etc/shadow",
            ),
            ("<volume/>".into(), "no known format"),
            ("<volume".into(), "cannot be read"),
        ] {
            assert!(base_fault(&xml).is_some_and(|text| text.contains(fault)), "{xml}");
        }
    }
}
