//! Whole machines, and how an import goes on and ends.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Mutex;

use patchgate::image::error::BuildError;
use patchgate::image::foreign::{Foreign, ForeignDisk, Format};
use patchgate::image::import::import;
use patchgate::image::import::told::{ImportProgress, Step, Unwatched};
use patchgate::model::hardware::{DiskBus, DiskHardware, Firmware, NicHardware, Wishes};
use patchgate::units::Mib;
use tokio_util::sync::CancellationToken;

use super::{Lab, asked, content, disk, one, sha256};
use crate::testkit::disk::{gpt, mbr};

#[test]
fn a_machine_of_several_disks_is_sealed_with_all_that_is_known_of_it() {
    let lab = Lab::new();
    let (root, data) = (gpt(8, 512, 9), mbr(4, 10));
    lab.write("root.raw", &root);
    lab.make(&data, "vdi", "", "data.vdi");
    let mut store = vec![0xff; 64 << 10];
    store[..16].fill(0);
    store[32..40].copy_from_slice(&(64_u64 << 10).to_le_bytes());
    store[40..44].copy_from_slice(b"_FVH");
    lab.make(&store, "qcow2", "", "vars.qcow2");
    let machine = || Foreign {
        disks: vec![
            disk(&lab.path("root.raw")),
            ForeignDisk {
                format: Some(Format::Vdi),
                hardware: DiskHardware {
                    bus: Some(DiskBus::Scsi),
                    serial: Some("S1".into()),
                    ..DiskHardware::default()
                },
                ..disk(&lab.path("data.vdi"))
            },
        ],
        hardware: Wishes {
            tpm: Some(true),
            ..Wishes::default()
        },
        nics: vec![NicHardware {
            mac: Some("52:54:00:00:00:01".into()),
            ..NicHardware::default()
        }],
        memory: Some(Mib(1024)),
        vcpus: Some(2),
        nvram: Some(lab.path("vars.qcow2")),
        said: vec!["a share was left out".into()],
    };
    let made = lab.import_as(machine(), &asked()).unwrap();
    let manifest = &made.sealed.manifest;
    assert_eq!(made.said, ["a share was left out"]);
    assert_eq!(manifest.content_sha256, Some(sha256(&root)));
    assert_eq!(
        manifest.hardware.firmware,
        Some(Firmware::Uefi),
        "the first disk says it"
    );
    assert_eq!(manifest.hardware.tpm, Some(true));
    assert_eq!(manifest.nics.len(), 1);
    assert_eq!((manifest.memory, manifest.vcpus), (Some(Mib(1024)), Some(2)));
    let [further] = &manifest.disks[..] else {
        panic!("{manifest:?}")
    };
    assert_eq!(further.file, "disk-1.qcow2");
    assert_eq!(further.content_sha256, Some(sha256(&data)));
    assert_eq!(further.hardware.serial.as_deref(), Some("S1"));
    assert!(content(&made.sealed.dir.join(&further.file)) == data);
    assert_eq!(manifest.nvram.as_deref(), Some("nvram.fd"));
    assert!(fs::read(made.sealed.dir.join("nvram.fd")).unwrap() == store);
    lab.store.verify(&made.sealed).unwrap();

    // The lab file names all of it, so the same first disk alone is another image.
    let found = |key: &str| lab.store.find_disk(key, "debian-12").unwrap();
    assert_eq!(found(&manifest.key), Some(made.sealed.clone()));
    let alone = lab.import("root.raw").unwrap().sealed;
    assert_eq!(alone.manifest.sha256, manifest.sha256);
    assert_ne!(alone.manifest.key, manifest.key);
    assert_eq!(found(&alone.manifest.key), Some(alone.clone()));
    let again = lab.import_as(machine(), &asked()).unwrap();
    assert_eq!(again.sealed.dir, made.sealed.dir);

    for name in ["disk-1.qcow2", "nvram.fd"] {
        let path = made.sealed.dir.join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        let error = lab.store.verify(&made.sealed).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("was changed"), "{error}");
        bytes[100] ^= 1;
        fs::write(&path, &bytes).unwrap();
    }
    lab.store.verify(&made.sealed).unwrap();
    let mut without = made.sealed.clone();
    without.manifest.files.remove("disk-1.qcow2");
    assert!(
        lab.store.verify(&without).is_err(),
        "a disk that nothing vouches for"
    );
}

