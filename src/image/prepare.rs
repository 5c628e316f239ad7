//! Another image of a sealed one: its disks copied, changed and sealed anew. The one that it comes from is only read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::guest::prepare::seed::LABEL;
use crate::image::error::BuildError;
use crate::image::foreign::Format;
use crate::image::format::check;
use crate::image::format::qcow2::{self, guest::Guest};
use crate::image::format::read::Source;
use crate::image::import::content;
use crate::image::import::convert::node;
use crate::image::import::desk::Desk;
use crate::image::import::opened::Opened;
use crate::image::import::told::{ImportProgress, Step};
use crate::image::manifest::{
    Beside, Identity, ImageSource, Prepared, Sealed, SealedDisk, disk_name, seal_machine,
};
use crate::image::process::{Dialect, Job, Runner, missing};
use crate::image::store::{Lock, Store, Work, already};
use crate::system::file;

/// What the store's locks call it.
const KEY: &str = "prepare";
/// How long a disk may take to be copied.
const COPY: Duration = Duration::from_secs(4 * 60 * 60);
/// How long `virt-customize` may take: without KVM it boots its own small system for minutes.
const CUSTOMIZE: Duration = Duration::from_secs(60 * 60);
/// How long a seed may take.
const SEED: Duration = Duration::from_secs(60);
/// Bytes of a seed.
const SEED_LIMIT: u64 = 16 << 20;
/// The program of the second way.
const PROGRAM: &str = "virt-customize";
/// What `virt-customize` is told: libguestfs starts QEMU itself, which needs no daemon (guestfs(3)).
const DIALECT: Dialect = Dialect {
    env: &[("LIBGUESTFS_BACKEND", "direct")],
    unreachable: &[],
};

/// Whether `virt-customize` is installed.
pub fn can_customize() -> bool {
    missing(&[PROGRAM]).is_none()
}

/// The image that was made of another before, whole, by the agent being installed; the newest where there are several.
pub fn made_of(store: &Store, image: &Sealed) -> io::Result<Option<Sealed>> {
    let (name, key) = (&image.manifest.name, &image.manifest.key);
    let of_it = |sealed: &Sealed| {
        let prepared = sealed.manifest.prepared.as_ref();
        sealed.manifest.name == *name && prepared.is_some_and(|prepared| prepared.from == *key)
    };
    let found = store.list()?.sealed.into_iter().filter(of_it);
    Ok(found.into_iter().find(|sealed| store.verify(sealed).is_ok()))
}

/// A small disk with files on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedDisk {
    /// Its file, a qcow2.
    pub file: PathBuf,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Where an image is made of another.
pub struct Bench<'a> {
    store: &'a Store,
    image: &'a Sealed,
    progress: &'a dyn ImportProgress,
    runner: Runner,
    log: PathBuf,
    work: Work,
    _lock: Lock,
}

