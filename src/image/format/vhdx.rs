//! Hyper-V's disks ([MS-VHDX] 2.0, <https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx>).

use crate::image::format::apart::{Part, apart};
use crate::image::format::flaw::Flaw;
use crate::image::format::read::{CRC32C, Source, block, crc32, entries, guid, le16, le32, le64, within};
use crate::image::format::shape::Shape;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Bytes of a region table, and of the table of metadata.
const TABLE: usize = 64 << 10;
/// The region with the table of blocks.
pub const BAT: [u8; 16] = [
    0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08,
];
/// The region with the metadata.
pub const METADATA: [u8; 16] = [
    0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e,
];
/// The item of the file's parameters.
pub const PARAMETERS: [u8; 16] = [
    0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b,
];
/// The item of the disk's size as the guest sees it.
pub const SIZE: [u8; 16] = [
    0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8,
];
/// The item of its logical sectors' size.
pub const SECTOR: [u8; 16] = [
    0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f,
];
/// The state of a block that is there whole, and of one that is in part in the parent.
const PRESENT: u64 = 6;
const PARTLY: u64 = 7;

/// What the head of one says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether its log has something that is not in its place yet.
    pub log: bool,
    /// Where that is, and its length in bytes.
    pub log_place: (u64, u64),
}

/// A region of the file.
#[derive(Clone, Copy)]
struct Region {
    at: u64,
    length: u64,
}

/// Reads that header of the two which is whole and newer.
pub fn header(source: &dyn Source) -> Result<Header, Flaw> {
    let mut newest: Option<(u64, Vec<u8>)> = None;
    for at in [64 * KIB, 128 * KIB] {
        let head = block(source, "its header", at, 4096)?;
        let number = le64(&head, 8);
        if head.starts_with(b"head")
            && checks(&head)
            && newest.as_ref().is_none_or(|(newer, _)| number > *newer)
        {
            newest = Some((number, head));
        }
    }
    let Some((_, head)) = newest else {
        return Err(Flaw::Damaged(
            "neither of its two headers is what its checksum says".into(),
        ));
    };
    if le16(&head, 66) != 1 {
        return Err(Flaw::Unknown(format!("is a VHDX of version {}", le16(&head, 66))));
    }
    let log = guid(&head, 48) != [0; 16];
    let log_place = (le64(&head, 72), u64::from(le32(&head, 68)));
    within(source, "its log", log_place.0, log_place.1)?;
    Ok(Header { log, log_place })
}

/// Whether the checksum at byte 4 is right; it is counted as zero itself.
fn checks(bytes: &[u8]) -> bool {
    let mut bare = bytes.to_vec();
    if let Some(own) = bare.get_mut(4..8) {
        own.fill(0);
    }
    crc32(CRC32C, &bare) == le32(bytes, 4)
}

/// Where the block table and the metadata are.
fn regions(source: &dyn Source) -> Result<(Region, Region), Flaw> {
    let read = |at| {
        let found = block(source, "its region table", at, TABLE)?;
        Ok::<_, Flaw>(Some(found).filter(|found| found.starts_with(b"regi") && checks(found)))
    };
    let Some(table) = read(192 * KIB)? else {
        // QEMU reads the first alone (block/vhdx.c, vhdx_open_region_tables).
        return Err(Flaw::Damaged(match read(256 * KIB)? {
            Some(_) => "its first region table is not what its checksum says, and its second is whole; \
                        `dd if=COPY of=COPY bs=64K skip=4 seek=3 count=1 conv=notrunc` puts the second in the place of the first, on a copy"
                .into(),
            None => "neither of its two region tables is what its checksum says".into(),
        }));
    };
    let (mut bat, mut metadata) = (None, None);
    let count = usize::try_from(le32(&table, 8)).unwrap_or(usize::MAX);
    for entry in table[16..].chunks_exact(32).take(count) {
        let region = Region {
            at: le64(entry, 16),
            length: u64::from(le32(entry, 24)),
        };
        match guid(entry, 0) {
            BAT => bat = Some(region),
            METADATA => metadata = Some(region),
            _ if le32(entry, 28) & 1 == 1 => {
                return Err(Flaw::Unknown("has a region that is not known and must be".into()));
            }
            _ => {}
        }
    }
    let (Some(bat), Some(metadata)) = (bat, metadata) else {
        return Err(Flaw::Damaged("its region table lacks a region".into()));
    };
    within(source, "its block table", bat.at, bat.length)?;
    within(source, "its metadata", metadata.at, metadata.length)?;
    Ok((bat, metadata))
}

