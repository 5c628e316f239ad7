//! The boot entry of a disk without a fallback path: firmware that knows nothing of such a disk finds nothing on it to begin.
//! Installers leave the path out where the firmware's own variables lead to the boot loader, and a copied disk comes without those.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::image::format::esp::{Esp, FALLBACK};
use crate::image::format::flaw::{Flaw, name};
use crate::image::format::load_option::entry;
use crate::image::format::varstore::Store;
use crate::image::import::nvram::MOST;
use crate::model::hardware::{Firmware, Machine};
use crate::system::file;
use crate::system::firmware::{Build, best, fitting};

/// The machine that is to begin from a disk.
pub struct Begins<'a> {
    /// Its firmware.
    pub firmware: Firmware,
    /// Its board.
    pub board: Machine,
    /// The builds of firmware that this host has.
    pub builds: &'a [Build],
    /// The variables that it has already, in their place.
    pub nvram: Option<&'a Path>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entered {
    /// Whether variables stand in their place that did not before.
    pub made: bool,
    /// What the admin should know.
    pub said: Option<String>,
}

impl Entered {
    fn only(said: String) -> Self {
        Self {
            made: false,
            said: Some(said),
        }
    }
}

/// Sees to it that UEFI firmware finds what it is to begin: writes variables with an entry to a place where it would not.
///
/// # Errors
/// They cannot be written.
pub fn ensure(esp: &Result<Esp, Flaw>, begins: &Begins<'_>, place: &Path) -> io::Result<Entered> {
    let secure = match begins.firmware {
        Firmware::Bios => return Ok(Entered::default()),
        Firmware::Uefi => false,
        Firmware::UefiSecure => true,
    };
    let esp = match esp {
        Ok(esp) if esp.has_fallback() => return Ok(Entered::default()),
        Ok(esp) => esp,
        Err(flaw) => {
            return Ok(Entered::only(format!(
                "its EFI system partition {flaw}; whether UEFI firmware finds something to begin there is not known"
            )));
        }
    };
    let own = begins.nvram.map(store).transpose()?;
    let leads = |store: &Store| store.targets().iter().any(|target| esp.is_reached_by(target));
    if matches!(&own, Some(Ok(store)) if leads(store)) {
        return Ok(Entered::default());
    }
    let loaders = esp.loaders(secure);
    let Some((first, rest)) = loaders.split_first() else {
        return Ok(Entered::only(format!(
            "its EFI system partition has neither {FALLBACK} nor another boot loader: UEFI firmware begins nothing from it"
        )));
    };
    let unentered = |why: String| {
        Ok(Entered::only(format!(
            "its EFI system partition has no {FALLBACK}, and no entry for {} could be made in the NVRAM of clones: {why}",
            shown(first.0)
        )))
    };
    let Some(drive) = &esp.drive else {
        return unentered("the disk has no partition that one could name".into());
    };
    let base = match own {
        Some(own) => own,
        None => match template(begins) {
            Some(path) => store(&path)?,
            None => {
                return unentered(
                    "no such UEFI firmware is installed here; `apt-get install ovmf`, elsewhere the package is called edk2-ovmf or \
                     qemu-ovmf-x86_64, and import it anew"
                        .into(),
                );
            }
        },
    };
    let entries: Vec<Vec<u8>> = loaders
        .iter()
        .map(|(path, folder)| entry(folder, drive, path))
        .collect();
    let made = base.and_then(|mut store| {
        store.begin_with(&entries)?;
        Ok(store.into_bytes())
    });
    let bytes = match made {
        Ok(bytes) => bytes,
        Err(flaw) => return unentered(flaw.to_string()),
    };
    if begins.nvram.is_some() {
        fs::remove_file(place)?;
    }
    fs::write(place, bytes)?;
    let rest: Vec<String> = rest.iter().map(|(path, _)| shown(path)).collect();
    let (rest, by) = if rest.is_empty() {
        (String::new(), "an entry")
    } else {
        (format!(", and if not that {},", rest.join(" or ")), "entries")
    };
    Ok(Entered {
        made: true,
        said: Some(format!(
            "its EFI system partition has no {FALLBACK}; clones boot {}{rest} by {by} of their NVRAM",
            shown(first.0)
        )),
    })
}

/// A path as a person writes it, without the quotes of a name where it needs none.
fn shown(path: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "\\._-".contains(letter);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        name(path)
    }
}

fn store(path: &Path) -> io::Result<Result<Store, Flaw>> {
    Ok(Store::read(file::read(path, MOST)?))
}

/// The variables that the firmware of such a machine begins with; a host chooses the same build by their size.
fn template(begins: &Begins<'_>) -> Option<PathBuf> {
    let fitting = fitting(begins.builds, begins.firmware, begins.board);
    best(&fitting, None).map(|build| PathBuf::from(&build.variables))
}
