//! Importing a disk that the admin already has.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::image::catalogue::image_name;
use crate::image::confined::Confined;
use crate::image::disk;
use crate::image::error::BuildError;
use crate::image::manifest::{DISK, Identity, ImageSource, Sealed, seal};
use crate::image::process::{Dialect, Job, Runner, missing};
use crate::image::store::Store;
use crate::system::file;

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

/// The name of the copy that is looked at and converted.
const SOURCE: &str = "source";
/// Bytes of a disk, as a file and as the guest sees it.
const DISK_LIMIT: u64 = 4 << 40;
/// Bytes of memory that `qemu-img` may take; a whole disk takes it some hundred million.
const MEMORY: u64 = 2 << 30;

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
    if let Some(tool) = missing(&["setpriv", "prlimit", "qemu-img"]) {
        return Err(BuildError::ToolMissing(tool.to_owned()));
    }
    let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
    let name = image_name(&import.os, import.role.as_deref());
    store.sweep().map_err(in_store)?;
    let lock = store.lock(&name, "import", cancel, &|| {})?;
    let work = store.work(&name, "import", &lock).map_err(in_store)?;
    let log = store.log(&name, "import");
    let runner = Runner::new(&log, cancel, Dialect::default()).map_err(in_store)?;
    // All that follows is of this one copy, whatever becomes of the file meanwhile.
    let confined = Confined {
        folder: work.dir().join("convert"),
        memory: MEMORY,
        file: DISK_LIMIT,
    };
    DirBuilder::new()
        .mode(0o700)
        .create(&confined.folder)
        .map_err(in_store)?;
    let found = file::copy(&import.file, &confined.folder.join(SOURCE), DISK_LIMIT, &|| {
        cancel.is_cancelled()
    })
    .map_err(|error| match runner.check() {
        Err(interrupted) => interrupted,
        Ok(()) => unfit(error.to_string()),
    })?;
    if let Some(expected) = &import.sha256
        && !found.eq_ignore_ascii_case(expected)
    {
        return Err(unfit(format!("its SHA-256 is {found}, not {expected}")));
    }
    confined.give().map_err(in_store)?;
    let info = disk::info(&runner, &confined, Path::new(SOURCE))?;
    if let Some(other) = info.other_file(Path::new(SOURCE)) {
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
    if info.virtual_size > DISK_LIMIT {
        return Err(unfit(format!(
            "a disk of {} GiB; at most {} are taken",
            info.virtual_size >> 30,
            DISK_LIMIT >> 30
        )));
    }
    let argv = [
        "qemu-img",
        "convert",
        "-f",
        &info.format,
        "-O",
        "qcow2",
        SOURCE,
        DISK,
    ];
    runner.run(&Job::new("convert the disk", DEADLINE, &argv).confined(&confined))?;
    confined.take().map_err(in_store)?;
    confined.made(DISK).map_err(|error| in_store(error.into()))?;
    let sealed = work.dir().join("sealed");
    fs::create_dir(&sealed).map_err(in_store)?;
    fs::rename(confined.folder.join(DISK), sealed.join(DISK)).map_err(in_store)?;
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