#[test]
fn a_boot_disk_is_on_no_controller_that_uefi_firmware_may_not_know() {
    let lab = Lab::new();
    lab.write("root.raw", &gpt(8, 512, 9));
    for (firmware, bus, kept) in [
        (Firmware::Uefi, DiskBus::Pvscsi, false),
        (Firmware::UefiSecure, DiskBus::LsiSas, false),
        (Firmware::Uefi, DiskBus::Scsi, true),
        (Firmware::Uefi, DiskBus::Sata, true),
        (Firmware::Bios, DiskBus::Pvscsi, true),
    ] {
        for of_disk in [true, false] {
            let machine = Foreign {
                disks: vec![ForeignDisk {
                    hardware: DiskHardware {
                        bus: of_disk.then_some(bus),
                        ..DiskHardware::default()
                    },
                    ..disk(&lab.path("root.raw"))
                }],
                hardware: Wishes {
                    firmware: Some(firmware),
                    disk_bus: Some(bus),
                    ..Wishes::default()
                },
                ..Foreign::default()
            };
            let made = lab.import_as(machine, &asked()).unwrap();
            let found = made.sealed.manifest.disk.bus;
            let wanted = if kept {
                of_disk.then_some(bus)
            } else {
                Some(DiskBus::Scsi)
            };
            assert_eq!(found, wanted, "{firmware:?} {bus:?}");
            let said = made
                .said
                .iter()
                .any(|said| said.contains("may not know its controller"));
            assert_eq!(said, !kept, "{:?}", made.said);
        }
    }
}

#[derive(Default)]
struct Watched(Mutex<Vec<(Step, u64)>>);

impl ImportProgress for Watched {
    fn step(&self, _: &str, step: Step) {
        self.0.lock().unwrap().push((step, 0));
    }

    fn bytes(&self, done: u64, of: Option<u64>) {
        let mut seen = self.0.lock().unwrap();
        let last = seen.last_mut().unwrap();
        assert!(
            done >= last.1 && of.is_none_or(|of| of > 0),
            "{last:?} {done} {of:?}"
        );
        last.1 = done;
    }
}

#[test]
fn a_sparse_disk_costs_what_it_holds_and_each_step_is_told() {
    let lab = Lab::new();
    // The end of a GPT's disk is far from its beginning.
    let small = gpt(4, 512, 12);
    let file = fs::File::create(lab.path("large.raw")).unwrap();
    let size = 2_u64 << 30;
    let mut mbr_only = mbr(4, 12);
    mbr_only.truncate(1 << 20);
    file.write_all_at(&mbr_only, 0).unwrap();
    file.write_all_at(&small[1 << 20..2 << 20], size - (1 << 20))
        .unwrap();
    drop(file);
    let watched = Watched::default();
    let made = import(
        &asked(),
        one(disk(&lab.path("large.raw"))),
        &lab.store,
        &watched,
        &CancellationToken::new(),
    )
    .unwrap();
    assert_eq!(made.sealed.manifest.virtual_size, size);
    let held = made.sealed.disk().metadata().unwrap().blocks() * 512;
    assert!(held < 8 << 20, "{held}");
    let steps: Vec<Step> = watched.0.lock().unwrap().iter().map(|(step, _)| *step).collect();
    assert_eq!(
        steps,
        [
            Step::Copying,
            Step::Checking,
            Step::Converting,
            Step::Digesting,
            Step::Sealing
        ]
    );
}

#[test]
fn an_import_that_is_interrupted_leaves_nothing() {
    let lab = Lab::new();
    lab.write("root.raw", &gpt(4, 512, 13));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let made = import(
        &asked(),
        one(disk(&lab.path("root.raw"))),
        &lab.store,
        &Unwatched,
        &cancel,
    );
    assert!(matches!(made, Err(BuildError::Interrupted)), "{made:?}");
    assert!(lab.store.list().unwrap().sealed.is_empty());
}

/// Writes to the source as soon as its copy begins.
struct Starts(PathBuf);

impl ImportProgress for Starts {
    fn step(&self, _: &str, _: Step) {}

    fn bytes(&self, done: u64, _: Option<u64>) {
        if done == 0 {
            let file = fs::File::options().write(true).open(&self.0).unwrap();
            file.write_all_at(b"new", 5 << 20).unwrap();
        }
    }
}

#[test]
fn a_disk_that_is_written_while_it_is_copied_is_given_up() {
    let lab = Lab::new();
    let path = lab.write("root.raw", &gpt(8, 512, 14));
    std::thread::sleep(std::time::Duration::from_millis(20));
    let made = import(
        &asked(),
        one(disk(&path)),
        &lab.store,
        &Starts(path.clone()),
        &CancellationToken::new(),
    );
    let told = made.unwrap_err().to_string();
    assert!(told.contains("was written while it was copied"), "{told}");
}
