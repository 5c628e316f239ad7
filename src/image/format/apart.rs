//! Whether all that a disk's tables speak of lies apart: two parts of the disk at one place of the file, or a part of it over a table, are
//! damage that no converter tells of.

use std::collections::HashMap;
use std::fmt;

use crate::image::format::flaw::Flaw;

/// Words of a page: a bit for each unit of the file.
const WORDS: usize = 64;
/// Units of a page.
const UNITS: u64 = 64 * WORDS as u64;

/// What lies somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The part of the disk that begins at that byte.
    Guest(u64),
    /// A part of the format's own.
    Own(&'static str),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest(at) => write!(f, "byte {at} of the disk"),
            Self::Own(what) => f.write_str(what),
        }
    }
}

/// A stretch of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its first byte.
    pub at: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Whose it is.
    pub whose: Whose,
    /// Whether it is packed: where one such ends, the next may begin, in the same unit.
    pub packed: bool,
}

impl Part {
    /// A part of the disk, from its byte `guest` on.
    pub fn guest(guest: u64, at: u64, length: u64) -> Self {
        Self {
            at,
            length,
            whose: Whose::Guest(guest),
            packed: false,
        }
    }

    /// A part of the format's own.
    pub fn own(what: &'static str, at: u64, length: u64) -> Self {
        Self {
            at,
            length,
            whose: Whose::Own(what),
            packed: false,
        }
    }

    /// Its units, half open.
    fn units(&self, unit: u64) -> (u64, u64) {
        let end = self.at.saturating_add(self.length);
        (self.at / unit, end.div_ceil(unit))
    }

    fn meets(&self, other: &Self, unit: u64) -> bool {
        if self.packed && other.packed {
            return self.at == other.at;
        }
        let ((first, end), (others, others_end)) = (self.units(unit), other.units(unit));
        first < others_end && others < end
    }
}

/// Is given each part, in an order that is the same each time; an error ends the walk.
pub type Each<'a> = &'a mut dyn FnMut(Part) -> Result<(), Flaw>;

