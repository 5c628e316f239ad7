//! Machines that come as archives: what VMware, VirtualBox and Proxmox write, and a folder of one machine's disks. What a file
//! is, its content says, not its name.

pub mod error;
pub mod folder;
pub mod holey;
pub mod manifest;
pub mod names;
pub mod ova;
pub mod ovf;
pub mod package;
pub mod part;
pub mod shared;
pub mod unpack;
pub mod vma;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::image::bundle::error::{BundleError, Problem};
use crate::image::bundle::folder::Reader;
use crate::image::bundle::ova::Archive;
use crate::image::bundle::package::Package;
use crate::image::bundle::part::Part;
use crate::image::bundle::unpack::{Packed, Unpacking};
use crate::image::foreign::Foreign;
use crate::system::file;

/// Bytes of a file's beginning that are looked at.
const HEAD: usize = 16 * 1024;
/// What is said of one machine at most.
const MOST_SAID: usize = 100;

/// What somebody asks of a bundle.
#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    /// The one machine that is wanted of an appliance of several, by its id.
    pub machine: Option<&'a str>,
    /// Who reads the XML of a domain that lies beside disks.
    pub domain: Option<Reader<'a>>,
}

/// Opens a machine that came as an archive, a backup or a folder; `None` where the file is none of these. What must be unpacked
/// goes to `into`, an empty folder of patchgate's own; what need not stays where it is. `stop` is asked now and then whether to
/// end early, which is an error. Of an error nothing is left but what lies in `into`.
pub fn open(path: &Path, into: &Path, stop: &dyn Fn() -> bool) -> Result<Option<Foreign>, BundleError> {
    open_as(path, Ask::default(), into, stop)
}

/// As [`open`], with what is asked of it.
pub fn open_as(
    path: &Path,
    ask: Ask<'_>,
    into: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Foreign>, BundleError> {
    let mut opened = look(path, ask, into, stop).map_err(|problem| BundleError {
        path: path.to_owned(),
        problem,
    })?;
    if let Some(foreign) = &mut opened
        && foreign.said.len() > MOST_SAID
    {
        let more = foreign.said.len() - MOST_SAID;
        foreign.said.truncate(MOST_SAID);
        foreign.said.push(format!("and {more} remarks more"));
    }
    Ok(opened)
}

fn look(path: &Path, ask: Ask<'_>, into: &Path, stop: &dyn Fn() -> bool) -> Result<Option<Foreign>, Problem> {
    if path.is_dir() {
        return folder::take(path, ask.machine, ask.domain, into, stop).map(Some);
    }
    let file = file::open(path).map_err(Problem::own)?;
    let head = head_of(&file)?;
    if head.starts_with(vma::MAGIC) {
        let bytes = file.metadata().map_err(Problem::reading)?.len();
        holey::room(into, bytes)?;
        return vma::take(&mut Part::whole(file)?, into, stop).map(Some);
    }
    if let Some(packed) = Packed::of(&head) {
        return packed_backup(packed, file, into, stop);
    }
    if let Some(archive) = Archive::of(file, stop)? {
        let package = Package::Archive(archive);
        let descriptor = ovf::find(&package)?;
        return ovf::take(&package, &descriptor, ask.machine, into, stop).map(Some);
    }
    if ovf::is_descriptor(&head) {
        let package = Package::beside(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return ovf::take(&package, &name, ask.machine, into, stop).map(Some);
    }
    Ok(None)
}

/// The first bytes of a file.
fn head_of(file: &File) -> Result<Vec<u8>, Problem> {
    let mut head = vec![0; HEAD];
    let mut length = 0;
    while length < HEAD {
        match file
            .read_at(&mut head[length..], length as u64)
            .map_err(Problem::reading)?
        {
            0 => break,
            count => length += count,
        }
    }
    head.truncate(length);
    Ok(head)
}

/// A compressed backup of Proxmox. Another content is another's to unpack, but for lzop's, which only Proxmox uses.
fn packed_backup(
    packed: Packed,
    file: File,
    into: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Foreign>, Problem> {
    let bytes = file.metadata().map_err(Problem::reading)?.len();
    let mut unpacking = Unpacking::of(packed, file)?;
    let mut magic = Vec::new();
    let read = (&mut unpacking)
        .take(vma::MAGIC.len() as u64)
        .read_to_end(&mut magic);
    if read.is_err() || magic != vma::MAGIC {
        return match packed {
            Packed::Gzip | Packed::Zstd => Ok(None),
            // A stream that is cut before its first block is told as that.
            Packed::Lzop => Err(unpacking.finish().err().unwrap_or_else(|| {
                Problem::Unfit(
                    "is packed by lzop, and what is in it is no backup of Proxmox; unpack it with `lzop -d`, and import what comes out"
                        .to_owned(),
                )
            })),
        };
    }
    holey::room(into, bytes)?;
    let foreign = vma::take(&mut magic.as_slice().chain(&mut unpacking), into, stop);
    // A packer that failed is the cause of what was then found to be cut.
    match foreign {
        Ok(foreign) => unpacking.finish().map(|()| Some(foreign)),
        Err(problem @ Problem::Cut(_)) => Err(unpacking.finish().err().unwrap_or(problem)),
        Err(problem) => Err(problem),
    }
}
