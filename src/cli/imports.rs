//! `patchgate image import`: what is taken, and how it is shown.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::{DeserializeOwned, IntoDeserializer};
use tokio_util::sync::CancellationToken;

use crate::cli::args::Format;
use crate::cli::error::UserError;
use crate::cli::image_domain::{self, DomainArgs, TakenOver};
use crate::cli::import_progress::Progress;
use crate::cli::probe::{How, looked, told};
use crate::cli::runtime::block_on;
use crate::cli::{exit_code, image_list, image_prepare, lab_sections, print};
use crate::guest::look;
use crate::image::bundle::{self, Ask};
use crate::image::catalogue::{Store, image_name};
use crate::image::domain_xml::whole::{Domain, read};
use crate::image::error::{BuildError, OTHER_FILE};
use crate::image::foreign::{Foreign, ForeignDisk};
use crate::image::import::told::{ImportProgress, Step};
use crate::image::import::{Import, Imported, KNOWN_OS, closest_os, import};
use crate::image::manifest::Sealed;
use crate::image::relabel::{UNNAMED, relabel};
use crate::image::store::{Lock, Work};
use crate::input::safe;
use crate::model::hardware::{DiskBus, DiskHardware, Firmware};
use crate::session::look::Look;
use crate::system::{file, firmware};

/// What the store's locks call the unpacking of a machine.
const KEY: &str = "unpack";
/// Bytes of an archive that are digested.
const ARCHIVE: u64 = 4 << 40;

/// `patchgate image import ...`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The disk that it boots from: raw, qcow2, vmdk, vhdx, vhd or vdi, also packed as .gz, .xz or .zst; or a whole machine: .ova,
    /// .ovf, a backup of Proxmox, or a folder with its disks
    #[arg(required_unless_present_any = ["domain", "all_domains"])]
    file: Option<PathBuf>,
    /// What its OS version has to be, such as debian-12 or windows-server-2022; without it the first look says what it is
    #[arg(long)]
    os: Option<String>,
    /// The role that it has already, where it has one
    #[arg(long)]
    role: Option<String>,
    /// What the file's SHA-256 has to be
    #[arg(long, conflicts_with_all = ["domain", "all_domains"])]
    sha256: Option<String>,
    /// A further disk of the same machine; again for each, in their order
    #[arg(long = "disk", value_name = "FILE", conflicts_with_all = ["domain", "all_domains"])]
    disks: Vec<PathBuf>,
    /// Join a qcow2 with the older links of its chain, which lie beside it
    #[arg(long, conflicts_with_all = ["domain", "all_domains"])]
    flatten: bool,
    /// The one that is meant, of an appliance with several machines
    #[arg(long, value_name = "NAME", conflicts_with_all = ["domain", "all_domains", "disks"])]
    machine: Option<String>,
    /// What its disks were attached to where it comes from: virtio, scsi, sata, ide, nvme, pvscsi, lsi-sas, lsi or megasas; goes
    /// before what the source says
    #[arg(long, value_name = "BUS", value_parser = word::<DiskBus>, conflicts_with_all = ["domain", "all_domains"])]
    disk_bus: Option<DiskBus>,
    /// The firmware that began it: bios, uefi or uefi-secure; goes before what the source or the disk says
    #[arg(long, value_name = "FIRMWARE", value_parser = word::<Firmware>, conflicts_with_all = ["domain", "all_domains"])]
    firmware: Option<Firmware>,
    #[command(flatten)]
    domain: DomainArgs,
    /// Do not boot the image once to see what it is and what is wanting
    #[arg(long, requires = "os")]
    no_probe: bool,
    /// Where the guest has no agent, make an image of it that has one
    #[arg(long, requires = "os", conflicts_with_all = ["no_probe", "all_domains"])]
    prepare: bool,
}

/// A word of the lab file's for hardware.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // Serde's error lists the words that there are.
    T::deserialize(text.into_deserializer()).map_err(|error: serde::de::value::Error| error.to_string())
}

