//! Importing disks, and machines, that the admin already has.

pub mod content;
pub mod convert;
pub mod copy;
pub mod desk;
pub mod entry;
pub mod links;
pub mod nvram;
pub mod opened;
pub mod parts;
pub mod take;
pub mod told;
pub mod unpack;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::image::catalogue::image_name;
use crate::image::error::BuildError;
use crate::image::foreign::{Foreign, ForeignDisk};
use crate::image::format::esp::Esp;
use crate::image::format::flaw::Flaw;
use crate::image::import::desk::Desk;
use crate::image::import::entry::{Begins, ensure};
use crate::image::import::links::without_links;
use crate::image::import::parts::Asked;
use crate::image::import::take::{Taken, take};
use crate::image::import::told::{ImportProgress, Step};
use crate::image::machine::habit;
use crate::image::manifest::{
    Beside, Identity, ImageSource, NVRAM, Sealed, SealedDisk, disk_name, seal_machine,
};
use crate::image::process::{Dialect, Runner, missing};
use crate::image::store::{Store, already};
use crate::model::hardware::{DiskBus, DiskHardware, Firmware};
use crate::system::firmware::Build;

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

/// A disk, or a machine, to import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// One of [`KNOWN_OS`], or [`crate::image::relabel::UNNAMED`] where the disk is to say it.
    pub os: String,
    /// The role that it has already.
    pub role: Option<String>,
    /// What the SHA-256 of the first disk's file has to be.
    pub sha256: Option<String>,
    /// Whether a disk that leans on older ones is joined with them.
    pub flatten: bool,
    /// Further files that the admin, or a host, named: links of a chain may be there beside their own folders.
    pub named: Vec<PathBuf>,
    /// The firmware that this host has for VMs: a disk that needs a boot entry gets one in the variables of such a one.
    pub builds: Vec<Build>,
}

/// What an import made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The image.
    pub sealed: Sealed,
    /// What the admin should know.
    pub said: Vec<String>,
}

/// Takes the disks of a machine into the store as a sealed image. The same machine twice gives the image that is there. Of the files
/// that it is made of nothing is written, not even when they were read.
#[expect(clippy::disallowed_methods, reason = "an image is dated when it is made")]
pub fn import(
    import: &Import,
    foreign: Foreign,
    store: &Store,
    progress: &dyn ImportProgress,
    cancel: &CancellationToken,
) -> Result<Imported, BuildError> {
    if let Some(tool) = missing(&["setpriv", "prlimit", "qemu-img", "gzip", "xz", "zstd"]) {
        return Err(BuildError::ToolMissing(tool.to_owned()));
    }
    let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
    let name = image_name(&import.os, import.role.as_deref());
    store.sweep().map_err(in_store)?;
    let lock = store.lock(&name, "import", cancel, &|| progress.step(&name, Step::Waiting))?;
    let work = store.work(&name, "import", &lock).map_err(in_store)?;
    let runner = Runner::passing(work.dir(), cancel, Dialect::default()).map_err(in_store)?;
    let desk = Desk {
        runner: &runner,
        work: work.dir(),
        progress,
    };
    let sealed = work.dir().join("sealed");
    fs::create_dir(&sealed).map_err(in_store)?;
    let mut machine = Machine::of(foreign);
    let mut disks = std::mem::take(&mut machine.left);
    if import.flatten {
        disks = without_links(disks, &import.named);
    }
    for (number, disk) in disks.into_iter().enumerate() {
        let asked = Asked {
            sha256: import.sha256.as_deref().filter(|_| number == 0),
            flatten: import.flatten,
            named: &import.named,
        };
        let taken = take(&desk, &disk, number, &asked, &sealed.join(disk_name(number)))?;
        machine.is_no_copy(&disk, &taken)?;
        machine.add(&disk, number, taken);
    }
    if let Some(nvram) = &machine.nvram {
        if nvram::take(&desk, nvram, &sealed.join(NVRAM))? {
            machine.beside.nvram = Some(NVRAM.to_owned());
        } else {
            machine.said.push(
                "its store of UEFI variables is none that is understood, and was left out: clones begin with that of their firmware".into(),
            );
        }
    }
    machine
        .find_loader(&import.os, &import.builds, &sealed.join(NVRAM))
        .map_err(in_store)?;
    let Some(virtual_size) = machine.virtual_size else {
        return Err(BuildError::Unfit {
            path: PathBuf::from(&name),
            problem: "has no disk".into(),
        });
    };
    progress.step(&name, Step::Sealing);
    let identity = Identity {
        name: name.clone(),
        os: import.os.clone(),
        role: import.role.clone(),
        key: None,
        base_key: None,
        source: ImageSource::Imported,
    };
    runner.check()?;
    let made =
        seal_machine(&sealed, identity, virtual_size, machine.beside, Timestamp::now()).map_err(in_store)?;
    let said = machine.said;
    if let Some(sealed) = already(store, &name, &made.manifest.key) {
        return Ok(Imported { sealed, said });
    }
    let place = store.folder(&name, &made.manifest.key);
    work.publish(&sealed, &place).map_err(in_store)?;
    let sealed = Sealed {
        dir: place,
        manifest: made.manifest,
    };
    Ok(Imported { sealed, said })
}