/// Walks the tables of a file, which must give each part that they speak of once, and refuses parts that are not apart. A unit is the
/// least that two parts never share. Gives how many of them are taken, too.
pub fn apart<T>(unit: u64, walk: impl Fn(Each<'_>) -> Result<T, Flaw>) -> Result<(T, u64), Flaw> {
    let mut taken = Taken::new(unit);
    let mut second = None;
    let walked = walk(&mut |part| {
        if taken.take(&part) {
            return Ok(());
        }
        second = Some(part);
        Err(Flaw::Damaged(String::new()))
    });
    let second = match second {
        Some(part) => part,
        None => match taken.twice() {
            Some(part) if walked.is_ok() => part,
            Some(_) | None => return walked.map(|found| (found, taken.count())),
        },
    };
    // Who was there first is not kept, and is looked for.
    let mut first = second;
    let _ = walk(&mut |part| {
        if !part.meets(&second, unit) {
            return Ok(());
        }
        first = part;
        Err(Flaw::Damaged(String::new()))
    });
    Err(Flaw::Damaged(format!(
        "{} and {} are in one place, byte {} of the file",
        first.whose, second.whose, second.at
    )))
}

/// Which units are taken. A page that is full takes no more room than its number, so that a disk of terabytes takes some megabytes.
struct Taken {
    unit: u64,
    alone: Units,
    packed: Units,
    /// Where packed parts begin; they may share units, and are few.
    begins: Vec<Part>,
}

impl Taken {
    fn new(unit: u64) -> Self {
        Self {
            unit,
            alone: Units::default(),
            packed: Units::default(),
            begins: Vec::new(),
        }
    }

    /// Takes the units of a part; whether they were free.
    fn take(&mut self, part: &Part) -> bool {
        let (first, end) = part.units(self.unit);
        if part.packed {
            self.begins.push(*part);
            self.packed.add(first, end);
            return !self.alone.any(first, end);
        }
        !self.packed.any(first, end) && self.alone.add(first, end)
    }

    /// How many units are taken.
    fn count(&self) -> u64 {
        let pages = self.alone.0.values().chain(self.packed.0.values());
        pages
            .map(|page| match page {
                Page::Full => UNITS,
                Page::Some(bits) => bits.set,
            })
            .sum()
    }

    /// A packed part that begins where an earlier one does.
    fn twice(&mut self) -> Option<Part> {
        self.begins.sort_by_key(|part| part.at);
        let pair = self.begins.windows(2).find(|pair| pair[0].at == pair[1].at);
        pair.map(|pair| pair[1])
    }
}

enum Page {
    Full,
    Some(Box<Bits>),
}

struct Bits {
    words: [u64; WORDS],
    /// How many are set.
    set: u64,
}

/// A set of numbers, in pages.
#[derive(Default)]
struct Units(HashMap<u64, Page>);

/// The words of the page of `first` that the numbers from it to `end` touch, each with its bits.
fn masks(first: u64, end: u64) -> impl Iterator<Item = (usize, u64)> {
    let page = first / UNITS * UNITS;
    let (from, to) = (first - page, (end - page).min(UNITS));
    (from / 64..to.div_ceil(64)).map(move |word| {
        let begin = word * 64;
        let (low, high) = (from.max(begin), to.min(begin + 64));
        let ones = u64::MAX >> (64 - (high - low));
        (usize::try_from(word).unwrap_or(WORDS), ones << (low - begin))
    })
}

impl Units {
    /// Adds the numbers from the first on; whether none of them was there.
    fn add(&mut self, first: u64, end: u64) -> bool {
        let mut free = true;
        let mut at = first;
        while at < end {
            let page = at / UNITS;
            let next = (page + 1) * UNITS;
            let there = self.0.entry(page).or_insert_with(|| {
                Page::Some(Box::new(Bits {
                    words: [0; WORDS],
                    set: 0,
                }))
            });
            if let Page::Some(bits) = there {
                for (word, mask) in masks(at, end) {
                    let new = mask & !bits.words[word];
                    free &= new == mask;
                    bits.words[word] |= mask;
                    bits.set += u64::from(new.count_ones());
                }
                if bits.set == UNITS {
                    *there = Page::Full;
                }
            } else {
                free = false;
            }
            at = next;
        }
        free
    }

    /// Whether one of the numbers is there.
    fn any(&self, first: u64, end: u64) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut at = first;
        while at < end {
            match self.0.get(&(at / UNITS)) {
                Some(Page::Full) => return true,
                Some(Page::Some(bits)) if masks(at, end).any(|(word, mask)| bits.words[word] & mask != 0) => {
                    return true;
                }
                Some(Page::Some(_)) | None => {}
            }
            at = (at / UNITS + 1) * UNITS;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(guest: u64, at: u64, length: u64) -> Part {
        Part {
            packed: true,
            ..Part::guest(guest, at, length)
        }
    }

    #[test]
    fn parts_that_are_not_apart_are_named_both() {
        let header = Part::own("its header", 0, 512);
        for (parts, told) in [
            (
                &[header, Part::guest(0, 512, 4096), Part::guest(4096, 4608, 4096)][..],
                None,
            ),
            (
                &[header, Part::guest(0, 8192, 4096), Part::guest(7, 11264, 4096)],
                Some("byte 0 of the disk and byte 7 of the disk are in one place, byte 11264 of the file"),
            ),
            (
                &[header, Part::guest(9, 0, 4096)],
                Some("its header and byte 9 of the disk are in one place, byte 0 of the file"),
            ),
            // Of many pages, with the one that meets it far away.
            (
                &[
                    Part::guest(1, 0, 1 << 30),
                    Part::guest(2, 1 << 40, 512),
                    Part::guest(3, 1 << 29, 512),
                ],
                Some(
                    "byte 1 of the disk and byte 3 of the disk are in one place, byte 536870912 of the file",
                ),
            ),
            // Packed ones may end and begin in one sector, and not at one byte.
            (&[packed(0, 600, 100), packed(1, 700, 2000)], None),
            (
                &[packed(0, 600, 100), packed(1, 900, 10), packed(2, 600, 50)],
                Some("byte 0 of the disk and byte 2 of the disk are in one place, byte 600 of the file"),
            ),
            (
                &[packed(0, 600, 100), Part::guest(1, 512, 512)],
                Some("byte 0 of the disk and byte 1 of the disk are in one place, byte 512 of the file"),
            ),
            // More than one is met.
            (
                &[header, Part::own("its map", 512, 512), Part::guest(5, 0, 4096)],
                Some("its header and byte 5 of the disk are in one place, byte 0 of the file"),
            ),
            (
                &[Part::guest(1, 512, 512), packed(0, 600, 100)],
                Some("byte 1 of the disk and byte 0 of the disk are in one place, byte 600 of the file"),
            ),
        ] {
            let walked = apart(512, |each| parts.iter().try_for_each(|&part| each(part)));
            let told = told.map(|words| Flaw::Damaged(words.into()));
            assert_eq!(walked.err(), told, "{parts:?}");
        }
    }

    #[test]
    fn the_first_flaw_of_a_walk_is_the_one_that_is_told() {
        let walked: Result<((), u64), Flaw> = apart(512, |each| {
            each(packed(0, 600, 1))?;
            each(packed(1, 600, 1))?;
            Err(Flaw::Empty)
        });
        assert_eq!(walked, Err(Flaw::Empty));
    }

    #[test]
    fn a_large_disk_takes_little_room() {
        // 2 TiB in clusters of 64 KiB, the last first within each page.
        let mut units = Units::default();
        for page in 0..8192 {
            for unit in (0..UNITS).rev().step_by(64) {
                let first = page * UNITS + unit - 63;
                assert!(units.add(first, first + 64));
            }
        }
        assert!(units.0.values().all(|page| matches!(page, Page::Full)));
        assert!(units.any(8191 * UNITS + 5, 9000 * UNITS) && !units.any(8192 * UNITS, 9000 * UNITS));
    }
}
