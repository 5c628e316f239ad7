//! QEMU's disks (<https://www.qemu.org/docs/master/interop/qcow2.html>).

pub mod guest;
pub mod head;
mod kept;

pub use head::{Header, header};

use crate::image::format::apart::{Each, Part, apart};
use crate::image::format::flaw::Flaw;
use crate::image::format::qcow2::head::{L1_OFFSET, L2_OFFSET};
use crate::image::format::read::{Source, be32, be64, block, entries, within};
use crate::image::format::shape::Shape;

/// Looks at all its tables.
pub fn whole(source: &dyn Source) -> Result<Shape, Flaw> {
    let header = header(source)?;
    header.holds_its_data()?;
    if header.corrupt {
        return Err(Flaw::Damaged(
            "QEMU has marked it as corrupt; `qemu-img check -r all` on a copy of it says whether that can be mended".into(),
        ));
    }
    // What its snapshots have of the disk may be the present state's too, and is not looked at.
    let ((holds, used), taken) = apart(header.cluster(), |each| {
        each(Part::own("its header", 0, 1))?;
        let used = refcounts(source, &header, each)?;
        kept::snapshots(source, &header, each)?;
        kept::bitmaps(source, &header, each)?;
        Ok((clusters(source, &header, each)?, used))
    })?;
    let mut said = Vec::new();
    // What snapshots have of the disk was not counted, and one that was not closed is behind with its own counts.
    if used > taken && header.snapshots == 0 && !header.dirty {
        said.push(format!(
            "{} of its clusters are marked as used, and nothing leads to them: left over from a crash, or from entries that were lost and \
             read as zeros now; `qemu-img check` calls them leaked",
            used - taken
        ));
    }
    let names = kept::names(source, &header)?;
    if header.snapshots > 0 {
        let more = usize::try_from(header.snapshots)
            .unwrap_or(usize::MAX)
            .saturating_sub(names.len());
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        said.push(format!(
            "its present state is taken; left out are its snapshots {}{more}",
            names.join(", ")
        ));
    }
    Ok(Shape {
        size: header.size,
        holds,
        block_size: None,
        said,
    })
}

/// Holds that the tables of reference counts are there: a file that was cut lacks its newest ones. Gives how many clusters are used by
/// them.
fn refcounts(source: &dyn Source, header: &Header, each: Each<'_>) -> Result<u64, Flaw> {
    let cluster = header.cluster();
    let count = u64::from(header.refcount_clusters).saturating_mul(cluster) / 8;
    // QEMU takes 8 MiB of them at most.
    if count > 1 << 20 {
        return Err(Flaw::Damaged("its table of reference counts is endless".into()));
    }
    let what = "its table of reference counts";
    within(source, what, header.refcount_offset, count * 8)?;
    each(Part::own(what, header.refcount_offset, count * 8))?;
    let length = usize::try_from(cluster).unwrap_or(0);
    let mut used = 0;
    entries::<8>(
        source,
        what,
        header.refcount_offset,
        count,
        &mut |_, entry| match u64::from_be_bytes(entry) & !0x1ff {
            0 => Ok(()),
            at => {
                each(Part::own("its reference counts", at, cluster))?;
                used += counted(
                    &block(source, "its reference counts", at, length)?,
                    header.count_bits,
                );
                Ok(())
            }
        },
    )?;
    Ok(used)
}

/// How many of these counts, of so many bits each, are not zero.
fn counted(counts: &[u8], bits: u32) -> u64 {
    let used = match bits {
        0..8 => counts
            .iter()
            .flat_map(|byte| {
                (0..8)
                    .step_by(bits.max(1) as usize)
                    .map(move |at| byte >> at & ((1 << bits) - 1))
            })
            .filter(|&count| count != 0)
            .count(),
        _ => counts
            .chunks_exact(bits as usize / 8)
            .filter(|count| count.iter().any(|&byte| byte != 0))
            .count(),
    };
    used as u64
}

/// Walks every table of clusters; gives the bytes of the guest's disk that are somewhere.
fn clusters(source: &dyn Source, header: &Header, each: Each<'_>) -> Result<u64, Flaw> {
    let span = header.cluster().saturating_mul(header.per_table());
    let needed = header.size.div_ceil(span);
    if u64::from(header.l1_size) < needed {
        return Err(Flaw::Damaged(
            "its first table has fewer entries than the disk takes".into(),
        ));
    }
    let what = "its first table";
    let (at, count) = header.first();
    within(source, what, at, count * 8)?;
    each(Part::own(what, at, count * 8))?;
    let mut holds: u64 = 0;
    entries::<8>(source, what, at, needed, &mut |number, entry| {
        let at = u64::from_be_bytes(entry) & L1_OFFSET;
        if at == 0 {
            return Ok(());
        }
        within(source, "its tables", at, header.cluster())?;
        // None is there twice, so all of them are no longer than the file. That is also what ends this.
        each(Part::own("one of its second tables", at, header.cluster()))?;
        holds = holds.saturating_add(second(source, header, at, number * span, each)?);
        Ok(())
    })?;
    Ok(holds.min(header.size))
}

/// Walks a second table, that of the clusters from the guest's byte `first` on.
fn second(source: &dyn Source, header: &Header, at: u64, first: u64, each: Each<'_>) -> Result<u64, Flaw> {
    let cluster = header.cluster();
    let length = usize::try_from(cluster).unwrap_or(0);
    let table = block(source, "its tables", at, length)?;
    let width = header.entry();
    let mut holds = 0;
    for (number, entry) in table.chunks_exact(width).enumerate() {
        let guest = first.saturating_add(number as u64 * cluster);
        let left = header.size.saturating_sub(guest).min(cluster);
        let place = be64(entry, 0);
        if left == 0 || place == 0 {
            continue;
        }
        if place & head::COMPRESSED != 0 {
            let (start, sectors) = header.compressed(place);
            // The last sector need not be there whole.
            within(source, "its data", start & !511, sectors * 512 + 1)?;
            each(Part {
                packed: true,
                ..Part::guest(guest, start, sectors * 512 + 1)
            })?;
            holds += left;
            continue;
        }
        let needs = if header.extended {
            // Which of its 32 parts are there.
            let parts = 32 - be32(entry, 12).leading_zeros();
            (cluster / 32 * u64::from(parts)).min(left)
        } else if place & head::ZERO != 0 {
            0
        } else {
            left
        };
        let start = place & L2_OFFSET;
        if start == 0 {
            continue;
        }
        if needs == 0 {
            // It reads as zeros, and has its place nevertheless.
            each(Part::guest(guest, start, cluster))?;
            continue;
        }
        if !start.is_multiple_of(cluster) {
            return Err(Flaw::Damaged(format!("a cluster of it is at byte {start}")));
        }
        within(source, "its data", start, needs)?;
        each(Part::guest(guest, start, cluster))?;
        holds += needs;
    }
    Ok(holds)
}