/// What is gathered of a machine while its disks are taken.
struct Machine {
    left: Vec<ForeignDisk>,
    beside: Beside,
    nvram: Option<PathBuf>,
    virtual_size: Option<u64>,
    /// What UEFI firmware finds on the disk that it boots from, with that disk's name.
    esp: Option<(String, Result<Esp, Flaw>)>,
    /// By what each disk is known that was taken, with its name.
    known: Vec<(String, String)>,
    said: Vec<String>,
}

impl Machine {
    /// Refuses a disk that is a copy of an earlier one: LVM takes neither of two volumes of one name (lvmsystemid(7), vgimportclone(8)).
    fn is_no_copy(&mut self, disk: &ForeignDisk, taken: &Taken) -> Result<(), BuildError> {
        let volumes = taken.volumes.iter().map(|name| format!("volume {name}"));
        for own in volumes.chain([taken.content_sha256.clone()]) {
            if let Some((_, other)) = self.known.iter().find(|(known, _)| *known == own) {
                let problem = if own == taken.content_sha256 {
                    format!("has the same content as {other}: a machine has each of its disks once")
                } else {
                    format!(
                        "has the LVM physical {own}, which {other} has too: it is a copy of it, or of an older state"
                    )
                };
                return Err(BuildError::Copy {
                    path: disk.file.clone(),
                    problem,
                });
            }
            // Several empty disks are no copies.
            if taken.something {
                self.known.push((own, disk.name.clone()));
            }
        }
        Ok(())
    }

    fn of(foreign: Foreign) -> Self {
        Self {
            left: foreign.disks,
            beside: Beside {
                hardware: foreign.hardware,
                nics: foreign.nics,
                memory: foreign.memory,
                vcpus: foreign.vcpus,
                ..Beside::default()
            },
            nvram: foreign.nvram,
            virtual_size: None,
            esp: None,
            known: Vec::new(),
            said: foreign.said,
        }
    }

    fn add(&mut self, disk: &ForeignDisk, number: usize, taken: Taken) {
        let said = taken
            .said
            .into_iter()
            .map(|said| format!("{}: {said}", disk.name));
        self.said.extend(said);
        let hardware = DiskHardware {
            block_size: taken.block_size,
            ..disk.hardware.clone()
        };
        if number > 0 {
            self.beside.disks.push(SealedDisk {
                file: disk_name(number),
                sha256: String::new(),
                size_bytes: 0,
                virtual_size: taken.virtual_size,
                content_sha256: Some(taken.content_sha256),
                hardware,
            });
            return;
        }
        self.virtual_size = Some(taken.virtual_size);
        self.esp = taken.esp.map(|esp| (disk.name.clone(), esp));
        self.beside.content_sha256 = Some(taken.content_sha256);
        self.beside.made_for = taken.firmware;
        self.beside.disk = hardware;
        let wishes = &mut self.beside.hardware;
        match (wishes.firmware, taken.firmware) {
            (None, Some(found)) => wishes.firmware = Some(found),
            (Some(Firmware::Bios), Some(Firmware::Uefi)) => self.said.push(format!(
                "{}: the machine is said to have a BIOS, and the disk has an EFI system partition and nothing that a BIOS begins from: \
                 where it does not boot, say --firmware uefi",
                disk.name
            )),
            (Some(Firmware::Uefi | Firmware::UefiSecure), Some(Firmware::Bios)) => self.said.push(format!(
                "{}: the machine is said to have UEFI firmware, and the disk has no EFI system partition",
                disk.name
            )),
            (Some(_), Some(_) | None) | (None, None) => {}
        }
        // Debian's build of OVMF has a driver for no other SCSI.
        let bus = self.beside.disk.bus.or(self.beside.hardware.disk_bus);
        let is_uefi = self.beside.hardware.firmware.is_some_and(Firmware::is_uefi);
        if let (true, Some(model)) = (is_uefi && bus != Some(DiskBus::Scsi), bus.and_then(DiskBus::scsi)) {
            self.beside.disk.bus = Some(DiskBus::Scsi);
            self.said.push(format!(
                "{}: UEFI firmware may not know its controller ({model}), so that clones boot it on virtio-scsi: its initramfs must have that \
                 driver",
                disk.name
            ));
        }
    }

    /// Gives it a boot entry in its variables, which have that place, where its firmware would find nothing to begin.
    fn find_loader(&mut self, os: &str, builds: &[Build], place: &Path) -> io::Result<()> {
        let Some((disk, esp)) = &self.esp else {
            return Ok(());
        };
        let hardware = self.beside.hardware.clone().or(habit(os)).settled();
        let begins = Begins {
            firmware: hardware.firmware,
            board: hardware.machine,
            builds,
            nvram: self.beside.nvram.as_ref().map(|_| place),
        };
        let entered = ensure(esp, &begins, place)?;
        self.said
            .extend(entered.said.map(|said| format!("{disk}: {said}")));
        if entered.made {
            self.beside.nvram = Some(NVRAM.to_owned());
        }
        Ok(())
    }
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
