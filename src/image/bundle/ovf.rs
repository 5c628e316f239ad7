//! Appliances of VMware and VirtualBox: a descriptor, a manifest, and disks.

pub mod bounds;
pub mod descriptor;
pub mod files;
pub mod item;
pub mod machine;
pub mod models;
pub mod units;
pub mod virtualbox;

use std::collections::BTreeSet;
use std::path::Path;

use crate::image::bundle::error::{Problem, listed, shown};
use crate::image::bundle::holey::{DISK_LIMIT, Holey};
use crate::image::bundle::manifest::{self, Manifest};
use crate::image::bundle::names::ends_with;
use crate::image::bundle::ovf::descriptor::{Descriptor, Disk};
use crate::image::bundle::ovf::files::{Taken, Taking};
use crate::image::bundle::ovf::machine::{Content, Drive};
use crate::image::bundle::package::Package;
use crate::image::foreign::{Foreign, ForeignDisk, Format};
use crate::model::hardware::DiskHardware;

/// Whether a file is a descriptor, by its beginning.
pub fn is_descriptor(head: &[u8]) -> bool {
    descriptor::looks_like(head)
}

/// The one descriptor of an archive. Its name is its own; where no name ends with `.ovf`, the beginnings of small files tell.
pub fn find(package: &Package) -> Result<String, Problem> {
    let mut found: Vec<&str> = package.names();
    found.retain(|name| ends_with(name, ".ovf"));
    if found.is_empty() {
        for name in package.names() {
            // A link has no beginning; that it is one is said where somebody needs it.
            if let Ok(Some(part)) = package.find(name)
                && part.left() <= descriptor::LIMIT
                && is_descriptor(&part.head()?)
            {
                found.push(name);
            }
        }
    }
    match found[..] {
        [one] => Ok(one.to_owned()),
        [] => Err(Problem::Unfit(
            "is a tar archive without an OVF descriptor; unpack it, and import the disk or the folder"
                .to_owned(),
        )),
        [_, _, ..] => Err(Problem::Several {
            what: "descriptors",
            names: listed(found),
            remedy: "unpack it, and import the one that is meant",
        }),
    }
}

/// Takes the machine that a descriptor tells of, by the descriptor's name.
pub fn take(
    package: &Package,
    name: &str,
    wanted: Option<&str>,
    into: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Foreign, Problem> {
    let base = name.rfind('/').map_or("", |at| &name[..=at]);
    let mut said = Vec::new();
    let (manifest, files) = manifest_of(package, name, base, &mut said)?;
    let mut taking = Taking::new(package, base, &manifest, into, stop);
    taking.saw(files);
    let bytes = taking.read(name, descriptor::LIMIT)?;
    let read = descriptor::read(name, &bytes, wanted)?;
    if !manifest.is_empty() && !manifest.knows(&name[base.len()..]) {
        said.push(format!(
            "its manifest does not know its descriptor {}",
            shown(name)
        ));
    }
    let mut disks = Vec::new();
    for drive in &read.machine.drives {
        let disk = disk(drive, &read, &mut taking, disks.len() + 1)?;
        disks.push(disk);
    }
    if disks.is_empty() {
        return Err(Problem::Unfit(format!(
            "has a machine without a disk; its disks are {}",
            listed(read.disks.iter().map(|disk| disk.id.as_str()))
        )));
    }
    let unused = package.names().into_iter().filter(|name| !taking.is_used(name));
    let unused: Vec<&str> = unused.collect();
    taking.rest()?;
    said.append(&mut taking.said);
    unattached(&read, &mut said);
    if package.is_whole() && !unused.is_empty() {
        said.push(format!("files that are left out: {}", listed(unused)));
    }
    if !package.is_ended() {
        said.push("the archive has no mark at its end; all that the descriptor names is there".to_owned());
    }
    let machine = read.machine;
    said.extend(machine.said);
    Ok(Foreign {
        disks,
        hardware: machine.hardware,
        nics: machine.nics,
        memory: machine.memory,
        vcpus: machine.vcpus,
        nvram: None,
        said,
    })
}

/// What the manifests say: the one of the descriptor's name, and, where all belongs to one appliance, every other beside it or
/// below. A file must fit each that knows it.
fn manifest_of(
    package: &Package,
    name: &str,
    base: &str,
    said: &mut Vec<String>,
) -> Result<(Manifest, Vec<String>), Problem> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let names = package.names();
    let beside = |end: &str| -> Vec<&str> {
        let own = |there: &str| {
            there
                .strip_prefix(stem)
                .is_some_and(|rest| rest.eq_ignore_ascii_case(end))
        };
        let all = names.iter().copied().filter(|there| ends_with(there, end));
        // In a folder another appliance's may lie beside it.
        all.filter(|there| own(there) || (package.is_whole() && there.starts_with(base)))
            .collect()
    };
    let signed = beside(".cert");
    if !signed.is_empty() {
        said.push(format!(
            "its signature is not checked: {}",
            listed(signed.iter().copied())
        ));
    }
    let mut manifest = Manifest::default();
    let found = beside(".mf");
    for chosen in &found {
        let part = package.find(chosen)?.ok_or_else(|| Problem::Absent {
            file: shown(chosen),
            by: "the archive".to_owned(),
        })?;
        let bytes = part.bytes(chosen, manifest::LIMIT)?;
        let read = manifest::read(&bytes).map_err(|strange| Problem::ManifestLine {
            file: shown(chosen),
            line: strange.line,
            text: strange.text,
        })?;
        if read.is_empty() {
            said.push(format!(
                "its manifest {} lists nothing, and so nothing was compared with it",
                shown(chosen)
            ));
        }
        let below = chosen.get(base.len()..).unwrap_or_default();
        manifest.add(below.rfind('/').map_or("", |at| &below[..=at]), read);
    }
    if found.is_empty() {
        said.push(
            "it has no manifest, so that nothing but its own structure says whether it is whole".to_owned(),
        );
    }
    let seen = found.into_iter().chain(signed);
    Ok((manifest, seen.map(str::to_owned).collect()))
}

