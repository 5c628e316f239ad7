//! The header of a VMA archive (`vma_spec.txt` and `vma.h` of <https://git.proxmox.com/?p=pve-qemu.git>). Numbers are big-endian.

use md5::{Digest, Md5};

use crate::image::bundle::error::{Problem, shown};
use crate::image::bundle::holey::DISK_LIMIT;

/// Bytes of the fixed part.
pub const FIXED: usize = 12_288;
/// Bytes of the whole header; real ones have some ten thousand more than the fixed part.
const MOST: usize = 32 << 20;
/// Names of configurations, and pointers to their contents behind them.
const CONFIGS: usize = 2044;
const CONTENTS: usize = 3068;
/// What is said of devices: 256 times 32 bytes, the first of which is none.
const DEVICES: usize = 4096;

/// What an archive has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What each extent has too.
    pub uuid: [u8; 16],
    /// Its configuration files, by name.
    pub configs: Vec<(String, Vec<u8>)>,
    /// Its devices.
    pub devices: Vec<Device>,
}

/// A device of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number in extents, from 1.
    pub id: u8,
    /// Its name: `drive-scsi0`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The number of so many bytes at a place; 0 where there are none.
pub fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let part = bytes.get(at..at + length).unwrap_or_default();
    part.iter()
        .fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

/// Whether the MD5 at a place of a header is that of the header with zeros in that place.
pub fn is_sealed(header: &[u8], at: usize) -> bool {
    let Some((before, rest)) = header.split_at_checked(at) else {
        return false;
    };
    let Some((sum, after)) = rest.split_at_checked(16) else {
        return false;
    };
    let own = Md5::new()
        .chain_update(before)
        .chain_update([0; 16])
        .chain_update(after)
        .finalize();
    own[..] == *sum
}

/// How long a header is, by its fixed part.
pub fn length(fixed: &[u8]) -> Result<usize, Problem> {
    let version = number(fixed, 4, 4);
    if version != 1 {
        return Err(Problem::Unfit(format!(
            "is a backup of Proxmox in version {version} of its format; known is 1"
        )));
    }
    usize::try_from(number(fixed, 56, 4))
        .ok()
        .filter(|length| (FIXED..=MOST).contains(length))
        .ok_or_else(|| damaged("its header has no such length"))
}

fn damaged(what: &str) -> Problem {
    Problem::Damaged(what.to_owned())
}

/// Reads a whole header.
pub fn read(header: &[u8]) -> Result<Header, Problem> {
    let [offset, size] = [48, 52].map(|at| number(header, at, 4));
    let blobs = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(size).ok())
        .filter(|(offset, _)| *offset >= FIXED)
        .and_then(|(offset, size)| header.get(offset..offset.checked_add(size)?))
        .ok_or_else(|| damaged("its header has no place for names"))?;
    let mut uuid = [0; 16];
    uuid.copy_from_slice(
        header
            .get(8..24)
            .ok_or_else(|| damaged("its header has no end"))?,
    );
    let mut configs = Vec::new();
    for index in 0..256 {
        let [name, content] = [CONFIGS, CONTENTS].map(|at| number(header, at + 4 * index, 4));
        if name == 0 || content == 0 {
            continue;
        }
        let pair = text(blobs, name).zip(blob(blobs, content));
        let (name, content) = pair.ok_or_else(|| damaged("its header points to nothing"))?;
        configs.push((name, content.to_vec()));
    }
    let mut devices = Vec::new();
    for id in 1..=u8::MAX {
        let at = DEVICES + 32 * usize::from(id);
        let (name, size) = (number(header, at, 4), number(header, at + 8, 8));
        if name == 0 && size == 0 {
            continue;
        }
        let name = text(blobs, name).ok_or_else(|| damaged("a device of it has no name"))?;
        if size > DISK_LIMIT {
            return Err(Problem::Unfit(format!(
                "has a disk {} of {} GiB; at most {} are taken",
                shown(&name),
                size >> 30,
                DISK_LIMIT >> 30
            )));
        }
        devices.push(Device { id, name, size });
    }
    if devices.iter().map(|device| device.size).sum::<u64>() > 4 * DISK_LIMIT {
        return Err(damaged("its disks are larger together than any machine's"));
    }
    Ok(Header {
        uuid,
        configs,
        devices,
    })
}

/// A length in two bytes, the low one first, and so many bytes.
fn blob(blobs: &[u8], at: u64) -> Option<&[u8]> {
    let rest = blobs.get(usize::try_from(at).ok()?..)?;
    let (length, rest) = rest.split_at_checked(2)?;
    rest.get(..usize::from(u16::from_le_bytes([length[0], length[1]])))
}

fn text(blobs: &[u8], at: u64) -> Option<String> {
    let bytes = blob(blobs, at).filter(|_| at > 0)?;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}
