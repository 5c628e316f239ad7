//! VirtualBox's disks (VDI 1.1; VirtualBox's `VDICore.h`, QEMU's `block/vdi.c`).

use crate::image::format::apart::{Part, apart};
use crate::image::format::flaw::Flaw;
use crate::image::format::read::{Source, block, entries, guid, le32, le64, within};
use crate::image::format::shape::Shape;

const SIGNATURE: u32 = 0xbeda_107f;
const HEADER: usize = 512;
const SECTOR: u64 = 512;
/// The only size of blocks that VirtualBox writes and QEMU reads, in bytes.
const BLOCK: u32 = 1 << 20;
/// What stands for a block that is nowhere, or all zeros.
const NOWHERE: u32 = 0xffff_fffe;

/// Whether a file begins as one.
pub fn begins(start: &[u8]) -> bool {
    le32(start, 64) == SIGNATURE
}

/// What the head of one says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    size: u64,
    blocks: u32,
    /// Those that are somewhere.
    allocated: u32,
    map: u32,
    data: u32,
}

/// Reads the head of one.
pub fn header(source: &dyn Source) -> Result<Header, Flaw> {
    let head = block(source, "its header", 0, HEADER)?;
    let version = le32(&head, 68);
    if version != 0x0001_0001 {
        return Err(Flaw::Unknown(format!(
            "is a VDI of version {}.{}; only 1.1 is read",
            version >> 16,
            version & 0xffff
        )));
    }
    let kind = le32(&head, 76);
    // The UUIDs of the link before it and of its parent.
    let leans = [guid(&head, 424), guid(&head, 440)] != [[0; 16]; 2];
    if leans || matches!(kind, 3 | 4) {
        return Err(Flaw::Leans("which VirtualBox knows by its UUID".into()));
    }
    if !matches!(kind, 1 | 2) {
        return Err(Flaw::Unknown(format!("is a VDI of the unknown kind {kind}")));
    }
    let found = Header {
        size: le64(&head, 368),
        blocks: le32(&head, 384),
        allocated: le32(&head, 388),
        map: le32(&head, 340),
        data: le32(&head, 344),
    };
    let sector = le32(&head, 360);
    if sector != 512 || le32(&head, 376) != BLOCK || le32(&head, 380) != 0 {
        return Err(Flaw::Unknown(
            "is a VDI with blocks of another size than 1 MiB, which QEMU cannot read".into(),
        ));
    }
    if [found.map, found.data].iter().any(|at| at % 512 != 0) {
        return Err(Flaw::Damaged(
            "its map or its blocks begin within a sector".into(),
        ));
    }
    if found.size == 0 {
        return Err(Flaw::Damaged("its header has a disk of no size".into()));
    }
    if u64::from(found.blocks) * u64::from(BLOCK) < found.size {
        return Err(Flaw::Damaged(
            "its header has fewer blocks than the disk takes".into(),
        ));
    }
    Ok(found)
}

/// Looks at its whole map.
pub fn whole(source: &dyn Source) -> Result<Shape, Flaw> {
    let head = header(source)?;
    let length = u64::from(BLOCK);
    let used = head.size.div_ceil(length);
    let (what, map) = ("its block map", u64::from(head.map));
    within(source, what, map, u64::from(head.blocks) * 4)?;
    let ((holds, there), _) = apart(SECTOR, |each| {
        let (mut holds, mut there) = (0_u64, 0_u64);
        each(Part::own("its header", 0, SECTOR))?;
        each(Part::own(what, map, u64::from(head.blocks) * 4))?;
        entries::<4>(source, what, map, used, &mut |number, entry| {
            let place = u32::from_le_bytes(entry);
            if place >= NOWHERE {
                return Ok(());
            }
            let guest = number * length;
            let needs = (head.size - guest).min(length);
            holds += needs;
            there += 1;
            let at = u64::from(head.data) + u64::from(place) * length;
            within(source, &format!("its block {number}"), at, needs)?;
            each(Part::guest(guest, at, needs))
        })?;
        Ok((holds, there))
    })?;
    // Entries for blocks behind the disk's end are not walked.
    if used == u64::from(head.blocks) && there < u64::from(head.allocated) {
        return Err(Flaw::Damaged(format!(
            "its header says that {} of its blocks are somewhere, and its map has {there}",
            head.allocated
        )));
    }
    Ok(Shape {
        size: head.size,
        holds,
        ..Shape::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(map: &[u32], size: u64, file: usize) -> Vec<u8> {
        let mut bytes = vec![0; file];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(64, &SIGNATURE.to_le_bytes());
        put(68, &0x0001_0001_u32.to_le_bytes());
        put(76, &1_u32.to_le_bytes());
        put(340, &1024_u32.to_le_bytes());
        put(344, &4096_u32.to_le_bytes());
        put(360, &512_u32.to_le_bytes());
        put(368, &size.to_le_bytes());
        put(376, &BLOCK.to_le_bytes());
        put(384, &u32::try_from(map.len()).expect("few").to_le_bytes());
        for (number, entry) in map.iter().enumerate() {
            put(1024 + number * 4, &entry.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn blocks_beyond_the_end_are_found_and_the_last_may_be_short() {
        let size = (1 << 20) + 512;
        let good = disk(&[0, 1], size, 4096 + (1 << 20) + 512);
        assert_eq!(
            whole(&good).map(|shape| (shape.size, shape.holds)),
            Ok((size, size))
        );
        let mut cut = good.clone();
        cut.pop();
        assert!(matches!(whole(&cut), Err(Flaw::Cut { .. })));
        let mut lost = disk(&[0, u32::MAX], size, 4096 + (1 << 20) + 512);
        lost[388..392].copy_from_slice(&2_u32.to_le_bytes());
        let told = whole(&lost).expect_err("a block is lost").to_string();
        assert!(
            told.contains("2 of its blocks are somewhere, and its map has 1"),
            "{told}"
        );
        let sparse = disk(&[u32::MAX, NOWHERE], size, 4096);
        assert_eq!(whole(&sparse).map(|shape| shape.holds), Ok(0));
        assert!(whole(&disk(&[0], size, 1 << 22)).is_err(), "too few blocks");
    }

    #[test]
    fn blocks_in_one_place_are_found_and_named() {
        let flaw = |map: &[u32], data: u32| {
            let mut bytes = disk(map, 2 << 20, 3 << 20);
            bytes[344..348].copy_from_slice(&data.to_le_bytes());
            whole(&bytes).expect_err("refused").to_string()
        };
        let told = flaw(&[1, 1], 4096);
        assert!(
            told.contains("byte 0 of the disk and byte 1048576 of the disk are in one place, byte 1052672"),
            "{told}"
        );
        let told = flaw(&[u32::MAX, 0], 1024);
        assert!(
            told.contains("its block map and byte 1048576 of the disk are in one place, byte 1024 of"),
            "{told}"
        );
        assert!(flaw(&[0, 1], 4097).contains("within a sector"));
        assert!(whole(&disk(&[1, 0], 2 << 20, 3 << 20)).is_ok());
    }

    #[test]
    fn a_link_of_a_chain_and_an_unknown_kind_are_refused() {
        let good = disk(&[u32::MAX], 512, 4096);
        for (at, value, chain) in [(76, 4_u32, true), (76, 9, false), (440, 7, true), (424, 7, true)] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let flaw = whole(&bytes).expect_err("refused");
            assert_eq!(matches!(flaw, Flaw::Leans(_)), chain, "{at}: {flaw}");
        }
    }
}
