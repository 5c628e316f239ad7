//! VMware's extents with tables: a hosted sparse extent, and the stream-optimized one of an export.

use crate::image::format::apart::{Each, Part, apart};
use crate::image::format::flaw::Flaw;
use crate::image::format::read::{Source, block, entries, le16, le32, le64, within};
use crate::image::format::shape::Shape;
use crate::image::format::vmdk::description;

const SECTOR: u64 = 512;
/// Bytes of a header.
const HEADER: usize = 512;
/// Where the directory is said to be whose real place stands in the footer.
const AT_END: u64 = u64::MAX;
/// Entries of a grain table, as every writer has them.
const PER_TABLE: u64 = 512;

const COMPRESSED: u32 = 1 << 16;
/// Flags: it has a second directory; an entry of 1 stands for a grain of zeros.
const REDUNDANT: u32 = 1 << 1;
const ZEROED: u32 = 1 << 2;

/// What the head of one says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    capacity: u64,
    grain: u64,
    directory: u64,
    /// The second directory, in sectors.
    redundant: Option<u64>,
    compressed: bool,
    zeroed: bool,
    unclean: bool,
    /// Whether it has its description within: it is a whole disk.
    pub described: bool,
    /// Where that is, and its length in bytes.
    description: (u64, u64),
}

/// Reads the head of one, its footer where it has one, and the description inside it.
pub fn header(source: &dyn Source) -> Result<Header, Flaw> {
    let mut head = block(source, "its header", 0, HEADER)?;
    let description = (le64(&head, 28), le64(&head, 36));
    if le64(&head, 56) == AT_END {
        // Behind a footer stands one sector that marks the end, and before it one that marks the footer.
        let last = source.size().saturating_sub(3 * SECTOR);
        let found = block(source, "its footer", last, 3 * HEADER)?;
        let marks = le32(&found, 12) == 3 && found[HEADER..].starts_with(b"KDMV");
        let end = found[2 * HEADER..].iter().all(|&byte| byte == 0);
        if !marks || !end {
            return Err(Flaw::Cut {
                what: "its footer".into(),
                needs: source.size() + 1,
                has: source.size(),
            });
        }
        head = found[HEADER..2 * HEADER].to_vec();
    }
    let version = le32(&head, 4);
    if !(1..=3).contains(&version) {
        return Err(Flaw::Unknown(format!("is a VMDK of version {version}")));
    }
    let flags = le32(&head, 8);
    // The first bit says that these are there; a transfer as text would have changed them.
    if flags & 1 == 1 && head[73..77] != *b"\n \r\n" {
        return Err(Flaw::Damaged(
            "line ends in its header were changed: it was transferred as text".into(),
        ));
    }
    let found = Header {
        capacity: le64(&head, 12),
        grain: le64(&head, 20),
        directory: le64(&head, 56),
        redundant: Some(le64(&head, 48)).filter(|&at| flags & REDUNDANT != 0 && at != 0 && at != AT_END),
        compressed: flags & COMPRESSED != 0,
        zeroed: flags & ZEROED != 0,
        unclean: head[72] != 0,
        described: description.0 != 0,
        description: (
            description.0.saturating_mul(SECTOR),
            description.1.saturating_mul(SECTOR).min(description::MOST as u64),
        ),
    };
    if found.compressed && le16(&head, 77) != 1 {
        return Err(Flaw::Unknown("is packed by an unknown method".into()));
    }
    if !found.grain.is_power_of_two() || !(8..=1 << 17).contains(&found.grain) {
        return Err(Flaw::Damaged(format!(
            "its grains are of {} sectors",
            found.grain
        )));
    }
    if found.capacity == 0 || found.capacity > 1 << 37 {
        return Err(Flaw::Damaged(format!(
            "its header has a disk of {} sectors",
            found.capacity
        )));
    }
    if u64::from(le32(&head, 44)) != PER_TABLE {
        return Err(Flaw::Unknown("has tables of another length than 512".into()));
    }
    if found.described {
        let (at, length) = found.description;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let text = block(source, "its description", at, length)?;
        // The name in it is of the day that it was made; a disk that is whole is all in this file.
        description::read(&text)?;
        // QEMU looks for these words wherever they stand.
        if text
            .windows(b"parentFileNameHint".len())
            .any(|word| word == b"parentFileNameHint")
        {
            return Err(Flaw::Leans("which a comment of its description names".into()));
        }
    }
    Ok(found)
}

/// Looks at all its tables.
pub fn whole(source: &dyn Source) -> Result<Shape, Flaw> {
    let header = header(source)?;
    if !source.size().is_multiple_of(SECTOR) {
        return Err(Flaw::Cut {
            what: "its last sector".into(),
            needs: source.size().next_multiple_of(SECTOR),
            has: source.size(),
        });
    }
    let (holds, _) = apart(SECTOR, |each| grains(source, &header, each))?;
    let mut said = Vec::new();
    if header.unclean {
        said.push("it was not closed when it was copied; its file systems may need their journals".into());
    }
    Ok(Shape {
        size: header.capacity * SECTOR,
        holds,
        block_size: None,
        said,
    })
}

