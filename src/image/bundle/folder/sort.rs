//! What a file of a folder is, by its content; by its name only where raw bytes say nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::image::bundle::error::Problem;
use crate::image::bundle::names::ends_with;
use crate::image::bundle::ovf;
use crate::image::bundle::part::Part;
use crate::image::bundle::unpack::Packed;
use crate::image::bundle::vma;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A descriptor of OVF.
    Descriptor,
    /// The XML of a libvirt domain.
    Domain,
    /// Variables of UEFI firmware.
    Nvram,
    /// An archive of a whole machine.
    Archive,
    /// A disk, and the files beside it, by name, that are parts of it and no disks of their own.
    Disk(Vec<String>),
    /// Anything else.
    Other,
}

/// How names of raw disks end, whose content may begin with anything.
const RAW: [&str; 5] = [".img", ".raw", ".dd", ".disk", ".hdd"];
/// How names of other disks end.
const DISKS: [&str; 5] = [".qcow2", ".vmdk", ".vhdx", ".vhd", ".vdi"];
/// How names of compressed files end.
const COMPRESSED: [&str; 3] = [".gz", ".xz", ".zst"];
/// Bytes of a VMDK's descriptor.
const DESCRIPTOR: u64 = 64 * 1024;
/// The size of OVMF's variables in bytes, with 4 MiB of firmware and with 2.
const VARIABLES: [u64; 2] = [540_672, 131_072];

/// Says what a file is.
pub fn kind(name: &str, file: &File) -> Result<Kind, Problem> {
    let size = file.metadata().map_err(Problem::reading)?.len();
    let part =
        || -> Result<Part, Problem> { Ok(Part::new(file.try_clone().map_err(Problem::reading)?, 0, size)) };
    let head = part()?.head()?;
    if head.starts_with(b"QFI\xfb") {
        return Ok(qcow2(&head));
    }
    if head.starts_with(b"# Disk DescriptorFile") && size <= DESCRIPTOR {
        let text = part()?.bytes(name, DESCRIPTOR)?;
        return Ok(Kind::Disk(extents(&String::from_utf8_lossy(&text))));
    }
    if ["KDMV", "COWD", "vhdxfile", "conectix"]
        .iter()
        .any(|magic| head.starts_with(magic.as_bytes()))
        || head.get(64..68) == Some(&[0x7f, 0x10, 0xda, 0xbe])
        || at(file, size.checked_sub(512), 8)? == b"conectix"
    {
        return Ok(Kind::Disk(Vec::new()));
    }
    if head.starts_with(vma::MAGIC) || head.get(257..262) == Some(b"ustar") {
        return Ok(Kind::Archive);
    }
    if head.get(40..44) == Some(b"_FVH") {
        return Ok(Kind::Nvram);
    }
    if let Some(bare) = compressed(name, &head) {
        return Ok(if ends_with(bare, ".vma") || ends_with(bare, ".ova") {
            Kind::Archive
        } else if RAW.iter().chain(&DISKS).any(|end| ends_with(bare, end)) {
            Kind::Disk(Vec::new())
        } else {
            Kind::Other
        });
    }
    Ok(text(name, &head).unwrap_or(if is_raw(name, file, size, &head)? {
        Kind::Disk(Vec::new())
    } else {
        Kind::Other
    }))
}

fn text(name: &str, head: &[u8]) -> Option<Kind> {
    if ovf::is_descriptor(head) || ends_with(name, ".ovf") {
        return Some(Kind::Descriptor);
    }
    let text = String::from_utf8_lossy(head);
    let xml = text.trim_start_matches('\u{feff}').trim_start().starts_with('<');
    xml.then(|| {
        if text.contains("<domain") {
            Kind::Domain
        } else {
            Kind::Other
        }
    })
}

/// A boot sector or a name says that it is a disk; a CD's image has the first as well (ECMA-119, 8.4).
fn is_raw(name: &str, file: &File, size: u64, head: &[u8]) -> Result<bool, Problem> {
    let named = RAW.iter().any(|end| ends_with(name, end));
    let starts = head.get(510..512) == Some(&[0x55, 0xaa]) && size.is_multiple_of(512);
    let is_cd = at(file, Some(32_769), 5)? == b"CD001";
    Ok((named || starts) && !is_cd)
}

/// Some bytes at a place; fewer where the file ends.
fn at(file: &File, at: Option<u64>, length: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; length];
    let count = match at {
        Some(at) => file.read_at(&mut bytes, at).map_err(Problem::reading)?,
        None => 0,
    };
    bytes.truncate(count);
    Ok(bytes)
}

