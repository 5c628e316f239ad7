//! Files that are packed by a compressor.

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// <https://tukaani.org/xz/xz-file-format.txt>.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Packing {
    /// What a file begins as.
    pub fn of(start: &[u8]) -> Option<Self> {
        // A frame that is to be skipped may stand first; pzstd writes one.
        let skippable = start.get(1..4) == Some(&[0x2a, 0x4d, 0x18])
            && start.first().is_some_and(|first| (0x50..=0x5f).contains(first));
        if start.starts_with(&[0x1f, 0x8b, 8]) {
            Some(Self::Gzip)
        } else if start.starts_with(b"\xfd7zXZ\0") {
            Some(Self::Xz)
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    /// The program that unpacks standard input to standard output. Windows and dictionaries of more than a gigabyte are
    /// refused by it.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Gzip => &["gzip", "-dc"],
            Self::Xz => &["xz", "--memlimit-decompress=1GiB", "-dc"],
            Self::Zstd => &["zstd", "-q", "--memory=1024MB", "-dc"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_told_by_its_beginning() {
        for (start, packing) in [
            (&[0x1f, 0x8b, 8, 0][..], Some(Packing::Gzip)),
            (b"\xfd7zXZ\0\0", Some(Packing::Xz)),
            (&[0x28, 0xb5, 0x2f, 0xfd], Some(Packing::Zstd)),
            (&[0x50, 0x2a, 0x4d, 0x18], Some(Packing::Zstd)),
            (&[0x1f, 0x8b], None),
            (b"", None),
            (b"QFI\xfb", None),
        ] {
            assert_eq!(Packing::of(start), packing, "{start:?}");
        }
    }
}
