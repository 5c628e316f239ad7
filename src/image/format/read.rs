//! Numbers and texts out of a file, at places that the file itself names.

use std::io;

use crate::image::format::flaw::Flaw;

/// Bytes that are read at once, at most: tables are walked in pieces.
pub const PIECE: usize = 64 * 1024;

/// Something with bytes at places: a file, or a disk as its guest sees it.
pub trait Source {
    /// Its length in bytes.
    fn size(&self) -> u64;
    /// Fills the buffer with what is there; all of it must be.
    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl<S: Source + ?Sized> Source for &S {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read(at, buffer)
    }
}

/// A part of a source, such as a partition of a disk.
pub struct Stretch<S> {
    /// What it is a part of.
    pub whole: S,
    /// Its first byte there.
    pub first: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl<S: Source> Source for Stretch<S> {
    fn size(&self) -> u64 {
        self.length
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        within(self, "the partition", at, buffer.len() as u64)
            .map_err(|flaw| io::Error::other(flaw.to_string()))?;
        self.whole.read(self.first.saturating_add(at), buffer)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(at)
            .ok()
            .and_then(|at| self.get(at..at.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(there);
        Ok(())
    }
}

/// Holds that a part of a file, so many bytes from a place on, is within it.
pub fn within(source: &dyn Source, what: &str, at: u64, length: u64) -> Result<(), Flaw> {
    let needs = at.saturating_add(length);
    if needs > source.size() {
        return Err(Flaw::Cut {
            what: what.to_owned(),
            needs,
            has: source.size(),
        });
    }
    Ok(())
}

/// So many bytes, named in errors. The caller bounds their number.
pub fn block(source: &dyn Source, what: &str, at: u64, length: usize) -> Result<Vec<u8>, Flaw> {
    within(source, what, at, length as u64)?;
    let mut bytes = vec![0; length];
    source
        .read(at, &mut bytes)
        .map_err(|error| Flaw::Unreadable(error.to_string()))?;
    Ok(bytes)
}

/// The bytes at a place as far as there are any, at most so many.
pub fn start(source: &dyn Source, at: u64, most: usize) -> Result<Vec<u8>, Flaw> {
    let at = at.min(source.size());
    let there = source.size() - at;
    let length = usize::try_from(there).map_or(most, |there| there.min(most));
    block(source, "its beginning", at, length)
}

/// Walks a table of entries of `N` bytes in pieces; `each` is given the number of an entry and its bytes.
pub fn entries<const N: usize>(
    source: &dyn Source,
    what: &str,
    at: u64,
    count: u64,
    each: &mut dyn FnMut(u64, [u8; N]) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    within(source, what, at, count.saturating_mul(N as u64))?;
    let mut number = 0;
    while number < count {
        let rest = (count - number).saturating_mul(N as u64);
        let length = usize::try_from(rest).map_or(PIECE, |rest| rest.min(PIECE)) / N * N;
        let piece = block(source, what, at + number * N as u64, length)?;
        let (chunks, _) = piece.as_chunks::<N>();
        for entry in chunks {
            each(number, *entry)?;
            number += 1;
        }
    }
    Ok(())
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// A number of two bytes, the small end first; 0 beyond the end, as with those that follow.
pub fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(part(bytes, at))
}

/// One of four bytes.
pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(bytes, at))
}

/// One of eight bytes.
pub fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(part(bytes, at))
}

/// One of two bytes, the large end first.
pub fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(part(bytes, at))
}

/// One of four bytes, the large end first.
pub fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(part(bytes, at))
}

/// One of eight bytes, the large end first.
pub fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(part(bytes, at))
}

/// Sixteen bytes.
pub fn guid(bytes: &[u8], at: usize) -> [u8; 16] {
    part(bytes, at)
}

/// A cyclic redundancy check of 32 bits, reflected, of the polynomial that is given reflected.
pub fn crc32(polynomial: u32, bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ polynomial
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// The polynomial of GPT (UEFI 2.10, 5.3.2), reflected.
pub const CRC32: u32 = 0xedb8_8320;
/// The polynomial of VHDX, Castagnoli's, reflected.
pub const CRC32C: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_are_the_known_ones() {
        assert_eq!(crc32(CRC32, b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(CRC32C, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn entries_are_walked_in_order_over_pieces_and_never_beyond_the_end() {
        let count = 3 * PIECE as u64 / 8 + 5;
        let bytes: Vec<u8> = (0..count).flat_map(u64::to_le_bytes).collect();
        let mut seen = 0;
        entries::<8>(&bytes, "a table", 0, count, &mut |number, entry| {
            assert_eq!((number, le64(&entry, 0)), (seen, seen));
            seen += 1;
            Ok(())
        })
        .expect("whole");
        assert_eq!(seen, count);
        for (at, count) in [(0, count + 1), (8, count), (u64::MAX, 1), (0, u64::MAX)] {
            let cut = entries::<8>(&bytes, "a table", at, count, &mut |_, _| Ok(()));
            assert!(matches!(cut, Err(Flaw::Cut { .. })), "{cut:?}");
        }
    }
}
