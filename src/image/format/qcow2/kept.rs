//! What a qcow2 keeps beside the present state of its disk: snapshots and bitmaps. Their tables are its own; where the disk lies over
//! one, the tool that wrote the one has written over the other.

use std::collections::HashSet;

use crate::image::format::apart::{Each, Part};
use crate::image::format::flaw::{Flaw, name};
use crate::image::format::qcow2::head::{Header, L1_OFFSET};
use crate::image::format::read::{Source, be16, be32, be64, block, entries, within};

/// Names of snapshots that are said.
const NAMES: usize = 16;
/// Snapshots and bitmaps, at most (QEMU's `QCOW_MAX_SNAPSHOTS` and `QCOW2_MAX_BITMAPS`).
const MOST: u32 = 1 << 16;
/// Where an entry of a bitmap's table leads.
const BITMAP_OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

const SNAPSHOTS: &str = "its table of snapshots";
const BITMAPS: &str = "its directory of bitmaps";

/// What the table of snapshots says of one.
struct Snapshot {
    /// Where its first table is, and the entries of that.
    first: (u64, u64),
    name: String,
    /// The byte behind what is said of it.
    end: u64,
}

fn snapshot(source: &dyn Source, at: u64) -> Result<Snapshot, Flaw> {
    let entry = block(source, SNAPSHOTS, at, 40)?;
    let [id, length] = [12, 14].map(|place| usize::from(be16(&entry, place)));
    let names_at = at.saturating_add(40).saturating_add(be32(&entry, 36).into());
    let text = block(source, SNAPSHOTS, names_at, id + length)?;
    Ok(Snapshot {
        first: (be64(&entry, 0), be32(&entry, 8).into()),
        name: name(&String::from_utf8_lossy(text.get(id..).unwrap_or_default())),
        end: names_at.saturating_add((id + length) as u64),
    })
}

/// Its snapshots in the order of their table.
fn each_snapshot<'a>(
    source: &'a dyn Source,
    header: &Header,
) -> impl Iterator<Item = Result<Snapshot, Flaw>> + 'a {
    let mut at = header.snapshots_offset;
    (0..header.snapshots.min(MOST)).map(move |_| {
        let found = snapshot(source, at)?;
        at = found.end.next_multiple_of(8);
        Ok(found)
    })
}

/// The names of its snapshots, as many as are said.
pub fn names(source: &dyn Source, header: &Header) -> Result<Vec<String>, Flaw> {
    each_snapshot(source, header)
        .take(NAMES)
        .map(|found| Ok(found?.name))
        .collect()
}

/// Walks the tables that its snapshots alone have: a second table that nobody wrote to since is the present state's too.
pub fn snapshots(source: &dyn Source, header: &Header, each: Each<'_>) -> Result<(), Flaw> {
    if header.snapshots == 0 {
        return Ok(());
    }
    if header.snapshots > MOST {
        return Err(Flaw::Damaged(format!("{SNAPSHOTS} is endless")));
    }
    let mut known = HashSet::new();
    seconds(source, "its first table", header.first(), &mut |at| {
        known.insert(at);
        Ok(())
    })?;
    let mut end = header.snapshots_offset;
    for found in each_snapshot(source, header) {
        let Snapshot { first, end: now, .. } = found?;
        end = now;
        let what = "the first table of a snapshot";
        // None is there twice, so all of them are no longer than the file.
        each(Part::own(what, first.0, first.1 * 8))?;
        seconds(source, what, first, &mut |at| {
            if !known.insert(at) {
                return Ok(());
            }
            within(source, "the tables of a snapshot", at, header.cluster())?;
            each(Part::own("a second table of a snapshot", at, header.cluster()))
        })?;
    }
    each(Part::own(
        SNAPSHOTS,
        header.snapshots_offset,
        end.saturating_sub(header.snapshots_offset),
    ))
}

/// Where the second tables are that a first one, of so many entries from a place on, leads to.
fn seconds(
    source: &dyn Source,
    what: &str,
    (at, count): (u64, u64),
    found: &mut dyn FnMut(u64) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    entries::<8>(
        source,
        what,
        at,
        count,
        &mut |_, entry| match u64::from_be_bytes(entry) & L1_OFFSET {
            0 => Ok(()),
            at => found(at),
        },
    )
}

/// Walks its bitmaps: their directory, and the table and the data of each.
pub fn bitmaps(source: &dyn Source, header: &Header, each: Each<'_>) -> Result<(), Flaw> {
    let Some((count, directory)) = header.bitmaps else {
        return Ok(());
    };
    if count > MOST {
        return Err(Flaw::Damaged(format!("{BITMAPS} is endless")));
    }
    let mut at = directory;
    for _ in 0..count {
        let entry = block(source, BITMAPS, at, 24)?;
        let (table, length) = (be64(&entry, 0), u64::from(be32(&entry, 8)));
        let what = "the table of a bitmap";
        // None is there twice, so all of them are no longer than the file.
        each(Part::own(what, table, length * 8))?;
        entries::<8>(
            source,
            what,
            table,
            length,
            &mut |_, entry| match u64::from_be_bytes(entry) & BITMAP_OFFSET {
                0 => Ok(()),
                at => {
                    within(source, "a bitmap", at, header.cluster())?;
                    each(Part::own("a bitmap", at, header.cluster()))
                }
            },
        )?;
        let behind = u64::from(be32(&entry, 20)) + u64::from(be16(&entry, 18));
        at = at.saturating_add(24 + behind).next_multiple_of(8);
    }
    each(Part::own(BITMAPS, directory, at - directory))
}
