//! Folders of a FAT file system, FAT12 to FAT32 (Microsoft, "FAT: General Overview of On-Disk Format", 1.03). Which of them it is,
//! is told as the firmware does that is to read it (EDK2, FatPkg/EnhancedFatDxe/Init.c).
//!
//! Whoever made the disk may have written anything: each number is held against what is there, and all folders together are read
//! within a bound. The crate `fatfs` 0.3.6 multiplies what a boot sector says without looking, and wants to write.

use std::cell::Cell;

use crate::image::format::flaw::Flaw;
use crate::image::format::read::{Source, block, le16, le32, start};

/// Bytes of an entry.
const ENTRY: usize = 32;
/// Bytes of all folders together that are read: eight times what the largest folder can have.
const FOLDERS_MOST: usize = 16 << 20;
/// Clusters of a FAT12 and of a FAT16, at most.
const TWELVE_MOST: u64 = 4084;
/// The pieces of a long name, at most, and the characters of each.
const PIECES: u8 = 20;
const PIECE: usize = 13;

const READ_ONLY_TO_LABEL: u8 = 0x0f;
const LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;

/// How wide the numbers in its table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// Where a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// In one piece: so many bytes from a place on.
    Fixed(u64, usize),
    /// In clusters, from this one on.
    Chain(u32),
}

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A folder.
    Folder(Folder),
    /// A file of so many bytes.
    File(u32),
}

/// A FAT file system.
pub struct Fat<'a> {
    source: &'a dyn Source,
    width: Width,
    /// The first byte of its table, and of its clusters.
    table: u64,
    data: u64,
    root: Folder,
    /// Bytes of a cluster.
    cluster: usize,
    /// How many there are.
    clusters: u64,
    /// Bytes that may still be read.
    left: Cell<usize>,
}

impl<'a> Fat<'a> {
    /// The one that begins with the first byte; `None` where that is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(source: &'a dyn Source) -> Result<Option<Self>, Flaw> {
        let boot = start(source, 0, 512)?;
        let sector = u64::from(le16(&boot, 11));
        let (per_cluster, reserved, copies) = match boot.get(13..17) {
            Some(&[per_cluster, low, high, copies]) => (per_cluster, u16::from_le_bytes([low, high]), copies),
            _ => return Ok(None),
        };
        if boot.get(510..) != Some(&[0x55, 0xaa])
            || !matches!(sector, 512 | 1024 | 2048 | 4096)
            || !per_cluster.is_power_of_two()
            || reserved == 0
            || copies == 0
        {
            return Ok(None);
        }
        let either = |short: u16, long: u32| if short == 0 { long } else { short.into() };
        let sectors = u64::from(either(le16(&boot, 19), le32(&boot, 32)));
        let short_table = le16(&boot, 22);
        let table_sectors = u64::from(either(short_table, le32(&boot, 36)));
        let entries = usize::from(le16(&boot, 17)) * ENTRY;
        // None of these products comes near to 64 bits.
        let behind_tables = (u64::from(reserved) + u64::from(copies) * table_sectors) * sector;
        let data = behind_tables + (entries as u64).next_multiple_of(sector);
        let cluster = sector * u64::from(per_cluster);
        let clusters = (sectors * sector).saturating_sub(data) / cluster;
        if clusters == 0 || table_sectors == 0 {
            return Ok(None);
        }
        let width = match short_table {
            0 => Width::ThirtyTwo,
            _ if clusters <= TWELVE_MOST => Width::Twelve,
            _ => Width::Sixteen,
        };
        // Of the copies of its table one may be the only one in use.
        let flags = le16(&boot, 40);
        let copy = match width {
            Width::ThirtyTwo if flags & 0x80 != 0 => u64::from(flags & 0x0f),
            Width::Twelve | Width::Sixteen | Width::ThirtyTwo => 0,
        };
        Ok(Some(Self {
            source,
            width,
            table: (u64::from(reserved) + copy * table_sectors) * sector,
            data,
            root: match width {
                Width::ThirtyTwo => Folder::Chain(le32(&boot, 44)),
                Width::Twelve | Width::Sixteen => Folder::Fixed(behind_tables, entries),
            },
            cluster: usize::try_from(cluster).unwrap_or(usize::MAX),
            clusters,
            left: Cell::new(FOLDERS_MOST),
        }))
    }

    /// Its uppermost folder.
    pub fn root(&self) -> Folder {
        self.root
    }

    /// What is in a folder, in its order, without the folder itself and the one above.
    ///
    /// # Errors
    /// It cannot be read, or has no end.
    pub fn items(&self, folder: Folder) -> Result<Vec<(String, Item)>, Flaw> {
        let mut items = Vec::new();
        let mut long = Long::default();
        match folder {
            Folder::Fixed(at, length) => {
                self.take(&self.part(at, length)?, &mut long, &mut items);
            }
            Folder::Chain(first) => {
                let mut cluster = first;
                loop {
                    let at = self.data + (self.within(cluster)? - 2) * self.cluster as u64;
                    if !self.take(&self.part(at, self.cluster)?, &mut long, &mut items) {
                        break;
                    }
                    let Some(next) = self.next(cluster)? else { break };
                    cluster = next;
                }
            }
        }
        Ok(items)
    }

    /// Bytes of a folder. A chain that leads back to itself ends here.
    fn part(&self, at: u64, length: usize) -> Result<Vec<u8>, Flaw> {
        let left = self
            .left
            .get()
            .checked_sub(length)
            .ok_or_else(|| Flaw::Damaged("the folders of its FAT file system have no end".into()))?;
        self.left.set(left);
        block(self.source, "a folder of its FAT file system", at, length)
    }

    /// A cluster's number, where there is such a one.
    fn within(&self, cluster: u32) -> Result<u64, Flaw> {
        let number = u64::from(cluster);
        if (2..self.clusters + 2).contains(&number) {
            return Ok(number);
        }
        Err(Flaw::Damaged(format!(
            "a folder of its FAT file system is in cluster {number}, and there are {}",
            self.clusters
        )))
    }

    /// The cluster behind a cluster; `None` behind the last.
    fn next(&self, cluster: u32) -> Result<Option<u32>, Flaw> {
        let at = |place: u64, bytes: usize| {
            let place = self.table.saturating_add(place);
            block(self.source, "the table of its FAT file system", place, bytes)
        };
        let number = u64::from(cluster);
        let (next, last) = match self.width {
            Width::Twelve => {
                let pair = le16(&at(number + number / 2, 2)?, 0);
                let next = if number % 2 == 1 { pair >> 4 } else { pair & 0xfff };
                (u32::from(next), 0xff8)
            }
            Width::Sixteen => (u32::from(le16(&at(number * 2, 2)?, 0)), 0xfff8),
            Width::ThirtyTwo => (le32(&at(number * 4, 4)?, 0) & 0x0fff_ffff, 0x0fff_fff8),
        };
        Ok((next < last).then_some(next))
    }

    /// Reads entries; whether there may be more.
    fn take(&self, bytes: &[u8], long: &mut Long, items: &mut Vec<(String, Item)>) -> bool {
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        for entry in entries {
            let kind = entry[11];
            match entry[0] {
                0 => return false,
                0xe5 => *long = Long::default(),
                _ if kind & 0x3f == READ_ONLY_TO_LABEL => long.take(entry),
                _ => {
                    let name = std::mem::take(long).name(entry).unwrap_or_else(|| short(entry));
                    if kind & LABEL == 0 && name != "." && name != ".." {
                        items.push((name, self.item(entry)));
                    }
                }
            }
        }
        true
    }

    fn item(&self, entry: &[u8; ENTRY]) -> Item {
        if entry[11] & FOLDER == 0 {
            return Item::File(le32(entry, 28));
        }
        let upper = match self.width {
            Width::ThirtyTwo => u32::from(le16(entry, 20)) << 16,
            Width::Twelve | Width::Sixteen => 0,
        };
        Item::Folder(Folder::Chain(upper | u32::from(le16(entry, 26))))
    }
}

