//! The head of a qcow2.

use crate::image::format::flaw::{Flaw, name};
use crate::image::format::read::{Source, be32, be64, block, start};

/// Where an entry of the first table leads, and one of the second.
pub const L1_OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// The second's.
pub const L2_OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// The mark of a compressed cluster.
pub const COMPRESSED: u64 = 1 << 62;
/// The mark of a cluster that reads as zeros.
pub const ZERO: u64 = 1;
/// Entries of a first table, at most (QEMU's `QCOW_MAX_L1_SIZE`).
const L1_MOST: u32 = (32 << 20) / 8;
/// The mark, among the features that a program which does not know them clears, of bitmaps that fit the disk.
const BITMAPS: u64 = 1;
/// Bytes of a name.
const NAME: u32 = 1023;

const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED: u64 = 1 << 4;

/// What the head of one says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The disk's size as the guest sees it, in bytes.
    pub size: u64,
    /// The file that it leans on, as it names it, and that file's format.
    pub backing: Option<(String, Option<String>)>,
    /// The file that holds its data, where that is not this one.
    pub data_file: Option<String>,
    /// Whether its reference counts are behind.
    pub dirty: bool,
    /// Whether QEMU has found it corrupt.
    pub corrupt: bool,
    /// Whether its clusters have 32 parts each.
    pub extended: bool,
    /// Its snapshots.
    pub snapshots: u32,
    /// Where their table is.
    pub snapshots_offset: u64,
    /// How many bitmaps it has, and where their directory is.
    pub bitmaps: Option<(u32, u64)>,
    /// Entries of its first table.
    pub l1_size: u32,
    /// Where that is.
    pub l1_offset: u64,
    /// Where its table of reference counts is.
    pub refcount_offset: u64,
    /// Clusters of that.
    pub refcount_clusters: u32,
    /// Bits of a count.
    pub count_bits: u32,
    bits: u32,
}

impl Header {
    /// Refuses one whose data are in another file, which it may name at will.
    pub fn holds_its_data(&self) -> Result<(), Flaw> {
        match &self.data_file {
            None => Ok(()),
            Some(file) => Err(Flaw::Parts(format!(
                "has its data in {}, which was not read",
                name(file)
            ))),
        }
    }

    /// Bytes of a cluster.
    pub fn cluster(&self) -> u64 {
        1 << self.bits
    }

    /// Where its first table is, and the entries of that: it may have some for what snapshots keep of the machine's memory.
    pub fn first(&self) -> (u64, u64) {
        (self.l1_offset, self.l1_size.into())
    }

    /// Bytes of an entry of a second table.
    pub fn entry(&self) -> usize {
        if self.extended { 16 } else { 8 }
    }

    /// Clusters that a second table is of.
    pub fn per_table(&self) -> u64 {
        self.cluster() / self.entry() as u64
    }

    /// Where a compressed cluster begins, and how many sectors it has behind its first.
    pub fn compressed(&self, place: u64) -> (u64, u64) {
        let bits = 62 - (self.bits - 8);
        let sectors = (place & (COMPRESSED - 1)) >> bits;
        (place & ((1 << bits) - 1), sectors)
    }
}

/// Reads the head of one. What is encrypted is refused here, for `qemu-img info` succeeds on it.
pub fn header(source: &dyn Source) -> Result<Header, Flaw> {
    let head = start(source, 0, 112)?;
    if head.len() < 72 {
        return Err(Flaw::Cut {
            what: "its header".into(),
            needs: 72,
            has: source.size(),
        });
    }
    let version = be32(&head, 4);
    if !matches!(version, 2 | 3) {
        return Err(Flaw::Unknown(format!("is a qcow of version {version}")));
    }
    match be32(&head, 32) {
        0 => {}
        1 => return Err(Flaw::Encrypted("by QEMU, with AES".into())),
        2 => return Err(Flaw::Encrypted("by QEMU, with LUKS".into())),
        method => return Err(Flaw::Encrypted(format!("by method {method}"))),
    }
    let bits = be32(&head, 20);
    if !(9..=21).contains(&bits) {
        return Err(Flaw::Damaged(format!("its clusters are of 2^{bits} bytes")));
    }
    let (features, cleared, order, length) = if version == 3 {
        (
            be64(&head, 72),
            be64(&head, 88),
            be32(&head, 96),
            be32(&head, 100),
        )
    } else {
        (0, 0, 4, 72)
    };
    if order > 6 {
        return Err(Flaw::Damaged(format!(
            "its reference counts are of 2^{order} bits"
        )));
    }
    let unknown = features & !(DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED);
    if unknown != 0 {
        return Err(Flaw::Unknown(format!(
            "has features of a newer QEMU (bits {unknown:#x})"
        )));
    }
    let l1_size = be32(&head, 36);
    if l1_size > L1_MOST {
        return Err(Flaw::Damaged("its first table is endless".into()));
    }
    let cluster: u64 = 1 << bits;
    let extensions = extensions(source, u64::from(length), cluster)?;
    let backing = match (be64(&head, 8), be32(&head, 16)) {
        (0, _) | (_, 0) => None,
        (at, length) => {
            if length > NAME {
                return Err(Flaw::Damaged("the name of the disk below it is endless".into()));
            }
            let name = block(source, "the name of the disk below it", at, length as usize)?;
            Some((String::from_utf8_lossy(&name).into_owned(), extensions.format))
        }
    };
    let data_file = (features & DATA_FILE != 0).then(|| {
        extensions
            .data_file
            .unwrap_or_else(|| "a file without a name".into())
    });
    Ok(Header {
        size: be64(&head, 24),
        backing,
        data_file,
        dirty: features & DIRTY != 0,
        corrupt: features & CORRUPT != 0,
        extended: features & EXTENDED != 0,
        snapshots: be32(&head, 60),
        snapshots_offset: be64(&head, 64),
        bitmaps: extensions.bitmaps.filter(|_| cleared & BITMAPS != 0),
        l1_size,
        l1_offset: be64(&head, 40),
        refcount_offset: be64(&head, 48),
        refcount_clusters: be32(&head, 56),
        count_bits: 1 << order,
        bits,
    })
}

#[derive(Default)]
struct Extensions {
    format: Option<String>,
    data_file: Option<String>,
    bitmaps: Option<(u32, u64)>,
}

/// Reads what stands behind the header, within its cluster.
fn extensions(source: &dyn Source, header: u64, cluster: u64) -> Result<Extensions, Flaw> {
    let mut found = Extensions::default();
    let mut at = header;
    while at.saturating_add(8) <= cluster.min(source.size()) {
        let head = block(source, "its header", at, 8)?;
        let (kind, length) = (be32(&head, 0), be32(&head, 4));
        if kind == 0 {
            break;
        }
        let text = |what| {
            let length = length.min(NAME) as usize;
            let text = block(source, what, at + 8, length)?;
            Ok::<_, Flaw>(Some(String::from_utf8_lossy(&text).into_owned()))
        };
        match kind {
            0xe279_2aca => found.format = text("the format of the disk below it")?,
            0x2385_2875 => {
                let about = block(source, "its header", at + 8, 24)?;
                found.bitmaps = Some((be32(&about, 0), be64(&about, 16)));
            }
            0x4441_5441 => found.data_file = text("the name of its data file")?,
            _ => {}
        }
        at = at + 8 + u64::from(length).next_multiple_of(8);
    }
    Ok(found)
}
