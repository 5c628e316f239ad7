//! Backups of Proxmox, as `vzdump` writes them: VMA archives. They are read in one pass, as they come out of whatever unpacks them.
//! Format: `vma_spec.txt` of <https://git.proxmox.com/?p=pve-qemu.git>.

pub mod config;
pub mod extents;
pub mod header;
pub mod machine;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::image::bundle::error::{Problem, listed};
use crate::image::bundle::holey::Holey;
use crate::image::bundle::part::fill;
use crate::image::bundle::vma::header::Header;
use crate::image::foreign::{Foreign, ForeignDisk, Format};

/// What an archive begins with.
pub const MAGIC: &[u8] = b"VMA\0";
/// The configuration of the machine.
const CONFIG: &str = "qemu-server.conf";

/// Takes the machine of an archive: its disks are written to `into`, and all of it is held to be whole.
pub fn take(from: &mut impl Read, into: &Path, stop: &dyn Fn() -> bool) -> Result<Foreign, Problem> {
    let header = header_of(from)?;
    let own = header.configs.iter().find(|(name, _)| name == CONFIG);
    let names: Vec<&str> = header.devices.iter().map(|device| device.name.as_str()).collect();
    let machine = machine::read(own.map(|(_, content)| content.as_slice()), &names)?;
    if machine.drives.is_empty() {
        return Err(Problem::Unfit(format!(
            "is a backup without a disk; it has {}",
            listed(names)
        )));
    }
    let mut said = machine.said;
    let others = header.configs.iter().map(|(name, _)| name.as_str());
    let others: Vec<&str> = others.filter(|name| *name != CONFIG).collect();
    if !others.is_empty() {
        said.push(format!("files that are left out: {}", listed(others)));
    }
    let mut wanted = BTreeMap::new();
    let mut disks = Vec::new();
    for (index, drive) in machine.drives.into_iter().enumerate() {
        let file = into.join(format!("disk-{}", index + 1));
        want(&header, drive.device, &file, &mut wanted)?;
        disks.push(ForeignDisk {
            file,
            name: drive.key,
            format: Some(Format::Raw),
            hardware: drive.hardware,
        });
    }
    let nvram = match machine.nvram {
        None => None,
        Some(device) => {
            let file: PathBuf = into.join("nvram");
            want(&header, device, &file, &mut wanted)?;
            Some(file)
        }
    };
    extents::read(from, &header, &wanted, stop)?;
    for file in wanted.into_values() {
        file.finish()?;
    }
    Ok(Foreign {
        disks,
        hardware: machine.hardware,
        nics: machine.nics,
        memory: machine.memory,
        vcpus: machine.vcpus,
        nvram,
        said,
    })
}

fn want(
    header: &Header,
    device: usize,
    file: &Path,
    wanted: &mut BTreeMap<u8, Holey>,
) -> Result<(), Problem> {
    if let Some(device) = header.devices.get(device) {
        wanted.insert(device.id, Holey::create(file, device.size)?);
    }
    Ok(())
}

/// Reads the header, and holds it to its checksum.
fn header_of(from: &mut impl Read) -> Result<Header, Problem> {
    let cut = || Problem::Cut("its header is not whole".to_owned());
    let mut bytes = vec![0; header::FIXED];
    if fill(from, &mut bytes)? < header::FIXED {
        return Err(cut());
    }
    let length = header::length(&bytes)?;
    bytes.resize(length, 0);
    if fill(from, &mut bytes[header::FIXED..])? < length - header::FIXED {
        return Err(cut());
    }
    if !header::is_sealed(&bytes, 32) {
        return Err(Problem::Damaged("its header has another checksum".to_owned()));
    }
    header::read(&bytes)
}
