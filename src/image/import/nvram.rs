//! The variables of a machine's UEFI firmware.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::image::error::BuildError;
use crate::image::foreign::Format;
use crate::image::format::detect::{Content, detect};
use crate::image::format::read::{Source, le64, start};
use crate::image::format::{qcow2, varstore};
use crate::image::import::convert::{convert, node};
use crate::image::import::copy::copy;
use crate::image::import::desk::Desk;
use crate::image::import::opened::Opened;
use crate::image::import::take::Esp;
use crate::image::import::told::Step;
use crate::image::manifest::{Beside, NVRAM};
use crate::model::hardware::Firmware;
use crate::system::file;

const SOURCE: &str = "source";
const MADE: &str = "made";
/// Bytes of a store of variables; QEMU's flash has 8 MiB at most.
const MOST: u64 = 64 << 20;

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

/// What was done for a disk on which firmware finds no boot loader by itself.
pub struct Led {
    /// Whether the image has a store with an entry now.
    pub made: bool,
    /// What the admin should know.
    pub words: String,
}

/// Leads UEFI firmware to a boot loader that is not where it looks by itself, as Debian's is: adds an entry to the store of variables that
/// came with the machine, or to that which its firmware begins with. Nothing where firmware needs no entry, or has one.
pub fn lead(
    beside: &Beside,
    esp: Option<Esp>,
    variables: &[(Firmware, PathBuf)],
    sealed: &Path,
) -> io::Result<Option<Led>> {
    let firmware = beside.hardware.firmware;
    let (Some(firmware @ (Firmware::Uefi | Firmware::UefiSecure)), Some(esp)) = (firmware, esp) else {
        return Ok(None);
    };
    let said = |words: String| Ok(Some(Led { made: false, words }));
    let own = match esp.loaders {
        Ok(loaders) if loaders.fallback => return Ok(None),
        Ok(loaders) => loaders.own,
        Err(problem) => return said(format!("its boot loaders could not be looked at: {problem}")),
    };
    let to = sealed.join(NVRAM);
    let came = match &beside.nvram {
        Some(_) => Some(file::read(&to, MOST).map_err(io::Error::other)?),
        None => None,
    };
    if came.as_deref().is_some_and(varstore::has_entry) {
        return Ok(None);
    }
    let Some(first) = own.first() else {
        return said(
            "its EFI system partition has no \\EFI\\BOOT\\BOOTX64.EFI and no boot loader that is known: clones may boot nothing".to_owned(),
        );
    };
    let has = format!("its EFI system partition has {first}, no \\EFI\\BOOT");
    let begins = match came {
        Some(store) => Some(store),
        None => match variables.iter().find(|(of, _)| *of == firmware) {
            Some((_, path)) => Some(file::read(path, MOST).map_err(io::Error::other)?),
            None => None,
        },
    };
    let made = begins.and_then(|store| varstore::with_entries(store, &esp.partition, esp.sector, &own));
    let Some(store) = made else {
        return said(format!(
            "{has}, and no store of UEFI variables is here that an entry for it could be added to: clones boot nothing. Install OVMF here \
             (`apt-get install ovmf`) and import it again, or run `grub-install --removable` in the source"
        ));
    };
    fs::write(&to, store)?;
    Ok(Some(Led {
        made: true,
        words: format!("{has}: clones find it by an entry that was added to their UEFI variables"),
    }))
}