/// Walks every table of grains; gives the bytes of the guest's disk that are somewhere.
fn grains(source: &dyn Source, header: &Header, each: Each<'_>) -> Result<u64, Flaw> {
    let size = header.capacity * SECTOR;
    let grain = header.grain * SECTOR;
    let span = grain * PER_TABLE;
    let (what, directory) = ("its grain directory", header.directory.saturating_mul(SECTOR));
    let count = size.div_ceil(span);
    within(source, what, directory, count * 4)?;
    each(Part::own("its header", 0, SECTOR))?;
    each(Part::own(what, directory, count * 4))?;
    if header.described {
        each(Part::own(
            "its description",
            header.description.0,
            header.description.1,
        ))?;
    }
    let mut holds = 0;
    entries::<4>(source, what, directory, count, &mut |number, entry| {
        let at = u64::from(u32::from_le_bytes(entry)) * SECTOR;
        let first = number * span;
        let used = (size - first).div_ceil(grain).min(PER_TABLE);
        let second = second(source, header, number, used);
        let is_lost = |grain: u64| {
            let grain = usize::try_from(grain).unwrap_or(usize::MAX);
            second.get(grain * 4..).is_some_and(|rest| le32(rest, 0) > 1)
        };
        if at == 0 {
            return match (0..used).find(|&grain| is_lost(grain)) {
                Some(lost) => Err(missing(first + lost * grain)),
                None => Ok(()),
            };
        }
        within(source, "its grain tables", at, used * 4)?;
        // None is there twice, so all of them are no longer than the file. That is also what ends this.
        each(Part::own("one of its grain tables", at, used * 4))?;
        entries::<4>(source, "its grain tables", at, used, &mut |number, entry| {
            let at = u64::from(u32::from_le_bytes(entry)) * SECTOR;
            let start = first + number * grain;
            match at {
                0 if is_lost(number) => return Err(missing(start)),
                0 => return Ok(()),
                SECTOR if header.zeroed => return Ok(()),
                SECTOR => {
                    return Err(Flaw::Damaged(format!(
                        "byte {start} of the disk is zeros by an entry of 1 in its grain tables, and its header says that it has no such entries"
                    )));
                }
                _ => {}
            }
            let needs = (size - start).min(grain);
            holds += needs;
            let length = if header.compressed {
                packed_grain(source, at, start)?
            } else {
                within(source, "its data", at, needs)?;
                needs
            };
            each(Part::guest(start, at, length))
        })
    })?;
    Ok(holds)
}

/// A table of the second directory as far as it can be read; a writer need not keep it.
fn second(source: &dyn Source, header: &Header, number: u64, used: u64) -> Vec<u8> {
    let read = || {
        let directory = header.redundant?.checked_mul(SECTOR)?;
        let entry = block(source, "", directory.checked_add(number * 4)?, 4).ok()?;
        let at = u64::from(le32(&entry, 0)) * SECTOR;
        let length = usize::try_from(used * 4).ok()?;
        block(source, "", Some(at).filter(|&at| at != 0)?, length).ok()
    };
    read().unwrap_or_default()
}

fn missing(start: u64) -> Flaw {
    Flaw::Damaged(format!(
        "byte {start} of the disk is nowhere by its grain tables, and somewhere by the second ones"
    ))
}

