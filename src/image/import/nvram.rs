//! The variables of a machine's UEFI firmware.

use std::fs;
use std::path::Path;

use crate::image::error::BuildError;
use crate::image::foreign::Format;
use crate::image::format::detect::{Content, detect};
use crate::image::format::qcow2;
use crate::image::format::read::{Source, le64, start};
use crate::image::import::convert::{convert, node};
use crate::image::import::copy::copy;
use crate::image::import::desk::Desk;
use crate::image::import::opened::Opened;
use crate::image::import::told::Step;

const SOURCE: &str = "source";
const MADE: &str = "made";
/// Bytes of a store of variables; QEMU's flash has 8 MiB at most.
pub const MOST: u64 = 64 << 20;

/// Takes a store of variables, raw or qcow2, as a raw file; whether it is one at all.
pub fn take(desk: &Desk<'_>, path: &Path, to: &Path) -> Result<bool, BuildError> {
    let unfit = |flaw| BuildError::Variables {
        path: path.to_owned(),
        flaw,
    };
    let opened = Opened::at(path).map_err(|error| BuildError::Unfit {
        path: path.to_owned(),
        problem: error.to_string(),
    })?;
    if opened.size() > MOST {
        return Ok(false);
    }
    desk.progress.step("nvram", Step::Copying);
    let confined = desk.room("nvram")?;
    let copied = confined.folder.join(SOURCE);
    copy(desk, &opened, path, &copied, false)?;
    let own = Opened::at(&copied).map_err(|error| desk.broken(error.into()))?;
    let mut made = copied;
    if detect(&own, None) == Ok(Content::Disk(Format::Qcow2)) {
        let header = qcow2::header(&own).map_err(unfit)?;
        let shape = qcow2::whole(&own).map_err(unfit)?;
        if header.backing.is_some() || shape.size > MOST {
            return Ok(false);
        }
        let from = node(Format::Qcow2, SOURCE, None);
        convert(desk, &confined, &from, Format::Raw, MADE, shape.holds)?;
        made = confined.folder.join(MADE);
    }
    let own = Opened::at(&made).map_err(|error| desk.broken(error.into()))?;
    let head = start(&own, 0, 64).map_err(unfit)?;
    // A firmware volume begins with 16 zeros, its kind and its length (PI specification 1.8, volume 3, 3.2.1).
    if head.get(40..44) != Some(b"_FVH") || le64(&head, 32) > own.size() {
        return Ok(false);
    }
    fs::rename(&made, to).map_err(|error| desk.broken(error))?;
    fs::remove_dir_all(&confined.folder).map_err(|error| desk.broken(error))?;
    Ok(true)
}
