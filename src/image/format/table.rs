//! Partition tables: MBR, and GPT (UEFI 2.10, chapter 5) with sectors of 512 and 4,096 bytes.

use crate::image::format::flaw::Flaw;
use crate::image::format::read::{CRC32, Source, block, crc32, guid, le32, le64, start};

/// Bytes of a GPT's table: 1,024 entries of 128.
const ENTRIES_MOST: u64 = 1 << 17;
/// The kind of the one entry that keeps old programs off a GPT.
const PROTECTIVE: u8 = 0xee;

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As an MBR says it.
    Mbr(u8),
    /// As a GPT says it.
    Gpt([u8; 16]),
}

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Kind,
    /// Its first byte.
    pub first: u64,
    /// The byte behind its last.
    pub end: u64,
    /// Whether a BIOS begins from it: active, or marked so in a GPT.
    pub bootable: bool,
    /// Its place in the table, from 1 on.
    pub number: u32,
    /// What UEFI knows it by: its GUID in a GPT, else the four bytes of the disk's signature.
    pub id: [u8; 16],
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Whether it is a GPT.
    pub gpt: bool,
    /// Bytes of its sectors.
    pub sector: u32,
    /// Its partitions.
    pub partitions: Vec<Partition>,
    /// The byte behind the last that it speaks of.
    pub end: u64,
    /// Whether the first sector has code.
    pub code: bool,
    /// What is not as it should be.
    pub said: Vec<String>,
}

impl Table {
    /// That of a disk which was given an MBR, and nothing in it.
    pub fn empty() -> Self {
        Self {
            gpt: false,
            sector: 512,
            partitions: Vec::new(),
            end: 0,
            code: false,
            said: Vec::new(),
        }
    }

    /// Whether there is nothing by it that a firmware could begin.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty() && !self.code
    }
}

/// The partition table of a disk, where it has one; `sector`: the size of its sectors, where its owner knows it. A GPT says
/// that by where it is.
pub fn find(source: &dyn Source, sector: Option<u32>) -> Result<Option<Table>, Flaw> {
    let first = start(source, 0, 512)?;
    let code = has_code(&first);
    let mbr = mbr(&first);
    let protected = mbr
        .iter()
        .flatten()
        .any(|entry| entry.kind == Kind::Mbr(PROTECTIVE));
    for size in [512, 4096] {
        if let Some(table) = gpt(source, size, code, protected)? {
            return Ok(Some(table));
        }
    }
    if protected {
        return Err(Flaw::Damaged(
            "its first sector says that it has a GPT, and neither its first nor its last sectors have a whole one".into(),
        ));
    }
    let Some(entries) = mbr else {
        return Ok(None);
    };
    let sector = sector.unwrap_or_else(|| sectors(source, &entries));
    let scale = u64::from(sector) / 512;
    let partitions: Vec<Partition> = entries
        .into_iter()
        .map(|entry| Partition {
            first: entry.first * scale,
            end: entry.end * scale,
            ..entry
        })
        .collect();
    Ok(Some(Table {
        gpt: false,
        sector,
        end: partitions.iter().map(|entry| entry.end).max().unwrap_or(0),
        partitions,
        code,
        said: Vec::new(),
    }))
}

/// Whether a disk's first sector has code that a BIOS would begin.
pub fn has_code(first: &[u8]) -> bool {
    first
        .get(..440)
        .is_some_and(|code| code.iter().any(|&byte| byte != 0))
}

/// The entries of an MBR, as if sectors had 512 bytes; `None` where that is no MBR: the first sector of a file system has its signature
/// as well.
fn mbr(first: &[u8]) -> Option<Vec<Partition>> {
    if first.get(510..512)? != [0x55, 0xaa] {
        return None;
    }
    let entries: Vec<&[u8]> = first.get(446..510)?.chunks_exact(16).collect();
    if entries.iter().any(|entry| !matches!(entry[0], 0 | 0x80)) {
        return None;
    }
    let mut id = [0; 16];
    id[..4].copy_from_slice(&first[440..444]);
    let used: Vec<Partition> = (1..)
        .zip(entries)
        .filter(|(_, entry)| entry[4] != 0 && le32(entry, 12) != 0)
        .map(|(number, entry)| {
            let first = u64::from(le32(entry, 8));
            Partition {
                kind: Kind::Mbr(entry[4]),
                first: first * 512,
                end: (first + u64::from(le32(entry, 12))) * 512,
                bootable: entry[0] == 0x80,
                number,
                id,
            }
        })
        .collect();
    (!used.is_empty()).then_some(used)
}

