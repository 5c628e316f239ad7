//! Another OS version for a sealed image, once it is known.

use std::fs;
use std::io;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::image::catalogue::image_name;
use crate::image::error::BuildError;
use crate::image::manifest::{MANIFEST, Sealed, write_manifest};
use crate::image::store::{Store, already};

/// What an import is called of which nobody has said what it is, until it was looked at.
pub const UNNAMED: &str = "unnamed";

/// Calls an image of [`UNNAMED`] by its OS version: it moves to the place of that name, in one step.
///
/// # Errors
/// The store cannot be written, or somebody interrupted it.
pub fn relabel(
    store: &Store,
    sealed: &Sealed,
    os: &str,
    cancel: &CancellationToken,
) -> Result<Sealed, BuildError> {
    let mut manifest = sealed.manifest.clone();
    os.clone_into(&mut manifest.os);
    manifest.name = image_name(os, manifest.role.as_deref());
    let place = store.folder(&manifest.name, &manifest.key);
    let in_store = |error| BuildError::of_io("name the image", &sealed.dir, error);
    let lock = store.lock(&manifest.name, "import", cancel, &|| {})?;
    if let Some(there) = already(store, &manifest.name, &manifest.key) {
        store.remove(&sealed.dir).map_err(in_store)?;
        return Ok(there);
    }
    let work = store.work(&manifest.name, "import", &lock).map_err(in_store)?;
    let moved = work.dir().join("sealed");
    fs::create_dir(&moved).map_err(in_store)?;
    linked(sealed, &moved).map_err(in_store)?;
    write_manifest(&moved, &manifest).map_err(in_store)?;
    work.publish(&moved, &place).map_err(in_store)?;
    store.remove(&sealed.dir).map_err(in_store)?;
    Ok(Sealed { dir: place, manifest })
}

/// The image's files under a second name; disks are large.
fn linked(sealed: &Sealed, to: &Path) -> io::Result<()> {
    fs::set_permissions(to, fs::metadata(&sealed.dir)?.permissions())?;
    for entry in fs::read_dir(&sealed.dir)? {
        let entry = entry?;
        if entry.file_name() != MANIFEST {
            fs::hard_link(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