/// Imports what is asked for.
pub fn run(args: &ImportArgs, store: &Store, cancel: &CancellationToken) -> Result<u8, UserError> {
    let os = args.os.as_deref().map(known).transpose()?;
    if let Some(role) = args.role.as_ref().filter(|role| !image_domain::is_role(role)) {
        return Err(UserError::usage(format!("`{role}` is not a name for a role"))
            .with_hint("write lower-case letters, digits and `-`, such as `web`"));
    }
    let label = os.unwrap_or(UNNAMED);
    let TakenOver { images, mut failed } = match &args.file {
        Some(file) => TakenOver {
            images: vec![take(file, label, args, store, cancel)?],
            failed: Vec::new(),
        },
        None => image_domain::run(&args.domain, label, args.role.as_deref(), store, cancel)?,
    };
    let several = args.domain.all_domains.is_some();
    let mut sealed = Vec::new();
    for (image, from) in images {
        let image = match os {
            Some(_) => image,
            None => match named(&image, &from, store, cancel) {
                Ok(image) => image,
                Err(error) if several && !cancel.is_cancelled() => {
                    print::note(&format!("not imported: {}", error.in_a_line()));
                    failed.push(from);
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        let image = if args.prepare {
            let how = How::of(&image.manifest);
            match image_prepare::ensure(&image, store, &how, cancel) {
                Ok((prepared, _)) => prepared,
                Err(error) => {
                    // What is imported is imported.
                    lab_sections::tell(&image, &from)?;
                    return Err(error);
                }
            }
        } else {
            image
        };
        lab_sections::tell(&image, &from)?;
        sealed.push(image);
    }
    if several && !sealed.is_empty() {
        print::print(&lab_sections::group(&sealed.iter().collect::<Vec<_>>()))?;
    }
    if os.is_some() && !several && !args.no_probe && !args.prepare {
        for image in &sealed {
            look_at(image, store);
        }
    }
    if failed.is_empty() {
        return Ok(exit_code::OPEN);
    }
    Err(UserError::usage(format!("not imported: {}", failed.join(", ")))
        .with_hint("what keeps each out is said above; the sections are of the others"))
}

/// An OS version that was named by a person.
fn known(text: &str) -> Result<&'static str, UserError> {
    closest_os(text).ok_or_else(|| {
        UserError::usage(format!("`{text}` is not an OS version that patchgate knows"))
            .with_hint(format!("one of {}", KNOWN_OS.join(", ")))
    })
}

/// Boots an image of which nobody has said what it is, and calls it what it says. One that does not say it is removed.
fn named(
    sealed: &Sealed,
    from: &str,
    store: &Store,
    cancel: &CancellationToken,
) -> Result<Sealed, UserError> {
    let hint = "name its OS version with --os; then the image stays, and `patchgate image probe` shows more";
    let unsaid = |why: String| {
        UserError::usage(format!(
            "{from}: which OS version it is could not be found out: {why}"
        ))
        .with_hint(hint)
    };
    let looked = block_on(looked(sealed, store, &How::of(&sealed.manifest)));
    let release = looked.as_ref().ok().and_then(Look::release);
    let os = release.and_then(look::label);
    let Some(os) = os.as_deref().and_then(closest_os) else {
        if let Ok(look) = &looked {
            print::beside(&told(sealed, look, Format::Text)?.0);
        }
        store.remove(&sealed.dir).map_err(|error| {
            UserError::of_image(
                &sealed.manifest.name,
                &BuildError::of_io("remove it", &sealed.dir, error),
            )
        })?;
        return Err(match (looked, os) {
            (Err(error), _) => unsaid(error.in_a_line()),
            (Ok(_), Some(os)) => unsaid(format!("it says that it is {os}, which patchgate does not know"))
                .with_hint(format!("those that it knows: {}", KNOWN_OS.join(", "))),
            (Ok(_), None) => unsaid("it does not say it".to_owned()),
        });
    };
    let image = relabel(store, sealed, os, cancel).map_err(|error| UserError::of_image(os, &error))?;
    if let Ok(look) = &looked {
        print::beside(&told(&image, look, Format::Text)?.0);
    }
    Ok(image)
}

/// Looks at what was imported. Whatever comes of it, the image is in the store.
fn look_at(sealed: &Sealed, store: &Store) {
    let how = How::of(&sealed.manifest);
    let shown = block_on(looked(sealed, store, &how)).and_then(|look| told(sealed, &look, Format::Text));
    match shown {
        Ok((text, _)) => print::beside(&text),
        Err(error) => {
            let name = &sealed.manifest.name;
            print::note(&format!(
                "image {name}: could not be looked at: {}; try again with `patchgate image probe {name}`",
                error.in_a_line()
            ));
        }
    }
}

/// Takes a file, or a folder, over.
fn take(
    file: &Path,
    os: &str,
    args: &ImportArgs,
    store: &Store,
    cancel: &CancellationToken,
) -> Result<(Sealed, String), UserError> {
    [file]
        .into_iter()
        .chain(args.disks.iter().map(PathBuf::as_path))
        .try_for_each(is_here)?;
    let name = image_name(os, args.role.as_deref());
    let of_image = |error| UserError::of_image(&name, &error);
    let progress = Progress::new();
    let room = Room::open(&name, store, &progress, cancel).map_err(of_image)?;
    let machine = opened(file, args, &room.folder, cancel);
    let made = machine.and_then(|machine| {
        let is_machine = machine.is_some();
        let wanted = Import {
            os: os.to_owned(),
            role: args.role.clone(),
            // Of an archive it is not the SHA-256 of a disk in it.
            sha256: args.sha256.clone().filter(|_| !is_machine),
            flatten: args.flatten,
            named: args.disks.clone(),
            builds: firmware::local(),
        };
        let mut foreign = machine.unwrap_or_else(|| Foreign {
            disks: [file]
                .into_iter()
                .chain(args.disks.iter().map(PathBuf::as_path))
                .map(disk)
                .collect(),
            ..Foreign::default()
        });
        if let Some(bus) = args.disk_bus {
            foreign.hardware.disk_bus = Some(bus);
            for disk in &mut foreign.disks {
                disk.hardware.bus = Some(bus);
            }
        }
        foreign.hardware.firmware = args.firmware.or(foreign.hardware.firmware);
        // What was unpacked is gone when an error is read.
        let unpacked = names(file, &room.folder, &foreign);
        let named = |path: &Path| unpacked.get(path).cloned();
        import(&wanted, foreign, store, &progress, cancel).map_err(|error| of_image(error.named(named)))
    });
    progress.clear();
    let made = made?;
    tell(&name, &made);
    let from = file.file_name().unwrap_or(file.as_os_str());
    Ok((made.sealed, from.to_string_lossy().into_owned()))
}

/// Refuses what is no file of this machine, with the way to make one of it.
fn is_here(file: &Path) -> Result<(), UserError> {
    let shown = file.display();
    match file.metadata() {
        Ok(about) if about.file_type().is_block_device() => Err(UserError::usage(format!(
            "{shown}: is a block device, and a disk is taken from a file"
        ))
        .with_hint(format!(
            "copy it while nothing writes to it, `qemu-img convert -f raw -O qcow2 {shown} disk.qcow2`, and import that file"
        ))),
        Err(_) => {
            let Some((scheme, _)) = file.to_str().and_then(|text| text.split_once("://")) else {
                return Ok(());
            };
            let how = match scheme {
                "http" | "https" | "ftp" => format!("fetch it, `curl -fLO '{shown}'`"),
                _ => format!("copy it, `qemu-img convert -O qcow2 '{shown}' disk.qcow2`"),
            };
            Err(
                UserError::usage(format!("{shown}: is at a server, and a disk is taken from a file of this machine"))
                    .with_hint(format!("{how}, and import that file")),
            )
        }
        Ok(_) => Ok(()),
    }
}

/// What the admin knows the files of a machine by that were unpacked: the archive, and the name in it.
fn names(archive: &Path, room: &Path, machine: &Foreign) -> BTreeMap<PathBuf, PathBuf> {
    let disks = machine.disks.iter().map(|disk| (&disk.file, disk.name.as_str()));
    let all = disks.chain(machine.nvram.iter().map(|file| (file, "UEFI variables")));
    all.filter(|(file, _)| file.starts_with(room))
        .map(|(file, name)| {
            let named = format!("{}: {}", archive.display(), safe::line(name));
            (file.clone(), named.into())
        })
        .collect()
}

/// A folder in the store for what must be unpacked; removed when the value is dropped.
struct Room {
    folder: PathBuf,
    _work: Work,
    _lock: Lock,
}

impl Room {
    fn open(
        name: &str,
        store: &Store,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Self, BuildError> {
        let in_store = |error| BuildError::of_io("prepare the image store", store.dir(), error);
        store.sweep().map_err(in_store)?;
        let lock = store.lock(name, KEY, cancel, &|| progress.step(name, Step::Waiting))?;
        let work = store.work(name, KEY, &lock).map_err(in_store)?;
        let folder = work.dir().join("machine");
        DirBuilder::new().mode(0o700).create(&folder).map_err(in_store)?;
        Ok(Self {
            folder,
            _work: work,
            _lock: lock,
        })
    }
}

/// The whole machine that a file or a folder is; nothing where it is a disk.
fn opened(
    file: &Path,
    args: &ImportArgs,
    into: &Path,
    cancel: &CancellationToken,
) -> Result<Option<Foreign>, UserError> {
    let domain = |xml: &str| {
        read(xml)
            .map(Domain::as_described)
            .map_err(|error| error.to_string())
    };
    let ask = Ask {
        machine: args.machine.as_deref(),
        domain: Some(&domain),
    };
    let machine = bundle::open_as(file, ask, into, &|| cancel.is_cancelled())
        .map_err(|error| UserError::of_bundle(&error))?;
    match &machine {
        None if args.machine.is_some() => Err(UserError::usage(format!(
            "{}: it is a disk, and no appliance with machines",
            file.display()
        ))
        .with_hint("leave --machine out")),
        None => Ok(None),
        Some(_) if !args.disks.is_empty() => Err(UserError::usage(format!(
            "{}: it is a whole machine, with all of its disks",
            file.display()
        ))
        .with_hint("leave --disk out, or name the files of the disks alone")),
        Some(_) => {
            if let Some(expected) = &args.sha256 {
                is_that(file, expected)?;
            }
            Ok(machine)
        }
    }
}

/// Holds an archive against its SHA-256.
fn is_that(file: &Path, expected: &str) -> Result<(), UserError> {
    let found = file::digest(file, ARCHIVE)
        .map_err(|error| UserError::usage(format!("{}: {error}", file.display())))?;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(UserError::usage(format!(
        "{}: its SHA-256 is {found}, not {expected}",
        file.display()
    ))
    .with_hint(OTHER_FILE))
}

/// A disk of which nothing is known but its file.
fn disk(file: &Path) -> ForeignDisk {
    ForeignDisk {
        file: file.to_owned(),
        name: file
            .file_name()
            .unwrap_or(file.as_os_str())
            .to_string_lossy()
            .into_owned(),
        format: None,
        hardware: DiskHardware::default(),
    }
}

/// Says what came of it.
fn tell(name: &str, made: &Imported) {
    let manifest = &made.sealed.manifest;
    print::note(&format!(
        "image {name}: sealed, {}",
        image_list::summary(manifest)
    ));
    for line in image_list::contents(manifest) {
        print::note(&line);
    }
    for said in &made.said {
        print::note(&format!("note: {said}"));
    }
}