/// The size of the sectors that an MBR counts in: that by which a partition begins as one does.
fn sectors(source: &dyn Source, entries: &[Partition]) -> u32 {
    let begins = |scale: u64| {
        entries.iter().any(|entry| {
            let at = entry.first * scale;
            let is = |at: u64, magic: &[u8]| {
                block(source, "a partition", at, magic.len()).is_ok_and(|found| found == magic)
            };
            is(at + 510, &[0x55, 0xaa])
                || is(at + 1080, &[0x53, 0xef])
                || is(at, b"XFSB")
                || is(at + 512, b"LABELONE")
                || is(at + 0x1_0040, b"_BHRfS_M")
        })
    };
    if !begins(1) && begins(8) { 4096 } else { 512 }
}

/// The GPT with sectors of that size: by its first header, or by the one at the end where that is damaged, or is gone though the
/// first sector speaks of it.
fn gpt(source: &dyn Source, sector: u32, code: bool, protected: bool) -> Result<Option<Table>, Flaw> {
    let size = u64::from(sector);
    let last = (source.size() / size).saturating_sub(1);
    let first = signed(source, size, 1)?;
    let signed_first = first.is_some();
    if let Some(head) = first
        && let Some(mut table) = copy(source, sector, 1, &head, code)?
    {
        let backup = le64(&head, 32);
        table.end = table.end.max(backup.saturating_add(1).saturating_mul(size));
        if backup < last {
            table.said.push(format!(
                "its second partition table is {} bytes before its end: the disk was rounded up, or has grown",
                (last - backup) * size
            ));
        }
        return Ok(Some(table));
    }
    if !signed_first && !protected {
        return Ok(None);
    }
    if let Some(head) = signed(source, size, last)?
        && let Some(mut table) = copy(source, sector, last, &head, code)?
    {
        table
            .said
            .push("its first partition table is damaged; the second at its end is whole".into());
        return Ok(Some(table));
    }
    if signed_first {
        return Err(Flaw::Damaged(
            "neither of its partition tables (GPT) is what its checksum says".into(),
        ));
    }
    Ok(None)
}

/// The sector with a header, where one stands there.
fn signed(source: &dyn Source, size: u64, at: u64) -> Result<Option<Vec<u8>>, Flaw> {
    let head = start(source, at.saturating_mul(size), 512)?;
    Ok((head.len() == 512 && head.starts_with(b"EFI PART")).then_some(head))
}

/// What one of the two copies says; `None` where it is damaged.
fn copy(source: &dyn Source, sector: u32, at: u64, head: &[u8], code: bool) -> Result<Option<Table>, Flaw> {
    let size = u64::from(sector);
    let length = usize::try_from(le32(head, 12)).unwrap_or(0);
    let Some(own) = head.get(..length).filter(|own| own.len() >= 92) else {
        return Ok(None);
    };
    let mut bare = own.to_vec();
    bare[16..20].fill(0);
    let (count, width) = (u64::from(le32(head, 80)), u64::from(le32(head, 84)));
    let bytes = count.saturating_mul(width);
    let place = le64(head, 72).checked_mul(size);
    let (Some(place), true) = (
        place,
        crc32(CRC32, &bare) == le32(head, 16)
            && le64(head, 24) == at
            && width >= 128
            && bytes <= ENTRIES_MOST,
    ) else {
        return Ok(None);
    };
    let entries = block(
        source,
        "its partition table",
        place,
        usize::try_from(bytes).unwrap_or(0),
    )?;
    if crc32(CRC32, &entries) != le32(head, 88) {
        return Ok(None);
    }
    let partitions: Vec<Partition> = (1..)
        .zip(entries.chunks_exact(usize::try_from(width).unwrap_or(128)))
        .filter(|(_, entry)| guid(entry, 0) != [0; 16])
        .map(|(number, entry)| Partition {
            kind: Kind::Gpt(guid(entry, 0)),
            first: le64(entry, 32).saturating_mul(size),
            end: le64(entry, 40).saturating_add(1).saturating_mul(size),
            bootable: le64(entry, 48) & 4 != 0,
            number,
            id: guid(entry, 16),
        })
        .collect();
    Ok(Some(Table {
        gpt: true,
        sector,
        end: partitions.iter().map(|entry| entry.end).max().unwrap_or(0),
        partitions,
        code,
        said: Vec::new(),
    }))
}
