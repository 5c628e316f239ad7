//! The guest's own bytes: whether they are a disk at all, and whether all of it is there.

use crate::image::format::flaw::Flaw;
use crate::image::format::read::{Source, be32, be64, le16, le32, le64, start, within};
use crate::image::format::table::{self, Table};

/// Bytes at the beginning that file systems are told by: Btrfs has its own at 64 KiB.
const START: usize = 68 << 10;

/// What a disk shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Its partition table.
    pub table: Option<Table>,
    /// What it is otherwise, such as `an ext file system`; nothing is known of one that has neither.
    pub other: Option<&'static str>,
    /// What the admin should know.
    pub said: Vec<String>,
}

impl Look {
    /// Whether it shows nothing.
    pub fn is_nothing(&self) -> bool {
        self.table.is_none() && self.other.is_none()
    }
}

/// Looks at a disk; one that ends before what its own tables speak of was cut. `sector`: the size of its sectors, where
/// its owner knows it.
pub fn look(source: &dyn Source, sector: Option<u32>) -> Result<Look, Flaw> {
    let beginning = start(source, 0, START)?;
    if let Some((other, needs)) = in_first_sector(&beginning) {
        within(source, other, 0, needs)?;
        return Ok(of(other));
    }
    // What is behind the first sector may be left from before the disk had partitions.
    if let Some(mut table) = table::find(source, sector)? {
        within(source, "its partition table", 0, table.end)?;
        return Ok(Look {
            said: std::mem::take(&mut table.said),
            table: Some(table),
            other: None,
        });
    }
    if let Some((other, needs)) = behind_it(&beginning) {
        within(source, other, 0, needs)?;
        return Ok(of(other));
    }
    if beginning.get(510..512) == Some(&[0x55, 0xaa]) {
        // A boot loader of the whole disk needs no partitions.
        if table::has_code(&beginning) {
            return Ok(of("a boot sector"));
        }
        return Ok(Look {
            table: Some(Table::empty()),
            ..Look::default()
        });
    }
    Ok(Look::default())
}

fn of(other: &'static str) -> Look {
    Look {
        other: Some(other),
        ..Look::default()
    }
}

fn is(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

/// A file system, or what holds one, whose first sector is the disk's, and its length in bytes; 0 where that is not known.
fn in_first_sector(bytes: &[u8]) -> Option<(&'static str, u64)> {
    if is(bytes, 0, b"XFSB") {
        let length = be64(bytes, 8).saturating_mul(u64::from(be32(bytes, 4)));
        return Some(("its file system (XFS)", length));
    }
    if is(bytes, 3, b"NTFS    ") {
        let length = le64(bytes, 40).saturating_mul(u64::from(le16(bytes, 11)));
        return Some(("its file system (NTFS)", length));
    }
    if is(bytes, 54, b"FAT") || is(bytes, 82, b"FAT32") || is(bytes, 3, b"EXFAT   ") {
        return Some(("a FAT file system", 0));
    }
    is(bytes, 0, b"LUKS\xba\xbe").then_some(("LUKS", 0))
}

/// The same of one that is told by what is behind the first sector.
fn behind_it(bytes: &[u8]) -> Option<(&'static str, u64)> {
    if is(bytes, 1024 + 56, &[0x53, 0xef]) {
        let blocks = u64::from(le32(bytes, 1024 + 4));
        // The upper half of the number counts where the file system has 64 bits.
        let upper = if le32(bytes, 1024 + 96) & 0x80 != 0 {
            u64::from(le32(bytes, 1024 + 0x150)) << 32
        } else {
            0
        };
        let size = 1024_u64 << le32(bytes, 1024 + 24).min(6);
        return Some(("its file system (ext)", (upper | blocks).saturating_mul(size)));
    }
    if is(bytes, 0x1_0040, b"_BHRfS_M") {
        return Some(("its file system (Btrfs)", le64(bytes, 0x1_0070)));
    }
    if (0..4).any(|sector| is(bytes, sector * 512, b"LABELONE")) {
        return Some(("LVM", 0));
    }
    if is(bytes, 4086, b"SWAPSPACE2") {
        return Some(("swap space", 0));
    }
    is(bytes, 32769, b"CD001").then_some(("an ISO 9660 file system", 0))
}