/// Holds that a packed grain is there, and that it is the one of that byte of the disk; its length in the file.
fn packed_grain(source: &dyn Source, at: u64, start: u64) -> Result<u64, Flaw> {
    let marker = block(source, "its data", at, 12)?;
    if le64(&marker, 0).checked_mul(SECTOR) != Some(start) {
        return Err(Flaw::Damaged(format!(
            "at byte {at} stands another part of the disk than its tables say"
        )));
    }
    let length = u64::from(le32(&marker, 8));
    if length == 0 {
        return Err(Flaw::Damaged(format!(
            "at byte {at} stands a packed grain of no bytes"
        )));
    }
    within(source, "its data", at + 12, length)?;
    Ok(12 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn head(capacity: u64, flags: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        put(&mut bytes, 0, b"KDMV");
        put(&mut bytes, 4, &1_u32.to_le_bytes());
        put(&mut bytes, 8, &(flags | 1).to_le_bytes());
        put(&mut bytes, 12, &capacity.to_le_bytes());
        put(&mut bytes, 20, &8_u64.to_le_bytes());
        put(&mut bytes, 44, &512_u32.to_le_bytes());
        put(&mut bytes, 56, &1_u64.to_le_bytes());
        put(&mut bytes, 73, b"\n \r\n");
        put(&mut bytes, 77, &1_u16.to_le_bytes());
        bytes
    }

    /// Directory in sector 1, one table from sector 2, its first grain where it is said.
    fn disk(flags: u32, grain: u32, file: usize) -> Vec<u8> {
        let mut bytes = head(12, flags);
        bytes.resize(file, 0);
        put(&mut bytes, 512, &2_u32.to_le_bytes());
        put(&mut bytes, 1024, &grain.to_le_bytes());
        bytes
    }

    #[test]
    fn grains_beyond_the_end_are_found_packed_or_not() {
        let good = disk(0, 6, 3072 + 4096);
        assert_eq!(
            whole(&good).map(|shape| (shape.size, shape.holds)),
            Ok((6144, 4096))
        );
        assert!(matches!(whole(&disk(0, 6, 3072 + 4095)), Err(Flaw::Cut { .. })));
        let mut packed = disk(COMPRESSED, 6, 3072 + 12 + 500);
        put(&mut packed, 3072 + 8, &500_u32.to_le_bytes());
        assert!(whole(&packed).is_ok());
        put(&mut packed, 3072 + 8, &501_u32.to_le_bytes());
        assert!(matches!(whole(&packed), Err(Flaw::Cut { .. })));
        put(&mut packed, 3072 + 8, &[0; 4]);
        assert!(matches!(whole(&packed), Err(Flaw::Damaged(_))));
        put(&mut packed, 3072 + 8, &500_u32.to_le_bytes());
        put(&mut packed, 3072, &8_u64.to_le_bytes());
        assert!(matches!(whole(&packed), Err(Flaw::Damaged(_))));
    }

    #[test]
    fn a_grain_that_the_second_tables_alone_have_is_lost() {
        let with = |second: u32| {
            let mut bytes = disk(REDUNDANT, 0, 8192);
            put(&mut bytes, 48, &3_u64.to_le_bytes());
            put(&mut bytes, 1536, &4_u32.to_le_bytes());
            put(&mut bytes, 2048, &second.to_le_bytes());
            bytes
        };
        assert_eq!(whole(&with(0)).map(|shape| shape.holds), Ok(0));
        let told = whole(&with(6)).expect_err("it is lost").to_string();
        assert!(
            told.contains("byte 0 of the disk is nowhere by its grain tables"),
            "{told}"
        );
        // The whole table is gone.
        let mut gone = with(6);
        put(&mut gone, 512, &[0; 4]);
        assert!(whole(&gone).is_err());
        // Who does not keep the second ones has zeros there, or says that there are none.
        let mut one = disk(REDUNDANT, 6, 8192);
        put(&mut one, 48, &3_u64.to_le_bytes());
        assert_eq!(whole(&one).map(|shape| shape.holds), Ok(4096));
        // Without its flag it is none, packed or not.
        for flags in [0, COMPRESSED] {
            let told = whole(&disk(flags, 1, 8192)).expect_err("no flag").to_string();
            assert!(
                told.contains("byte 0 of the disk is zeros by an entry of 1"),
                "{told}"
            );
        }
        assert_eq!(whole(&disk(ZEROED, 1, 8192)).map(|shape| shape.holds), Ok(0));
    }

    #[test]
    fn grains_in_one_place_are_found_and_named() {
        for (grains, told) in [
            (
                [6, 6],
                "byte 0 of the disk and byte 4096 of the disk are in one place, byte 3072 of the file",
            ),
            (
                [6, 8],
                "byte 0 of the disk and byte 4096 of the disk are in one place, byte 4096 of the file",
            ),
            (
                [2, 14],
                "one of its grain tables and byte 0 of the disk are in one place, byte 1024 of the file",
            ),
        ] {
            let mut bytes = disk(0, grains[0], 3072 + 3 * 4096);
            put(&mut bytes, 1028, &grains[1].to_le_bytes());
            assert_eq!(whole(&bytes), Err(Flaw::Damaged(told.into())), "{grains:?}");
        }
        let mut apart = disk(0, 6, 3072 + 2 * 4096);
        put(&mut apart, 1028, &14_u32.to_le_bytes());
        assert!(whole(&apart).is_ok());
    }

    #[test]
    fn an_export_without_its_footer_is_cut() {
        let mut bytes = disk(COMPRESSED, 0, 4096);
        put(&mut bytes, 56, &AT_END.to_le_bytes());
        let cut = bytes.clone();
        assert!(matches!(whole(&cut), Err(Flaw::Cut { .. })));
        let mut footer = vec![0; HEADER];
        put(&mut footer, 12, &3_u32.to_le_bytes());
        bytes.extend(footer);
        bytes.extend(head(12, COMPRESSED));
        bytes.extend(vec![0; HEADER]);
        assert_eq!(whole(&bytes).map(|shape| shape.size), Ok(6144));
        bytes.pop();
        assert!(whole(&bytes).is_err());
    }

    #[test]
    fn a_transfer_as_text_and_a_parent_in_a_comment_are_found() {
        let mut bytes = disk(0, 0, 4096);
        put(&mut bytes, 73, b"\n \n\n");
        assert!(matches!(whole(&bytes), Err(Flaw::Damaged(_))));
        let mut bytes = disk(0, 0, 4608);
        put(&mut bytes, 28, &8_u64.to_le_bytes());
        put(&mut bytes, 36, &1_u64.to_le_bytes());
        put(&mut bytes, 4096, b"# parentFileNameHint=\"x\"\n");
        assert!(matches!(whole(&bytes), Err(Flaw::Leans(_))));
    }
}
