//! What a boot entry says (UEFI 2.10, 3.1.3 load options, 10.3 device paths).

use crate::image::format::read::{guid, le16, le32};

const ACTIVE: u32 = 1;
/// Kinds of a path's parts, and those of a medium.
const MEDIA: u8 = 4;
const DRIVE: u8 = 1;
const FILE: u8 = 4;
const END: u8 = 0x7f;
/// Bytes of the part that names a partition.
const DRIVE_BYTES: u16 = 42;
/// Characters of an entry's name.
const NAME: usize = 64;

/// A partition, as the path of an entry names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drive {
    /// Its place in its table, from 1 on.
    pub number: u32,
    /// Its first sector.
    pub first: u64,
    /// How many it has.
    pub sectors: u64,
    /// What it is known by.
    pub id: [u8; 16],
    /// Whether its table is a GPT.
    pub gpt: bool,
}

/// Where an entry leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What its partition is known by.
    pub id: [u8; 16],
    /// The path of the file there.
    pub path: String,
}

fn text(text: &str) -> impl Iterator<Item = u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes)
}

/// An entry of that name for a file on a partition. A path is of at most 255 characters.
pub fn entry(name: &str, drive: &Drive, path: &str) -> Vec<u8> {
    let mut way = vec![MEDIA, DRIVE];
    way.extend(DRIVE_BYTES.to_le_bytes());
    way.extend(drive.number.to_le_bytes());
    way.extend(drive.first.to_le_bytes());
    way.extend(drive.sectors.to_le_bytes());
    way.extend(drive.id);
    // The kind of the table, and that of what the partition is known by, have the same numbers.
    way.extend([if drive.gpt { 2 } else { 1 }; 2]);
    let file: Vec<u8> = text(path).collect();
    way.extend([MEDIA, FILE]);
    way.extend(u16::try_from(file.len() + 4).unwrap_or(u16::MAX).to_le_bytes());
    way.extend(file);
    way.extend([END, 0xff, 4, 0]);
    let mut entry = ACTIVE.to_le_bytes().to_vec();
    entry.extend(u16::try_from(way.len()).unwrap_or(u16::MAX).to_le_bytes());
    let name: String = name.chars().take(NAME).collect();
    entry.extend(text(&name));
    entry.extend(way);
    entry
}

/// Where an entry leads to; `None` where it is not in use, or leads to no file on a partition.
pub fn target(entry: &[u8]) -> Option<Target> {
    if le32(entry, 0) & ACTIVE == 0 {
        return None;
    }
    let (letters, _) = entry.get(6..)?.as_chunks::<2>();
    let name = letters.iter().position(|letter| *letter == [0, 0])?;
    let begin = 6 + (name + 1) * 2;
    let length = usize::from(le16(entry, 4));
    let mut way = entry.get(begin..begin.checked_add(length)?)?;
    let (mut id, mut path) = (None, String::new());
    while let [kind, below, low, high, ..] = *way {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (part, rest) = way.split_at_checked(length)?;
        match (kind, below) {
            (END, _) => break,
            (MEDIA, DRIVE) if length == usize::from(DRIVE_BYTES) => id = Some(guid(part, 24)),
            (MEDIA, FILE) => {
                let (letters, _) = part.get(4..)?.as_chunks::<2>();
                let letters: Vec<u16> = letters.iter().map(|letter| u16::from_le_bytes(*letter)).collect();
                let own = letters.split(|letter| *letter == 0).next().unwrap_or(&letters);
                path.push_str(&String::from_utf16_lossy(own));
            }
            // A part has a head at least, or there would be no end.
            _ if length < 4 => return None,
            _ => {}
        }
        way = rest;
    }
    (!path.is_empty()).then_some(Target { id: id?, path })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drive(gpt: bool) -> Drive {
        Drive {
            number: 3,
            first: 2048,
            sectors: 131_072,
            id: *b"0123456789abcdef",
            gpt,
        }
    }

    #[test]
    fn an_entry_is_laid_out_as_the_specification_has_it() {
        let made = entry("a", &drive(true), "\\b");
        let mut expected = vec![1, 0, 0, 0, 56, 0, b'a', 0, 0, 0];
        expected.extend([
            4, 1, 42, 0, 3, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0,
        ]);
        expected.extend(b"0123456789abcdef\x02\x02");
        expected.extend([4, 4, 10, 0, b'\\', 0, b'b', 0, 0, 0, 0x7f, 0xff, 4, 0]);
        assert_eq!(made, expected);
        let old = entry("a", &drive(false), "\\b");
        assert_eq!(old[50..52], [1, 1]);
    }

    #[test]
    fn where_an_entry_leads_to_is_read_and_what_leads_to_no_file_is_none() {
        let made = entry("Debian", &drive(true), "\\EFI\\debian\\shimx64.efi");
        let read = target(&made).expect("it leads somewhere");
        assert_eq!(read.path, "\\EFI\\debian\\shimx64.efi");
        assert_eq!(read.id, *b"0123456789abcdef");
        let mut off = made.clone();
        off[0] = 0;
        assert_eq!(target(&off), None, "it is not in use");
        // The firmware's own shell is a file of a firmware volume.
        let mut shell = made.clone();
        let way = 6 + "Debian".len() * 2 + 2;
        shell[way..way + 2].copy_from_slice(&[4, 7]);
        assert_eq!(target(&shell), None);
        let mut endless = made;
        endless[way + 2..way + 4].copy_from_slice(&[0, 0]);
        assert_eq!(target(&endless), None);
    }

    proptest! {
        #[test]
        fn whatever_an_entry_is_it_is_read_to_an_end(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut made = entry("Debian", &drive(true), "\\EFI\\debian\\shimx64.efi");
            for (at, byte) in changes {
                let at = at.index(made.len());
                made[at] = byte;
            }
            let _ = target(&made);
            made.truncate(cut.index(made.len()));
            let _ = target(&made);
        }
    }
}
