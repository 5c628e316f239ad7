//! The content of a VMA archive: extents, each a header of 512 bytes and the blocks of up to 59 clusters that are not zero. Clusters
//! come in any order, as a running guest overwrites them, each once.

use std::collections::BTreeMap;
use std::io::Read;

use crate::image::bundle::error::{Problem, shown};
use crate::image::bundle::holey::Holey;
use crate::image::bundle::part::fill;
use crate::image::bundle::vma::header::{Device, Header, is_sealed, number};

/// Bytes of an extent's header.
const HEADER: usize = 512;
/// Clusters that an extent tells of.
const CLUSTERS: usize = 59;
/// Bytes of a cluster, and of a block, of which it has 16.
const CLUSTER: u64 = 65_536;
const BLOCK: usize = 4096;
/// The memory of a running guest, which has no size that is told before.
const MEMORY: &str = "vmstate";

/// A device while it is read.
struct Stream<'a> {
    device: &'a Device,
    /// Where it is written, if anybody wants it.
    to: Option<&'a Holey>,
    /// A bit for each cluster that was there.
    seen: Vec<u64>,
}

/// What an extent says of one cluster.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    device: u8,
    number: u64,
    blocks: u16,
}

/// Reads all extents, writes the devices that are wanted, by their number, and holds that each is whole.
pub fn read(
    from: &mut impl Read,
    header: &Header,
    wanted: &BTreeMap<u8, Holey>,
    stop: &dyn Fn() -> bool,
) -> Result<(), Problem> {
    let mut streams: BTreeMap<u8, Stream<'_>> = BTreeMap::new();
    for device in &header.devices {
        let clusters = usize::try_from(clusters(device)).unwrap_or(usize::MAX);
        let stream = Stream {
            device,
            to: wanted.get(&device.id),
            seen: vec![0; clusters.div_ceil(64)],
        };
        streams.insert(device.id, stream);
    }
    let mut block = vec![0; HEADER];
    let mut count: u64 = 0;
    loop {
        if stop() {
            return Err(Problem::Stopped);
        }
        let length = fill(from, &mut block)?;
        if length == 0 {
            break;
        }
        count += 1;
        if length < HEADER {
            return Err(Problem::Cut(format!("its extent {count} has no whole header")));
        }
        extent(from, &block, header, &mut streams).map_err(|problem| of_extent(problem, count))?;
    }
    for stream in streams.values() {
        stream.whole()?;
    }
    Ok(())
}

fn of_extent(problem: Problem, count: u64) -> Problem {
    match problem {
        Problem::Damaged(what) => Problem::Damaged(format!("its extent {count} {what}")),
        Problem::Cut(_) => Problem::Cut(format!("it ends inside its extent {count}")),
        other => other,
    }
}

fn damaged<T>(what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Damaged(what.into()))
}

fn clusters(device: &Device) -> u64 {
    if device.name == MEMORY {
        0
    } else {
        device.size.div_ceil(CLUSTER)
    }
}

fn extent(
    from: &mut impl Read,
    block: &[u8],
    header: &Header,
    streams: &mut BTreeMap<u8, Stream<'_>>,
) -> Result<(), Problem> {
    if !block.starts_with(b"VMAE") {
        return damaged("has no header");
    }
    if !is_sealed(block, 24) {
        return damaged("has a header of another checksum");
    }
    if block.get(8..24) != Some(&header.uuid[..]) {
        return damaged("is of another archive");
    }
    let told: Vec<Cluster> = (0..CLUSTERS)
        .map(|index| 40 + 8 * index)
        .map(|at| Cluster {
            blocks: u16::from_be_bytes([block[at], block[at + 1]]),
            device: block[at + 3],
            number: number(block, at + 4, 4),
        })
        .filter(|cluster| cluster.device != 0)
        .collect();
    let blocks: u64 = told
        .iter()
        .map(|cluster| u64::from(cluster.blocks.count_ones()))
        .sum();
    if number(block, 6, 2) != blocks {
        return damaged("has another number of blocks than its clusters");
    }
    let mut data = vec![0; BLOCK * 16];
    for cluster in told {
        let Some(stream) = streams.get_mut(&cluster.device) else {
            return damaged(format!("tells of a device {} that there is not", cluster.device));
        };
        stream.mark(cluster.number)?;
        let length = BLOCK * cluster.blocks.count_ones() as usize;
        from.read_exact(&mut data[..length]).map_err(Problem::reading)?;
        stream.write(cluster, &data[..length])?;
    }
    Ok(())
}

impl Stream<'_> {
    fn mark(&mut self, number: u64) -> Result<(), Problem> {
        if self.device.name == MEMORY {
            return Ok(());
        }
        let name = || shown(&self.device.name);
        if number >= clusters(self.device) {
            return damaged(format!("tells of cluster {number} beyond the end of {}", name()));
        }
        let (word, bit) = (
            usize::try_from(number / 64).unwrap_or(usize::MAX),
            1 << (number % 64),
        );
        match self.seen.get_mut(word) {
            Some(word) if *word & bit == 0 => *word |= bit,
            Some(_) | None => return damaged(format!("tells of cluster {number} of {} once more", name())),
        }
        Ok(())
    }

    /// Writes the blocks that are there, each run of them at once.
    fn write(&self, cluster: Cluster, data: &[u8]) -> Result<(), Problem> {
        let Some(to) = self.to else {
            return Ok(());
        };
        let at = |block: u32| cluster.number * CLUSTER + u64::from(block) * BLOCK as u64;
        let mut rest = data;
        let mut block = 0;
        while block < u16::BITS {
            let run = (cluster.blocks >> block).trailing_ones();
            let (now, after) = rest.split_at(rest.len().min(run as usize * BLOCK));
            to.put(now, at(block))?;
            rest = after;
            block += run.max(1);
        }
        Ok(())
    }

    fn whole(&self) -> Result<(), Problem> {
        let seen: u64 = self.seen.iter().map(|word| u64::from(word.count_ones())).sum();
        let all = clusters(self.device);
        if seen == all {
            return Ok(());
        }
        Err(Problem::Cut(format!(
            "of {} it has {seen} of {all} clusters",
            shown(&self.device.name)
        )))
    }
}
