//! One disk, from the file that was named to a qcow2 of the image.

use std::fs;
use std::path::Path;

use crate::image::error::BuildError;
use crate::image::foreign::{ForeignDisk, Format};
use crate::image::format::esp::{self, Esp};
use crate::image::format::flaw::Flaw;
use crate::image::format::qcow2::guest::Guest;
use crate::image::format::raw::{self, Look};
use crate::image::format::read::Source;
use crate::image::format::table::Table;
use crate::image::format::{boot, check, lvm};
use crate::image::import::content;
use crate::image::import::convert::convert;
use crate::image::import::desk::Desk;
use crate::image::import::opened::Opened;
use crate::image::import::parts::{Asked, gather};
use crate::image::import::told::Step;
use crate::model::hardware::Firmware;

/// The name of what `qemu-img` makes.
const MADE: &str = "made";

/// What is known of a disk that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its size as the guest sees it, in bytes.
    pub virtual_size: u64,
    /// SHA-256, hexadecimal, of the guest's whole disk.
    pub content_sha256: String,
    /// Whether anything but zeros is on it.
    pub something: bool,
    /// The names of LVM's physical volumes on it.
    pub volumes: Vec<String>,
    /// The size of its logical blocks in bytes, where that is not 512.
    pub block_size: Option<u32>,
    /// The firmware that it can be begun by.
    pub firmware: Option<Firmware>,
    /// What UEFI firmware finds to begin on the disk that is booted; nothing where it has no EFI system partition.
    pub esp: Option<Result<Esp, Flaw>>,
    /// What the admin should know.
    pub said: Vec<String>,
}

/// Takes a disk: copies it, looks whether it is whole, and makes the file `to` of it. `number` counts the machine's disks; it begins
/// from the first.
#[expect(clippy::similar_names, reason = "a disk is what lies on the desk")]
pub fn take(
    desk: &Desk<'_>,
    disk: &ForeignDisk,
    number: usize,
    asked: &Asked<'_>,
    to: &Path,
) -> Result<Taken, BuildError> {
    let unfit = |flaw| BuildError::Disk {
        path: disk.file.clone(),
        flaw,
    };
    let confined = desk.room(&format!("disk-{number}"))?;
    let parts = gather(desk, &confined, disk, asked)?;
    desk.has_room("converting it", parts.shape.holds)?;
    desk.progress.step(&disk.name, Step::Converting);
    convert(
        desk,
        &confined,
        &parts.node,
        Format::Qcow2,
        MADE,
        parts.shape.holds,
    )?;
    fs::rename(confined.folder.join(MADE), to).map_err(|error| desk.broken(error))?;
    // The copies are of no use any more, and there may be more disks to come.
    fs::remove_dir_all(&confined.folder).map_err(|error| desk.broken(error))?;

    let made = Opened::at(to).map_err(|error| desk.broken(error.into()))?;
    check::whole(&made, Format::Qcow2).map_err(unfit)?;
    let guest = Guest::of(&made).map_err(unfit)?;
    if guest.size() != parts.shape.size {
        return Err(unfit(Flaw::Damaged(format!(
            "its own tables have a disk of {} bytes, and {} came out",
            parts.shape.size,
            guest.size()
        ))));
    }
    desk.progress.step(&disk.name, Step::Digesting);
    let known = content::digest(desk, &guest, &unfit)?;
    let sector = disk.hardware.block_size.or(parts.shape.block_size);
    let mut look = raw::look(&guest, sector).map_err(unfit)?;
    let mut said = parts.shape.said;
    said.append(&mut look.said);
    let begins = number == 0;
    if begins && look.table.as_ref().is_some_and(Table::is_empty) {
        return Err(unfit(Flaw::Blank("its partition table is empty")));
    }
    if look.is_nothing() {
        if begins && !known.something {
            return Err(unfit(Flaw::Blank("it is blank")));
        }
        // Of one that is known to be raw its owner knows more than shows.
        let container = parts.format != Format::Raw;
        if known.something && (parts.guessed || begins && container) {
            return Err(unfit(Flaw::Garbage));
        }
        said.push(if known.something {
            "no partition table, file system or boot sector was found on it".into()
        } else {
            "nothing but zeros is on it".to_owned()
        });
    }
    let block_size = sector.or_else(|| large_sectors(&look, &mut said));
    let table = look.table.as_ref();
    let esp = begins.then(|| esp::find(&guest, table)).flatten();
    Ok(Taken {
        virtual_size: guest.size(),
        content_sha256: known.sha256,
        something: known.something,
        volumes: lvm::volumes(&guest, table).map_err(unfit)?,
        block_size: block_size.filter(|&size| size != 512),
        firmware: match (table, &esp) {
            (Some(table), _) => boot::firmware(table),
            // Whether a BIOS would begin it does not show: `mkfs.fat` itself leaves code in the first sector.
            (None, Some(Ok(_))) => Some(Firmware::Uefi),
            (None, Some(Err(_)) | None) => None,
        },
        esp,
        said,
    })
}

/// The size of the disk's sectors by its partition table, where that is not 512.
fn large_sectors(look: &Look, said: &mut Vec<String>) -> Option<u32> {
    let sector = look.table.as_ref()?.sector;
    if sector == 512 {
        return None;
    }
    said.push(format!(
        "its partition table counts sectors of {sector} bytes; clones have the same"
    ));
    Some(sector)
}
