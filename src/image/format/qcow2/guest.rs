//! The disk in a qcow2 as its guest sees it: of one that our own `qemu-img` made, which has neither compression nor a disk
//! below it.

use std::cell::RefCell;
use std::io;

use crate::image::format::flaw::Flaw;
use crate::image::format::qcow2::head::{COMPRESSED, Header, L1_OFFSET, L2_OFFSET, ZERO, header};
use crate::image::format::read::{Source, be64, block, entries};

/// The guest's disk.
pub struct Guest<S> {
    source: S,
    header: Header,
    first: Vec<u64>,
    /// The second table that was read last, by its place.
    second: RefCell<(u64, Vec<u8>)>,
}

impl<S: Source> Guest<S> {
    /// The disk of a qcow2, which leans on nothing.
    pub fn of(source: S) -> Result<Self, Flaw> {
        let header = header(&source)?;
        if header.backing.is_some() || header.data_file.is_some() || header.extended || header.dirty {
            return Err(Flaw::Damaged("it is not what a conversion makes".into()));
        }
        let mut first = Vec::new();
        entries::<8>(
            &source,
            "its first table",
            header.l1_offset,
            u64::from(header.l1_size),
            &mut |_, entry| {
                first.push(u64::from_be_bytes(entry) & L1_OFFSET);
                Ok(())
            },
        )?;
        Ok(Self {
            source,
            header,
            first,
            second: RefCell::default(),
        })
    }

    /// Bytes of a cluster.
    pub fn cluster(&self) -> u64 {
        self.header.cluster()
    }

    /// Where the cluster with that byte is in the file; `None` where it is zeros.
    fn place(&self, at: u64) -> Result<Option<u64>, Flaw> {
        let number = at / self.cluster();
        let per_table = self.header.per_table();
        let table = usize::try_from(number / per_table)
            .ok()
            .and_then(|part| self.first.get(part).copied())
            .unwrap_or(0);
        if table == 0 {
            return Ok(None);
        }
        let mut second = self.second.borrow_mut();
        if second.0 != table {
            let length = usize::try_from(self.cluster()).unwrap_or(0);
            *second = (table, block(&self.source, "its tables", table, length)?);
        }
        let entry = usize::try_from(number % per_table).unwrap_or(0) * self.header.entry();
        let place = be64(&second.1, entry);
        if place & COMPRESSED != 0 {
            return Err(Flaw::Damaged("it is not what a conversion makes".into()));
        }
        let at = place & L2_OFFSET;
        Ok((place & ZERO == 0 && at != 0).then_some(at))
    }

    /// Fills the buffer, which stays within one cluster; `false` where there are only zeros, and the buffer is left as it was.
    pub fn part(&self, at: u64, buffer: &mut [u8]) -> Result<bool, Flaw> {
        let Some(place) = self.place(at)? else {
            return Ok(false);
        };
        let place = place.saturating_add(at % self.cluster());
        self.source
            .read(place, buffer)
            .map_err(|error| Flaw::Unreadable(error.to_string()))?;
        Ok(true)
    }
}

impl<S: Source> Source for Guest<S> {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut at = at;
        let mut rest = buffer;
        while !rest.is_empty() {
            let left = self.cluster() - at % self.cluster();
            let length = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
            let (now, later) = rest.split_at_mut(length);
            if !self
                .part(at, now)
                .map_err(|flaw| io::Error::other(flaw.to_string()))?
            {
                now.fill(0);
            }
            at = at.saturating_add(length as u64);
            rest = later;
        }
        Ok(())
    }
}
