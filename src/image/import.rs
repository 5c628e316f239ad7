//! Importing a disk that the admin already has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::image::catalogue::image_name;
use crate::image::disk;
use crate::image::error::BuildError;
use crate::image::manifest::{DISK, Identity, ImageSource, Sealed, digest, seal};
use crate::image::process::{Dialect, Job, Runner, missing};
use crate::image::store::Store;

/// The OS versions that a disk can be imported as.
pub const KNOWN_OS: &[&str] = &[
    "debian-11",
    "debian-12",
    "debian-13",
    "ubuntu-22.04",
    "ubuntu-24.04",
    "rhel-8",
    "rhel-9",
    "rhel-10",
    "sles-15",
    "windows-10",
    "windows-11",
    "windows-server-2016",
    "windows-server-2019",
    "windows-server-2022",
    "windows-server-2025",
];
/// Formats that are taken; others would need a driver that reads more than the one file.
const FORMATS: &[&str] = &["raw", "qcow2", "vmdk", "vhdx", "vdi"];
/// How long a conversion may take.
const DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);

/// A disk to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The disk; never written.
    pub file: PathBuf,
    /// One of [`KNOWN_OS`].
    pub os: String,
    /// The role that it has already.
    pub role: Option<String>,
    /// What the file's SHA-256 has to be.
    pub sha256: Option<String>,
}

/// Copies a disk into the store as a sealed qcow2. The same disk twice gives the image that is there.
#[expect(clippy::disallowed_methods, reason = "an image is dated when it is made")]
pub fn import(import: &Import, store: &Store, cancel: &CancellationToken) -> Result<Sealed, BuildError> {
    let unfit = |problem: String| BuildError::Unfit {
        path: import.file.clone(),
        problem,
    };
    if let Some(tool) = missing(&["setpriv", "qemu-img"]) {
        return Err(BuildError::ToolMissing(tool.to_owned()));
    }
    let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
    let file = fs::canonicalize(&import.file).map_err(|error| unfit(error.to_string()))?;
    if !fs::metadata(&file).is_ok_and(|meta| meta.is_file()) {
        return Err(unfit("not a regular file".into()));
    }
    if let Some(expected) = &import.sha256 {
        let found = digest(&file, false)
            .map_err(|error| unfit(error.to_string()))?
            .sha256;
        if !found.eq_ignore_ascii_case(expected) {
            return Err(unfit(format!("its SHA-256 is {found}, not {expected}")));
        }
    }
    let name = image_name(&import.os, import.role.as_deref());
    store.sweep().map_err(in_store)?;
    let lock = store.lock(&name, "import", cancel, &|| {})?;
    let work = store.work(&name, "import", &lock).map_err(in_store)?;
    let log = store.log(&name, "import");
    let runner = Runner::new(&log, cancel, Dialect::default()).map_err(in_store)?;
    let info = disk::info(&runner, &file)?;
    if let Some(other) = info.other_file(&file) {
        return Err(unfit(format!(
            "its content is partly in `{other}`; make it whole first with `qemu-img convert -O qcow2`"
        )));
    }
    if !FORMATS.contains(&info.format.as_str()) {
        return Err(unfit(format!(
            "a disk of format {}; taken are {}",
            info.format,
            FORMATS.join(", ")
        )));
    }
    let sealed = work.dir().join("sealed");
    fs::create_dir(&sealed).map_err(in_store)?;
    let [from, to] = [&file, &sealed.join(DISK)].map(|path: &PathBuf| path.to_string_lossy().into_owned());
    let argv = [
        "qemu-img",
        "convert",
        "-f",
        &info.format,
        "-O",
        "qcow2",
        &from,
        &to,
    ];
    runner.run(&Job::new("convert the disk", DEADLINE, &argv))?;
    let identity = Identity {
        name: name.clone(),
        os: import.os.clone(),
        role: import.role.clone(),
        key: None,
        base_key: None,
        source: ImageSource::Imported,
    };
    runner.check()?;
    let made = seal(&sealed, identity, info.virtual_size, Timestamp::now()).map_err(in_store)?;
    if let Some(there) = already(store, &name, &made) {
        return Ok(there);
    }
    let place = store.folder(&name, &made.manifest.key);
    work.publish(&sealed, &place).map_err(in_store)?;
    fs::remove_file(&log).map_err(in_store)?;
    Ok(Sealed {
        dir: place,
        manifest: made.manifest,
    })
}

/// The same disk, imported before and still whole.
fn already(store: &Store, name: &str, made: &Sealed) -> Option<Sealed> {
    let there = store.find(name, &made.manifest.key).ok().flatten()?;
    store.verify(&there).is_ok().then_some(there)
}

/// The OS name that was likely meant.
pub fn closest_os(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    KNOWN_OS
        .iter()
        .copied()
        .find(|known| *known == text)
        .or_else(|| KNOWN_OS.iter().copied().find(|known| same_letters(known, &text)))
}

fn same_letters(known: &str, text: &str) -> bool {
    let bare = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
    };
    bare(known) == bare(text)
}

/// The lines for the lab file that name an imported image.
pub fn lab_lines(sealed: &Sealed, file: &Path) -> String {
    let manifest = &sealed.manifest;
    format!(
        "# {}\n[image.\"{}\"]\nimported = \"{}\"\n",
        file.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().replace('\n', " ")),
        manifest.name,
        manifest.sha256
    )
}