/// The name of what a compressed file holds.
fn compressed<'a>(name: &'a str, head: &[u8]) -> Option<&'a str> {
    let packed = Packed::of(head).is_some() || head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]);
    packed.then(|| without(name, &[".lzo"].into_iter().chain(COMPRESSED).collect::<Vec<_>>()))
}

fn without<'a>(name: &'a str, ends: &[&str]) -> &'a str {
    ends.iter()
        .find(|end| ends_with(name, end))
        .map_or(name, |end| &name[..name.len() - end.len()])
}

/// A qcow2: its backing file and its data file are no disks of their own
/// (<https://www.qemu.org/docs/master/interop/qcow2.html>).
fn qcow2(head: &[u8]) -> Kind {
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length).unwrap_or_default();
        bytes
            .iter()
            .fold(0, |number: u64, &byte| (number << 8) | u64::from(byte))
    };
    let text = |at: u64, length: u64| {
        let begin = usize::try_from(at).ok()?;
        let end = begin.checked_add(usize::try_from(length).ok()?)?;
        Some(String::from_utf8_lossy(head.get(begin..end)?).into_owned())
    };
    if VARIABLES.contains(&number(24, 8)) {
        return Kind::Nvram;
    }
    let mut parts = Vec::new();
    let (backing, length) = (number(8, 8), number(16, 4));
    if backing > 0 {
        parts.extend(text(backing, length));
    }
    if number(4, 4) >= 3 && number(72, 8) & 4 != 0 {
        let mut at = number(100, 4);
        // Each extension has eight bytes of its own; the head is bounded, and so is the walk.
        while let (Ok(place), true) = (usize::try_from(at), at + 8 <= head.len() as u64) {
            let (kind, length) = (number(place, 4), number(place + 4, 4));
            match kind {
                0 => break,
                0x4441_5441 => parts.extend(text(at + 8, length)),
                _ => {}
            }
            at += 8 + length.next_multiple_of(8);
        }
    }
    Kind::Disk(parts.iter().map(|part| last(part).to_owned()).collect())
}

/// The files that a VMDK's descriptor names: `RW 16384 FLAT "disk-flat.vmdk" 0`.
fn extents(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| {
            ["RW ", "RDONLY ", "NOACCESS "]
                .iter()
                .any(|access| line.starts_with(access))
        })
        .filter_map(|line| line.split('"').nth(1))
        .map(|name| last(name).to_owned())
        .collect()
}

/// The last part of a path, of whatever system.
pub fn last(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// By what names are put in order as people count: `disk2` before `disk10`, and `disk` before both.
pub fn natural(name: &str) -> Vec<(String, usize, String)> {
    let bare = without(name, &COMPRESSED);
    let mut rest = without(bare, &RAW.into_iter().chain(DISKS).collect::<Vec<_>>());
    let mut key = Vec::new();
    while !rest.is_empty() {
        let (text, from) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        let digits = digits.trim_start_matches('0');
        key.push((text.to_lowercase(), digits.len(), digits.to_owned()));
        rest = after;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_in_which_people_count() {
        let mut names = [
            "disk10.img",
            "disk2.img",
            "Disk1.img",
            "disk.img",
            "disk2.img.gz",
            "disk02b.img",
        ];
        names.sort_by_key(|name| natural(name));
        assert_eq!(
            names,
            [
                "disk.img",
                "Disk1.img",
                "disk2.img",
                "disk2.img.gz",
                "disk02b.img",
                "disk10.img"
            ]
        );
    }

    #[test]
    fn what_a_disk_is_made_of_is_no_disk() {
        let text = "# Disk DescriptorFile\nRW 16384 FLAT \"a-flat.vmdk\" 0\nRW 1 SPARSE \"C:\\x\\a-s001.vmdk\"\nddb.x = \"b\"\n";
        assert_eq!(extents(text), ["a-flat.vmdk", "a-s001.vmdk"]);
        let mut head = vec![0; 512];
        head[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        head[15] = 200;
        head[19] = 10;
        head[200..210].copy_from_slice(b"/b/x.qcow2");
        head[79] = 4;
        head[103] = 104;
        head[104..120].copy_from_slice(b"DATA\0\0\0\x05x.raw\0\0\0");
        assert_eq!(
            qcow2(&head),
            Kind::Disk(vec!["x.qcow2".to_owned(), "x.raw".to_owned()])
        );
        // An extension without an end is not followed.
        head[108..112].copy_from_slice(&[0xff; 4]);
        qcow2(&head);
    }
}