/// Takes the content of one disk.
fn disk(
    drive: &Drive,
    read: &Descriptor,
    taking: &mut Taking<'_>,
    number: usize,
) -> Result<ForeignDisk, Problem> {
    let declared = match &drive.content {
        Content::Disk(id) => {
            Some(
                read.disks
                    .iter()
                    .find(|disk| disk.id == *id)
                    .ok_or_else(|| Problem::Absent {
                        file: format!("disk {}", shown(id)),
                        by: "its machine".to_owned(),
                    })?,
            )
        }
        Content::File(_) => None,
    };
    let place = taking.into.join(format!("disk-{number}"));
    let id = match (&drive.content, declared) {
        (Content::File(id), _)
        | (
            Content::Disk(_),
            Some(Disk {
                file: Some(id),
                parent: None,
                ..
            }),
        ) => id,
        (Content::Disk(id), Some(Disk { parent: Some(_), .. })) => {
            return Err(Problem::Unfit(format!(
                "has of disk {} only what differs from another; export it whole, without snapshots",
                shown(id)
            )));
        }
        (Content::Disk(id), _) => {
            return blank(drive, id, declared.and_then(|disk| disk.capacity), &place, taking);
        }
    };
    let file = read
        .files
        .iter()
        .find(|file| file.id == *id)
        .ok_or_else(|| Problem::Absent {
            file: format!("file {}", shown(id)),
            by: "its disk".to_owned(),
        })?;
    let Taken { path, head } = taking.file(file, &place)?;
    if let (Some(told), Some(own)) = (declared.and_then(|disk| disk.capacity), vmdk_capacity(&head))
        && told != own
    {
        taking.said.push(format!(
            "the descriptor gives its disk {} {}, and its own header {}, which counts",
            shown(&drive.name),
            units::said(told),
            units::said(own)
        ));
    }
    Ok(ForeignDisk {
        file: path,
        name: file.href.clone(),
        format: declared.and_then(|disk| disk.format),
        hardware: DiskHardware {
            bus: drive.bus,
            ..DiskHardware::default()
        },
    })
}

/// A disk that is there and empty.
fn blank(
    drive: &Drive,
    id: &str,
    capacity: Option<u64>,
    place: &Path,
    taking: &mut Taking<'_>,
) -> Result<ForeignDisk, Problem> {
    const SECTOR: u64 = 512;
    let size = capacity
        .and_then(|capacity| capacity.checked_next_multiple_of(SECTOR))
        .filter(|size| (1..=DISK_LIMIT).contains(size))
        .ok_or_else(|| {
            Problem::Unfit(format!(
                "has an empty disk {} without a size that is one",
                shown(id)
            ))
        })?;
    Holey::create(place, size)?.finish()?;
    taking.said.push(format!(
        "its disk {} is empty in the export, with {}",
        shown(&drive.name),
        units::said(size)
    ));
    Ok(ForeignDisk {
        file: place.to_owned(),
        name: id.to_owned(),
        format: Some(Format::Raw),
        hardware: DiskHardware {
            bus: drive.bus,
            ..DiskHardware::default()
        },
    })
}

/// Disks that no machine has.
fn unattached(read: &Descriptor, said: &mut Vec<String>) {
    let drives = read.machine.drives.iter();
    let attached: BTreeSet<&str> = drives
        .filter_map(|drive| match &drive.content {
            Content::Disk(id) => Some(id.as_str()),
            Content::File(_) => None,
        })
        .collect();
    let all = read.disks.iter().map(|disk| disk.id.as_str());
    let left: Vec<&str> = all.filter(|id| !attached.contains(id)).collect();
    if !left.is_empty() && !read.others {
        said.push(format!(
            "disks that its machine does not have are left out: {}",
            listed(left)
        ));
    }
}

/// The size that a sparse VMDK gives itself, in bytes: sectors at byte 12
/// (<https://github.com/libyal/libvmdk/blob/main/documentation/VMWare%20Virtual%20Disk%20Format%20(VMDK).asciidoc>).
fn vmdk_capacity(head: &[u8]) -> Option<u64> {
    head.strip_prefix(b"KDMV")?;
    let sectors = head.get(12..20)?.try_into().ok().map(u64::from_le_bytes)?;
    sectors.checked_mul(512)
}