/// What its metadata says.
#[derive(Default)]
struct Metadata {
    block: u64,
    parent: bool,
    size: u64,
    sector: u32,
}

fn metadata(source: &dyn Source, region: Region) -> Result<Metadata, Flaw> {
    let table = block(source, "its metadata", region.at, TABLE)?;
    if !table.starts_with(b"metadata") {
        return Err(Flaw::Damaged("its metadata do not begin as such".into()));
    }
    let mut found = Metadata::default();
    let count = usize::from(le16(&table, 10));
    for entry in table[32..].chunks_exact(32).take(count) {
        let item = |length| {
            block(
                source,
                "its metadata",
                region.at.saturating_add(u64::from(le32(entry, 16))),
                length,
            )
        };
        match guid(entry, 0) {
            PARAMETERS => {
                let item = item(8)?;
                found.block = u64::from(le32(&item, 0));
                found.parent = le32(&item, 4) & 2 != 0;
            }
            SIZE => found.size = le64(&item(8)?, 0),
            SECTOR => found.sector = le32(&item(4)?, 0),
            _ => {}
        }
    }
    if !matches!(found.sector, 512 | 4096)
        || !found.block.is_power_of_two()
        || !(MIB..=256 * MIB).contains(&found.block)
        || found.size == 0
        || !found.size.is_multiple_of(u64::from(found.sector))
    {
        return Err(Flaw::Damaged(format!(
            "its metadata have a disk of {} bytes, in blocks of {} and sectors of {}",
            found.size, found.block, found.sector
        )));
    }
    Ok(found)
}