/// A long name, as far as it was read: it stands in pieces before the entry that it is of, the last first.
#[derive(Default)]
struct Long {
    /// The pieces, as they stand there.
    pieces: Vec<[u16; PIECE]>,
    /// How many are still to come.
    missing: u8,
    sum: u8,
}

impl Long {
    fn take(&mut self, entry: &[u8; ENTRY]) {
        let (number, sum) = (entry[0] & 0x3f, entry[13]);
        if entry[0] & 0x40 != 0 && (1..=PIECES).contains(&number) {
            *self = Self {
                pieces: Vec::new(),
                missing: number,
                sum,
            };
        } else if number == 0 || number != self.missing || sum != self.sum {
            *self = Self::default();
            return;
        }
        self.missing -= 1;
        let mut piece = [0; PIECE];
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
        for (letter, place) in piece.iter_mut().zip(places) {
            *letter = le16(entry, place);
        }
        self.pieces.push(piece);
    }

    /// The whole name, where it is one of this entry.
    fn name(self, entry: &[u8; ENTRY]) -> Option<String> {
        let sum = entry[..11]
            .iter()
            .fold(0_u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
        if self.pieces.is_empty() || self.missing > 0 || sum != self.sum {
            return None;
        }
        let letters = self.pieces.into_iter().rev().flatten();
        let letters = letters.take_while(|&letter| letter != 0);
        Some(
            char::decode_utf16(letters)
                .map(|letter| letter.unwrap_or('\u{fffd}'))
                .collect(),
        )
    }
}

/// The short name of an entry. Windows NT marks what of it is in small letters.
fn short(entry: &[u8; ENTRY]) -> String {
    let part = |bytes: &[u8], small: bool| -> String {
        let letters = bytes.iter().map(|&byte| match byte {
            0x80.. => '\u{fffd}',
            byte if small => char::from(byte.to_ascii_lowercase()),
            byte => char::from(byte),
        });
        letters.collect::<String>().trim_end().to_owned()
    };
    let name = part(&entry[..8], entry[12] & 0x08 != 0);
    let kind = part(&entry[8..11], entry[12] & 0x10 != 0);
    if kind.is_empty() {
        name
    } else {
        format!("{name}.{kind}")
    }
}
