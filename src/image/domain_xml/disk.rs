//! A domain's disks: their files, what those stand on, and what the guest knows them by.

use std::path::PathBuf;

use roxmltree::Node;

use crate::image::domain_xml::error::{DomainXmlError, LONGEST};
use crate::image::domain_xml::xml::{child, children, of_child, quoted, text_of};
use crate::image::foreign::Format;
use crate::input::names::{is_absolute, is_name};
use crate::model::hardware::{DiskBus, DiskHardware};
use crate::port::DiskPlace;

/// Characters of a serial number (`DISK_SERIAL` of libvirt's schema has no bound; QEMU's virtio-blk shows 20, SCSI 247).
const SERIAL: usize = 247;

/// A disk that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainDisk {
    /// Its name in the domain, such as `vda`.
    pub name: String,
    /// Its file, and those that it stands on, the top first.
    pub links: Vec<Link>,
    /// What the guest knows it by.
    pub hardware: DiskHardware,
}

/// One file of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub place: DiskPlace,
    /// Its format, which libvirt knows: its content is not asked.
    pub format: Format,
}

/// The disks that are taken, the one that the domain boots from first; what is not taken is said.
pub fn disks(devices: Node<'_, '_>, said: &mut Vec<String>) -> Result<Vec<DomainDisk>, DomainXmlError> {
    let mut found: Vec<(Option<u32>, DomainDisk)> = Vec::new();
    for node in children(devices, "disk") {
        let order = of_child(node, "boot", "order").and_then(|order| order.parse().ok());
        if let Some(disk) = disk(node, devices, said)? {
            found.push((order, disk));
        }
    }
    let first = found
        .iter()
        .enumerate()
        .filter_map(|(at, (order, _))| Some(((*order)?, at)))
        .min();
    if let Some((_, at)) = first {
        let boots = found.remove(at);
        found.insert(0, boots);
    }
    Ok(found.into_iter().map(|(_, disk)| disk).collect())
}

fn disk(
    node: Node<'_, '_>,
    devices: Node<'_, '_>,
    said: &mut Vec<String>,
) -> Result<Option<DomainDisk>, DomainXmlError> {
    let target = child(node, "target");
    let name = target
        .and_then(|target| target.attribute("dev"))
        .filter(|name| is_name(name, "", 32))
        .ok_or_else(|| DomainXmlError::Unreadable("a disk of it has no name".to_owned()))?;
    let left = |what: &str, said: &mut Vec<String>| {
        let of = source(node).map_or_else(String::new, |source| format!(" ({})", quoted(source)));
        said.push(format!("its {what} {name}{of} is not taken"));
    };
    match node.attribute("device").unwrap_or("disk") {
        "disk" | "lun" => {}
        "cdrom" => {
            left("CD drive", said);
            return Ok(None);
        }
        "floppy" => {
            left("floppy drive", said);
            return Ok(None);
        }
        other => {
            left(&format!("device {}", quoted(other)), said);
            return Ok(None);
        }
    }
    if child(node, "shareable").is_some() {
        left("shared disk", said);
        return Ok(None);
    }
    if node.attribute("type") == Some("dir") {
        left("folder of the host's, shown as a disk,", said);
        return Ok(None);
    }
    let links = chain(node, name)?;
    let bus = target.and_then(|target| target.attribute("bus"));
    let bus = match bus_of(bus.unwrap_or_default(), name, said) {
        DiskBus::Scsi => scsi(node, devices, said),
        other => other,
    };
    let hardware = DiskHardware {
        bus: Some(bus),
        serial: serial(node, name, said),
        wwn: wwn(node, name, said),
        block_size: block_size(node),
        read_only: child(node, "readonly").is_some(),
    };
    Ok(Some(DomainDisk {
        name: name.to_owned(),
        links,
        hardware,
    }))
}

/// What a disk's source is called, to be shown.
fn source<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let source = child(node, "source")?;
    ["file", "dev", "volume", "dir", "name"]
        .into_iter()
        .find_map(|name| source.attribute(name))
}

/// Its file, and those that it stands on, as far as the description has them.
fn chain(disk: Node<'_, '_>, name: &str) -> Result<Vec<Link>, DomainXmlError> {
    // Without a word on it libvirt takes a disk as raw, and so never looks (<https://libvirt.org/formatdomain.html>).
    let format = of_child(disk, "driver", "type").unwrap_or("raw");
    let mut links = vec![link(disk, format, name)?];
    let mut below = child(disk, "backingStore");
    // One without a source is the end of the chain.
    while let Some(store) = below.filter(|store| child(*store, "source").is_some()) {
        if links.len() == LONGEST {
            return Err(DomainXmlError::Chain(name.to_owned()));
        }
        let format = of_child(store, "format", "type").unwrap_or("raw");
        links.push(link(store, format, name)?);
        below = child(store, "backingStore");
    }
    Ok(links)
}

