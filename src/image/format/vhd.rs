//! Virtual PC's disks ("Virtual Hard Disk Image Format Specification" 1.0): a fixed one is the guest's bytes with a footer behind
//! them, a dynamic one has its blocks wherever they came to be.

use crate::image::format::apart::{Part, apart};
use crate::image::format::flaw::{Flaw, name};
use crate::image::format::read::{Source, be32, be64, block, entries, within};
use crate::image::format::shape::Shape;

const COOKIE: &[u8] = b"conectix";
/// Bytes of a footer.
const FOOTER: usize = 512;
const SECTOR: u64 = 512;
/// What stands for a block that is nowhere.
const NOWHERE: u32 = u32::MAX;
/// Bytes of a block, at most.
const BLOCK_MOST: u32 = 256 << 20;

/// What the footer of one says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// The disk's size as the guest sees it, in bytes.
    pub size: u64,
    fixed: bool,
    dynamic: u64,
}

/// Whether a file is one: at its end, or at its beginning. One with a damaged footer is one as well: taken as the guest's bytes, it would
/// be a disk that ends with that footer. Whoever has such a disk says that it is raw.
pub fn is(source: &dyn Source) -> Result<bool, Flaw> {
    if source.size() < FOOTER as u64 {
        return Ok(false);
    }
    let last = source.size() - FOOTER as u64;
    for at in [0, last] {
        let found = block(source, "its footer", at, FOOTER)?;
        if found.starts_with(COOKIE) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the checksum at that place of a header is right: the complement of the sum of all other bytes.
fn sums(bytes: &[u8], at: usize) -> bool {
    let all: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
    let own: u32 = bytes.iter().skip(at).take(4).map(|&byte| u32::from(byte)).sum();
    !(all - own) == be32(bytes, at)
}

/// Reads the footer at its end. One that is only at the beginning is a copy: the file was cut.
pub fn footer(source: &dyn Source) -> Result<Footer, Flaw> {
    let last = source.size().saturating_sub(FOOTER as u64);
    let found = block(source, "its footer", last, FOOTER)?;
    if found.starts_with(COOKIE) && !sums(&found, 64) {
        return Err(Flaw::Damaged("its footer is not what its checksum says".into()));
    }
    if !found.starts_with(COOKIE) {
        return Err(Flaw::Cut {
            what: "its footer".into(),
            needs: source.size() + 1,
            has: source.size(),
        });
    }
    let fixed = match be32(&found, 60) {
        2 => true,
        3 => false,
        4 => return Err(Flaw::Leans(parent(source, &found))),
        kind => return Err(Flaw::Unknown(format!("is a VHD of the unknown kind {kind}"))),
    };
    let footer = Footer {
        size: be64(&found, 48),
        fixed,
        dynamic: be64(&found, 16),
    };
    if footer.size == 0 || !footer.size.is_multiple_of(SECTOR) {
        return Err(Flaw::Damaged(format!(
            "its footer has a disk of {} bytes",
            footer.size
        )));
    }
    Ok(footer)
}

/// The name of the disk that a difference is to.
fn parent(source: &dyn Source, footer: &[u8]) -> String {
    let units: Vec<u16> = block(source, "its header", be64(footer, 16), 1024)
        .unwrap_or_default()
        .get(64..576)
        .unwrap_or_default()
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .take_while(|&unit| unit != 0)
        .collect();
    if units.is_empty() {
        "of a name that is not there".into()
    } else {
        name(&String::from_utf16_lossy(&units))
    }
}

/// Looks at its whole table.
pub fn whole(source: &dyn Source) -> Result<Shape, Flaw> {
    let footer = footer(source)?;
    let data = source.size() - FOOTER as u64;
    let said = rounded(source, footer.size)?;
    let shape = |holds| Shape {
        size: footer.size,
        holds,
        said,
        ..Shape::default()
    };
    let beyond = |what: String, needs: u64| Flaw::Cut {
        what,
        needs,
        has: data,
    };
    if footer.fixed {
        if footer.size > data {
            return Err(beyond("its disk".into(), footer.size));
        }
        return Ok(shape(footer.size));
    }
    let header = block(source, "its header", footer.dynamic, 1024)?;
    if !header.starts_with(b"cxsparse") || !sums(&header, 36) {
        return Err(Flaw::Damaged(
            "its second header is not what its checksum says".into(),
        ));
    }
    let length = be32(&header, 32);
    if !length.is_power_of_two() || !(512..=BLOCK_MOST).contains(&length) {
        return Err(Flaw::Damaged(format!("its blocks are of {length} bytes")));
    }
    let (table, count, length) = (be64(&header, 16), be32(&header, 28), u64::from(length));
    let used = footer.size.div_ceil(length);
    if u64::from(count) < used {
        return Err(Flaw::Damaged(
            "its table has fewer blocks than the disk takes".into(),
        ));
    }
    // Before each block stands a bitmap of its sectors, padded to a sector.
    let bitmap = (length / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
    let what = "its block table";
    within(source, what, table, u64::from(count) * 4)?;
    let (holds, _) = apart(SECTOR, |each| {
        let mut holds = 0;
        each(Part::own("the copy of its footer", 0, SECTOR))?;
        each(Part::own("its header", footer.dynamic, 1024))?;
        each(Part::own(what, table, u64::from(count) * 4))?;
        entries::<4>(source, what, table, used, &mut |number, entry| {
            let place = u32::from_be_bytes(entry);
            if place == NOWHERE {
                return Ok(());
            }
            let guest = number * length;
            let needs = (footer.size - guest).min(length);
            holds += needs;
            let at = u64::from(place) * SECTOR;
            let end = at + bitmap + needs;
            if end > data {
                return Err(beyond(format!("its block {number}"), end));
            }
            each(Part::guest(guest, at, bitmap + needs))
        })?;
        Ok(holds)
    })?;
    Ok(shape(holds))
}

/// Says where the disk's size in bytes is not that of its cylinders, heads and sectors, of which some programs believe the one and
/// some the other.
fn rounded(source: &dyn Source, size: u64) -> Result<Vec<String>, Flaw> {
    let last = source.size().saturating_sub(FOOTER as u64);
    let found = block(source, "its footer", last, FOOTER)?;
    let geometry = be32(&found, 56);
    let (cylinders, heads, sectors) = (geometry >> 16, (geometry >> 8) & 0xff, geometry & 0xff);
    let counted = u64::from(cylinders) * u64::from(heads) * u64::from(sectors) * SECTOR;
    // The geometry ends at 127 GiB.
    let ends = u64::from(u16::MAX) * 16 * 255 * SECTOR;
    if counted < size && counted != 0 && counted < ends && size - counted < 16 * 255 * SECTOR {
        return Ok(vec![format!(
            "the VHD's own size, {size} bytes, is taken; its cylinders, heads and sectors make {counted}"
        )]);
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(bytes: &mut [u8], at: usize) {
        bytes[at..at + 4].fill(0);
        let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
        bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
    }

    fn footer_of(kind: u32, size: u64) -> Vec<u8> {
        let mut footer = vec![0; FOOTER];
        footer[..8].copy_from_slice(COOKIE);
        footer[16..24].copy_from_slice(&512_u64.to_be_bytes());
        footer[48..56].copy_from_slice(&size.to_be_bytes());
        footer[60..64].copy_from_slice(&kind.to_be_bytes());
        sign(&mut footer, 64);
        footer
    }

    fn dynamic(table: &[u32], size: u64, data: usize) -> Vec<u8> {
        let mut bytes = footer_of(3, size);
        let mut header = vec![0; 1024];
        header[..8].copy_from_slice(b"cxsparse");
        header[16..24].copy_from_slice(&1536_u64.to_be_bytes());
        header[28..32].copy_from_slice(&u32::try_from(table.len()).expect("few").to_be_bytes());
        header[32..36].copy_from_slice(&4096_u32.to_be_bytes());
        sign(&mut header, 36);
        bytes.extend(header);
        bytes.extend(table.iter().flat_map(|entry| entry.to_be_bytes()));
        bytes.resize(2048 + data, 1);
        bytes.extend(footer_of(3, size));
        bytes
    }

    #[test]
    fn a_fixed_disk_is_told_by_its_end_and_holds_its_size() {
        let mut bytes = vec![1; 1024];
        bytes.extend(footer_of(2, 1024));
        assert_eq!(is(&bytes), Ok(true));
        assert_eq!(whole(&bytes).map(|shape| shape.size), Ok(1024));
        let mut short = vec![1; 512];
        short.extend(footer_of(2, 1024));
        assert!(matches!(whole(&short), Err(Flaw::Cut { .. })));
        let at = bytes.len() - 1;
        bytes[at] ^= 1;
        assert_eq!(is(&bytes), Ok(true));
        assert!(matches!(whole(&bytes), Err(Flaw::Damaged(_))));
    }

    #[test]
    fn a_dynamic_disk_needs_each_block_and_its_end() {
        let good = dynamic(&[4, NOWHERE], 8192, 512 + 4096);
        assert_eq!(
            whole(&good).map(|shape| (shape.size, shape.holds)),
            Ok((8192, 4096))
        );
        assert!(
            matches!(
                whole(&dynamic(&[5, NOWHERE], 8192, 512 + 4096)),
                Err(Flaw::Cut { .. })
            ),
            "the block would end in the footer"
        );
        let cut = good[..good.len() - 512].to_vec();
        assert_eq!(is(&cut), Ok(true));
        assert!(matches!(whole(&cut), Err(Flaw::Cut { .. })));
        assert!(whole(&dynamic(&[NOWHERE], 8192, 0)).is_err(), "too few blocks");
    }

    #[test]
    fn blocks_in_one_place_are_found_and_named() {
        for (table, told) in [
            (
                [4, 4],
                "byte 0 of the disk and byte 4096 of the disk are in one place, byte 2048 of the file",
            ),
            (
                [8, 4],
                "byte 0 of the disk and byte 4096 of the disk are in one place, byte 2048 of the file",
            ),
            (
                [3, NOWHERE],
                "its block table and byte 0 of the disk are in one place, byte 1536 of the file",
            ),
            (
                [0, NOWHERE],
                "the copy of its footer and byte 0 of the disk are in one place, byte 0 of the file",
            ),
        ] {
            let flaw = whole(&dynamic(&table, 8192, 3 * 4608));
            assert_eq!(flaw, Err(Flaw::Damaged(told.into())), "{table:?}");
        }
        assert!(whole(&dynamic(&[4, 13], 8192, 2 * 4608)).is_ok());
    }

    #[test]
    fn a_difference_names_its_parent() {
        let mut bytes = dynamic(&[NOWHERE], 4096, 0);
        let name: Vec<u8> = "base.vhd".encode_utf16().flat_map(u16::to_be_bytes).collect();
        bytes[512 + 64..512 + 64 + name.len()].copy_from_slice(&name);
        let end = bytes.len() - FOOTER;
        bytes[end..].copy_from_slice(&footer_of(4, 4096));
        assert_eq!(whole(&bytes), Err(Flaw::Leans("`base.vhd`".into())));
    }
}