/// Looks at its whole block table; with something in its log that is not what will count.
pub fn whole(source: &dyn Source) -> Result<Shape, Flaw> {
    let head = header(source)?;
    let (bat, region) = regions(source)?;
    let about = metadata(source, region)?;
    if about.parent {
        return Err(Flaw::Leans("that which Hyper-V made a checkpoint of".into()));
    }
    // Behind so many blocks stands an entry for a bitmap of their sectors.
    let ratio = ((1 << 23) * u64::from(about.sector) / about.block).max(1);
    let blocks = about.size.div_ceil(about.block);
    let count = blocks + (blocks - 1) / ratio;
    if bat.length / 8 < count {
        return Err(Flaw::Damaged(
            "its table has fewer blocks than the disk takes".into(),
        ));
    }
    let what = "its block table";
    let (holds, _) = apart(MIB, |each| {
        let mut holds = 0;
        each(Part::own("its header", 0, MIB))?;
        each(Part::own("its log", head.log_place.0, head.log_place.1))?;
        each(Part::own(what, bat.at, bat.length))?;
        each(Part::own("its metadata", region.at, region.length))?;
        entries::<8>(source, what, bat.at, count, &mut |number, entry| {
            if number % (ratio + 1) == ratio {
                return Ok(());
            }
            let entry = u64::from_le_bytes(entry);
            let number = number - number / (ratio + 1);
            match entry & 7 {
                PRESENT => {
                    let guest = number * about.block;
                    let needs = about.size.saturating_sub(guest).min(about.block);
                    holds += needs;
                    let at = entry & !(MIB - 1);
                    within(source, &format!("its block {number}"), at, needs)?;
                    each(Part::guest(guest, at, needs))
                }
                PARTLY => Err(Flaw::Damaged(format!(
                    "its block {number} is in part in a parent that it has not"
                ))),
                _ => Ok(()),
            }
        })?;
        Ok(holds)
    })?;
    Ok(Shape {
        size: about.size,
        holds,
        block_size: (about.sector != 512).then_some(about.sector),
        said: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn sign(bytes: &mut [u8], at: usize, length: usize) {
        put(bytes, at + 4, &[0; 4]);
        let sum = crc32(CRC32C, &bytes[at..at + length]);
        put(bytes, at + 4, &sum.to_le_bytes());
    }

    fn disk(bat: &[u64], size: u64, data: usize) -> Vec<u8> {
        let mut bytes = vec![0; (3 << 20) + data];
        put(&mut bytes, 0, b"vhdxfile");
        for (at, number) in [(64 << 10, 1_u64), (128 << 10, 2)] {
            put(&mut bytes, at, b"head");
            put(&mut bytes, at + 8, &number.to_le_bytes());
            put(&mut bytes, at + 66, &1_u16.to_le_bytes());
            sign(&mut bytes, at, 4096);
        }
        let table = 192 << 10;
        put(&mut bytes, table, b"regi");
        put(&mut bytes, table + 8, &2_u32.to_le_bytes());
        for (at, id, place) in [(16, BAT, 1_u64 << 20), (48, METADATA, 2 << 20)] {
            put(&mut bytes, table + at, &id);
            put(&mut bytes, table + at + 16, &place.to_le_bytes());
            put(&mut bytes, table + at + 24, &(1_u32 << 20).to_le_bytes());
        }
        sign(&mut bytes, table, TABLE);
        let about = 2 << 20;
        put(&mut bytes, about, b"metadata");
        put(&mut bytes, about + 10, &3_u16.to_le_bytes());
        for (at, id, place) in [
            (32, PARAMETERS, 65536_u32),
            (64, SIZE, 65552),
            (96, SECTOR, 65568),
        ] {
            put(&mut bytes, about + at, &id);
            put(&mut bytes, about + at + 16, &place.to_le_bytes());
        }
        put(&mut bytes, about + 65536, &(1_u32 << 20).to_le_bytes());
        put(&mut bytes, about + 65552, &size.to_le_bytes());
        put(&mut bytes, about + 65568, &512_u32.to_le_bytes());
        for (number, entry) in bat.iter().enumerate() {
            put(&mut bytes, (1 << 20) + number * 8, &entry.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn blocks_beyond_the_end_are_found() {
        let size = (1 << 20) + 512;
        let good = disk(&[(3 << 20) | PRESENT, 0], size, 1 << 20);
        assert_eq!(
            whole(&good).map(|shape| (shape.size, shape.holds)),
            Ok((size, 1 << 20))
        );
        for bat in [
            [(4 << 20) | PRESENT, 0],
            [(3 << 20) | PRESENT, (4 << 20) | PRESENT],
        ] {
            let flaw = whole(&disk(&bat, size, 1 << 20)).expect_err("cut");
            assert!(matches!(flaw, Flaw::Cut { .. }), "{flaw}");
        }
        assert!(matches!(
            whole(&good[..100 << 10].to_vec()),
            Err(Flaw::Cut { .. })
        ));
    }

    #[test]
    fn blocks_in_one_place_are_found_and_named() {
        let size = 2 << 20;
        for (bat, told) in [
            (
                [3, 3],
                "byte 0 of the disk and byte 1048576 of the disk are in one place, byte 3145728 of the file",
            ),
            (
                [2, 3],
                "its metadata and byte 0 of the disk are in one place, byte 2097152 of the file",
            ),
            (
                [4, 0],
                "its header and byte 1048576 of the disk are in one place, byte 0 of the file",
            ),
        ] {
            let disk = disk(&bat.map(|at: u64| (at << 20) | PRESENT), size, 2 << 20);
            assert_eq!(whole(&disk), Err(Flaw::Damaged(told.into())), "{bat:?}");
        }
        let apart = disk(&[(4 << 20) | PRESENT, (3 << 20) | PRESENT], size, 2 << 20);
        assert!(whole(&apart).is_ok());
    }

    #[test]
    fn a_parent_and_a_log_are_found_and_damage_is_told() {
        let good = disk(&[0], 512, 0);
        assert_eq!(header(&good).map(|head| head.log), Ok(false));
        let mut child = good.clone();
        put(&mut child, (2 << 20) + 65540, &2_u32.to_le_bytes());
        assert!(matches!(whole(&child), Err(Flaw::Leans(_))));
        let mut logged = good.clone();
        put(&mut logged, (128 << 10) + 48, &[7; 16]);
        sign(&mut logged, 128 << 10, 4096);
        assert_eq!(header(&logged).map(|head| head.log), Ok(true));
        let mut bad = good.clone();
        bad[(64 << 10) + 100] = 1;
        assert!(header(&bad).is_ok(), "the other one is whole");
        bad[(128 << 10) + 100] = 1;
        assert!(matches!(header(&bad), Err(Flaw::Damaged(_))));
    }
}