fn link(node: Node<'_, '_>, format: &str, disk: &str) -> Result<Link, DomainXmlError> {
    let disk = disk.to_owned();
    let source = child(node, "source")
        .ok_or_else(|| DomainXmlError::Unreadable(format!("its disk {disk} has no source")))?;
    let has = |name: &str| [node, source].into_iter().any(|node| child(node, name).is_some());
    let place = place(node, source, &disk)?;
    if has("encryption") {
        return Err(DomainXmlError::Encrypted(disk));
    }
    for (element, what) in [
        ("dataStore", "its data in a file beside it"),
        ("slices", "its data in a part of a file"),
    ] {
        if has(element) {
            let what = what.to_owned();
            return Err(DomainXmlError::Parts { disk, what });
        }
    }
    Ok(Link {
        place,
        format: format_of(format).ok_or_else(|| DomainXmlError::Format {
            disk,
            format: quoted(format),
        })?,
    })
}

fn place(node: Node<'_, '_>, source: Node<'_, '_>, disk: &str) -> Result<DiskPlace, DomainXmlError> {
    let said = |name: &str| source.attribute(name).filter(|text| !text.is_empty());
    let path = |name: &str| {
        said(name)
            .filter(|path| is_absolute(path))
            .map(|path| DiskPlace::File(PathBuf::from(path)))
            .ok_or_else(|| DomainXmlError::Unreadable(format!("its disk {disk} has no absolute path")))
    };
    match node.attribute("type").unwrap_or("file") {
        "file" => path("file"),
        "block" => path("dev"),
        "volume" if said("mode") == Some("direct") => Err(DomainXmlError::Network {
            disk: disk.to_owned(),
            protocol: "iscsi".to_owned(),
            name: quoted(said("volume").unwrap_or_default()),
        }),
        "volume" => match (said("pool"), said("volume")) {
            (Some(pool), Some(volume)) => Ok(DiskPlace::Volume {
                pool: pool.to_owned(),
                volume: volume.to_owned(),
            }),
            (Some(_) | None, _) => Err(DomainXmlError::Unreadable(format!(
                "its disk {disk} names no volume"
            ))),
        },
        "network" => Err(DomainXmlError::Network {
            disk: disk.to_owned(),
            protocol: quoted(said("protocol").unwrap_or("unknown")),
            name: quoted(said("name").unwrap_or("without a name")),
        }),
        kind => Err(DomainXmlError::Device {
            disk: disk.to_owned(),
            kind: quoted(kind),
        }),
    }
}

/// The format of that name of libvirt's (`virStorageFileFormat`).
pub fn format_of(name: &str) -> Option<Format> {
    Some(match name {
        "raw" | "iso" => Format::Raw,
        "qcow2" => Format::Qcow2,
        "vmdk" => Format::Vmdk,
        "vpc" | "vhd" => Format::Vhd,
        "vdi" => Format::Vdi,
        _ => return None,
    })
}

fn bus_of(bus: &str, disk: &str, said: &mut Vec<String>) -> DiskBus {
    match bus {
        "virtio" => DiskBus::Virtio,
        "scsi" => DiskBus::Scsi,
        "sata" => DiskBus::Sata,
        "ide" => DiskBus::Ide,
        "nvme" => DiskBus::Nvme,
        "" => match disk.get(..2) {
            Some("sd") => DiskBus::Scsi,
            Some("hd") => DiskBus::Ide,
            Some(_) | None => DiskBus::Virtio,
        },
        other => {
            said.push(format!(
                "its disk {disk} is on {}, which clones do not have; it is on sata there",
                quoted(other)
            ));
            DiskBus::Sata
        }
    }
}

/// SCSI as the disk's controller has it (<https://libvirt.org/formatdomain.html#controllers>).
fn scsi(disk: Node<'_, '_>, devices: Node<'_, '_>, said: &mut Vec<String>) -> DiskBus {
    let index = of_child(disk, "address", "controller").unwrap_or("0");
    let its = |node: &Node<'_, '_>| {
        node.attribute("type") == Some("scsi") && node.attribute("index").unwrap_or("0") == index
    };
    let model = children(devices, "controller")
        .find(its)
        .and_then(|node| node.attribute("model"));
    // There are several of virtio's.
    let Some(model) = model.filter(|model| !model.starts_with("virtio")) else {
        return DiskBus::Scsi;
    };
    DiskBus::of_scsi(model).unwrap_or_else(|| {
        let words = format!(
            "its SCSI controller is {}; clones have virtio-scsi",
            quoted(model)
        );
        if !said.contains(&words) {
            said.push(words);
        }
        DiskBus::Scsi
    })
}

fn serial(node: Node<'_, '_>, disk: &str, said: &mut Vec<String>) -> Option<String> {
    let serial = text_of(node, "serial")?;
    if is_name(serial, "_. +-", SERIAL) {
        return Some(serial.to_owned());
    }
    said.push(format!(
        "the serial number of its disk {disk}, {}, is none that libvirt takes; clones have none",
        quoted(serial)
    ));
    None
}

fn wwn(node: Node<'_, '_>, disk: &str, said: &mut Vec<String>) -> Option<String> {
    let wwn = text_of(node, "wwn")?;
    let digits = wwn.strip_prefix("0x").unwrap_or(wwn);
    if digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(digits.to_ascii_lowercase());
    }
    said.push(format!(
        "the WWN of its disk {disk}, {}, has not 16 hexadecimal digits; clones have none",
        quoted(wwn)
    ));
    None
}

fn block_size(node: Node<'_, '_>) -> Option<u32> {
    let size = of_child(node, "blockio", "logical_block_size")?.parse().ok()?;
    [1024, 2048, 4096].contains(&size).then_some(size)
}