impl<'a> Bench<'a> {
    /// A folder of its own in the store, for one image at a time; removed with the value.
    pub fn open(
        image: &'a Sealed,
        store: &'a Store,
        progress: &'a dyn ImportProgress,
        cancel: &CancellationToken,
    ) -> Result<Self, BuildError> {
        if let Some(tool) = missing(&["setpriv", "qemu-img", "mformat", "mcopy"]) {
            return Err(BuildError::ToolMissing(tool.to_owned()));
        }
        let name = &image.manifest.name;
        let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
        store.sweep().map_err(in_store)?;
        let lock = store.lock(name, KEY, cancel, &|| progress.step(name, Step::Waiting))?;
        let work = store.work(name, KEY, &lock).map_err(in_store)?;
        let log = store.log(name, KEY);
        Ok(Self {
            store,
            image,
            progress,
            runner: Runner::new(&log, cancel, DIALECT).map_err(in_store)?,
            log,
            work,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.work.dir()
    }

    fn desk(&self) -> Desk<'_> {
        Desk {
            runner: &self.runner,
            work: self.work.dir(),
            progress: self.progress,
        }
    }

    /// The image's disks, in their order.
    fn disks(&self) -> impl Iterator<Item = PathBuf> {
        let more = self.image.manifest.disks.iter();
        let more = more.map(|disk| self.image.dir.join(&disk.file));
        std::iter::once(self.image.disk()).chain(more)
    }

    /// A FAT volume with these files, as a disk without partitions.
    pub fn seed(&self, files: &[(&str, String)]) -> Result<SeedDisk, BuildError> {
        let desk = self.desk();
        let folder = self.work.dir().join("seed");
        let (raw, made) = (folder.join("seed.img"), folder.join("seed.qcow2"));
        let broken = |error| desk.broken(error);
        fs::create_dir(&folder).map_err(broken)?;
        let raw = raw.to_string_lossy().into_owned();
        let run = |what: &str, argv: &[&str]| self.runner.run(&Job::new(what, SEED, argv)).map(drop);
        run(
            "make the seed",
            &["mformat", "-C", "-i", &raw, "-v", LABEL, "-f", "2880", "::"],
        )?;
        for (name, text) in files {
            let file = folder.join(name);
            fs::write(&file, text).map_err(broken)?;
            let (file, place) = (file.to_string_lossy(), format!("::{name}"));
            run("fill the seed", &["mcopy", "-i", &raw, &file, &place])?;
        }
        let to = made.to_string_lossy();
        run(
            "make a disk of the seed",
            &["qemu-img", "convert", "-f", "raw", "-O", "qcow2", &raw, &to],
        )?;
        let sha256 = file::digest(&made, SEED_LIMIT).map_err(|error| desk.broken(error.into()))?;
        Ok(SeedDisk { file: made, sha256 })
    }

    /// The image's disks as clones have changed them: each with its overlay, in their order.
    pub fn joined(&self, overlays: &[PathBuf]) -> Result<Vec<PathBuf>, BuildError> {
        let desk = self.desk();
        let mut joined = Vec::new();
        for (number, (disk, overlay)) in self.disks().zip(overlays).enumerate() {
            let opened = Opened::at(overlay).map_err(|error| desk.broken(error.into()))?;
            let unfit = |flaw| BuildError::Disk {
                path: overlay.clone(),
                flaw,
            };
            let header = qcow2::header(&opened).map_err(unfit)?;
            header.holds_its_data().map_err(unfit)?;
            let below = node(Format::Qcow2, &disk.to_string_lossy(), None);
            let from = node(Format::Qcow2, &overlay.to_string_lossy(), Some(&below));
            joined.push(self.convert(number, &from)?);
            fs::remove_file(overlay).map_err(|error| desk.broken(error))?;
        }
        Ok(joined)
    }

    /// Copies of the image's disks, in their order.
    pub fn copied(&self) -> Result<Vec<PathBuf>, BuildError> {
        let disks = self.disks().enumerate();
        disks
            .map(|(number, disk)| self.convert(number, &node(Format::Qcow2, &disk.to_string_lossy(), None)))
            .collect()
    }

    /// A new disk of a node. All files that it names were made by a QEMU of ours, and are named here: none is looked for.
    fn convert(&self, number: usize, from: &Value) -> Result<PathBuf, BuildError> {
        let made = self.work.dir().join(format!("changed-{number}.qcow2"));
        self.progress.step(&self.image.manifest.name, Step::Converting);
        self.desk()
            .has_room("a copy of it", self.image.manifest.size_bytes)?;
        let (from, to) = (format!("json:{from}"), made.to_string_lossy());
        let argv = ["qemu-img", "convert", "-O", "qcow2", &from, &to];
        self.runner.run(&Job::new("copy the disk", COPY, &argv))?;
        Ok(made)
    }

    /// Lets `virt-customize` (virt-customize(1)) install the agent on copies of the disks, with the package manager of the image and
    /// over this machine's network.
    pub fn customize(&self, disks: &[PathBuf]) -> Result<(), BuildError> {
        let argv = customize(disks);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.runner
            .run(&Job::new(
                "install the agent with virt-customize",
                CUSTOMIZE,
                &argv,
            ))
            .map(drop)
    }

    /// Seals the changed disks as an image of their own; the same once more gives the one that is there.
    #[expect(clippy::disallowed_methods, reason = "an image is dated when it is made")]
    pub fn seal(self, disks: &[PathBuf], prepared: Prepared) -> Result<Sealed, BuildError> {
        let desk = self.desk();
        let broken = |error| desk.broken(error);
        let old = &self.image.manifest;
        let sealed = self.work.dir().join("sealed");
        fs::create_dir(&sealed).map_err(broken)?;
        let mut further = old.disks.clone();
        let mut first = None;
        for (number, disk) in disks.iter().enumerate() {
            let unfit = |flaw| BuildError::Disk {
                path: disk.clone(),
                flaw,
            };
            let made = Opened::at(disk).map_err(|error| desk.broken(error.into()))?;
            check::whole(&made, Format::Qcow2).map_err(unfit)?;
            let guest = Guest::of(&made).map_err(unfit)?;
            self.progress.step(&old.name, Step::Digesting);
            let known = content::digest(&desk, &guest, &unfit)?.sha256;
            match number.checked_sub(1).and_then(|at| further.get_mut(at)) {
                Some(known_before) => {
                    *known_before = SealedDisk {
                        file: disk_name(number),
                        virtual_size: guest.size(),
                        content_sha256: Some(known),
                        ..known_before.clone()
                    };
                }
                None => first = Some((guest.size(), known)),
            }
            fs::rename(disk, sealed.join(disk_name(number))).map_err(broken)?;
        }
        if let Some(nvram) = &old.nvram {
            fs::copy(self.image.dir.join(nvram), sealed.join(nvram)).map_err(broken)?;
        }
        let (virtual_size, content) = first.ok_or_else(|| BuildError::Unfit {
            path: sealed.clone(),
            problem: "has no disk".into(),
        })?;
        self.progress.step(&old.name, Step::Sealing);
        self.runner.check()?;
        let identity = Identity {
            name: old.name.clone(),
            os: old.os.clone(),
            role: old.role.clone(),
            key: None,
            base_key: None,
            source: ImageSource::Imported,
        };
        let beside = Beside {
            content_sha256: Some(content),
            hardware: old.hardware.clone(),
            disk: old.disk.clone(),
            nics: old.nics.clone(),
            disks: further,
            nvram: old.nvram.clone(),
            memory: old.memory,
            vcpus: old.vcpus,
            made_for: old.made_for,
            prepared: Some(prepared),
        };
        let made = seal_machine(&sealed, identity, virtual_size, beside, Timestamp::now()).map_err(broken)?;
        let key = &made.manifest.key;
        if let Some(there) = already(self.store, &old.name, key) {
            return Ok(there);
        }
        let place = self.store.folder(&old.name, key);
        self.work.publish(&sealed, &place).map_err(broken)?;
        fs::remove_file(&self.log).map_err(broken)?;
        Ok(Sealed {
            dir: place,
            manifest: made.manifest,
        })
    }
}

/// The command line of `virt-customize`.
fn customize(disks: &[PathBuf]) -> Vec<String> {
    let mut argv = vec![PROGRAM.to_owned(), "--format".to_owned(), "qcow2".to_owned()];
    for disk in disks {
        argv.extend(["-a".to_owned(), disk.to_string_lossy().into_owned()]);
    }
    let rest = [
        "--network",
        "--install",
        "qemu-guest-agent",
        "--run-command",
        "systemctl unmask qemu-guest-agent.service; systemctl enable qemu-guest-agent.service || true",
        "--selinux-relabel",
    ];
    argv.extend(rest.map(str::to_owned));
    argv
}
