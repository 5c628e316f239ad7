//! Machines that are not usual, on the host's own libvirt and QEMU: UEFI, several disks of several buses, a TPM, another card.
//! The disk that boots is the built Debian 12, given a loader for UEFI.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchgate::guest::command::GuestCommand;
use patchgate::host::connect::connect;
use patchgate::host::connected::Connected;
use patchgate::image::store::Store;
use patchgate::input::hex;
use patchgate::model::hardware::{DiskBus, DiskHardware, Firmware, Hardware, NicModel};
use patchgate::model::id::RunId;
use patchgate::model::machine::MachinePlan;
use patchgate::model::name::{PoolName, VolumeName, VolumePath};
use patchgate::model::plan::HostPlan;
use patchgate::model::resource::{Made, Resource};
use patchgate::port::{Disk, Nic, Nvram, Power, Tag, VmSpec};
use patchgate::units::Mib;
use sha2::{Digest, Sha256};

use crate::lab::{LiveLab, text};

/// How long a guest may take to answer, from its firmware on.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the partition with the loader begins, and its size, in bytes.
const ESP: u64 = 64 << 20;

/// What GRUB does; its modules are in one file with it.
const GRUB: &str = "search --no-floppy --label root --set root\n\
     linux /vmlinuz root=LABEL=root rw console=ttyS0 quiet net.ifnames=0\n\
     initrd /initrd.img\n\
     boot\n";

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        text(&output)
    );
}

/// The built Debian 12 as a disk that boots by UEFI: a further partition has a loader where firmware looks for one.
fn uefi_disk(folder: &Path) -> (LiveLab, PathBuf) {
    // Builds it where it is missing, and keeps other live tests away.
    let lab = LiveLab::new("pg-good", "app", "auto");
    let sealed = Store::open()
        .and_then(|store| store.list())
        .expect("a store")
        .sealed;
    let base = sealed.iter().find(|image| image.manifest.name == "debian-12+app");
    let base = base.expect("the image of a lab").disk();
    let path = |name: &str| folder.join(name).display().to_string();
    let (raw, loader, script, disk) = (
        path("raw"),
        path("loader.efi"),
        path("grub.cfg"),
        path("root.qcow2"),
    );
    run(
        "qemu-img",
        &["convert", "-O", "raw", &base.display().to_string(), &raw],
    );
    let begin = fs::metadata(&raw).expect("a disk").len();
    File::options()
        .write(true)
        .open(&raw)
        .and_then(|file| file.set_len(begin + ESP))
        .expect("a larger disk");
    let partition = format!("start={}, type=ef", begin / 512);
    run(
        "sh",
        &[
            "-ec",
            "echo \"$1\" | sfdisk -q --append \"$2\"",
            "sh",
            &partition,
            &raw,
        ],
    );
    fs::write(&script, GRUB).expect("a script");
    let modules = ["part_msdos", "ext2", "linux", "search", "search_label"];
    let mut grub = vec!["-O", "x86_64-efi", "-c", &script, "-o", &loader, "-p", "/grub"];
    grub.extend(modules);
    run("grub-mkimage", &grub);
    let esp = format!("{raw}@@{begin}");
    let sectors = (ESP / 512).to_string();
    run(
        "mformat",
        &["-i", &esp, "-T", &sectors, "-h", "64", "-s", "32", "::"],
    );
    run("mmd", &["-i", &esp, "::/EFI", "::/EFI/BOOT"]);
    run("mcopy", &["-i", &esp, &loader, "::/EFI/BOOT/BOOTX64.EFI"]);
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &raw, &disk]);
    (lab, disk.into())
}

fn empty_disk(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    run(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", &path.display().to_string(), "1G"],
    );
    path
}

/// What is made on a host, to be removed.
struct Bench {
    host: Arc<dyn Connected>,
    run: RunId,
    made: Vec<Resource>,
    before: BTreeSet<PathBuf>,
}

/// Where libvirt keeps the state of emulated TPMs.
fn tpms() -> BTreeSet<PathBuf> {
    let entries = fs::read_dir("/var/lib/libvirt/swtpm")
        .into_iter()
        .flatten()
        .flatten();
    entries.map(|entry| entry.path()).collect()
}

fn name(text: &str) -> VolumeName {
    text.parse().expect("a name")
}

impl Bench {
    async fn new(salt: u16) -> Self {
        let host = connect(&HostPlan::at("auto")).await.expect("libvirt answers");
        let run = RunId::new(jiff::Timestamp::now(), salt);
        let mut bench = Self {
            host,
            run,
            made: Vec::new(),
            before: tpms(),
        };
        bench.note(Made::Pool(bench.pool()));
        bench.host.create_pool(&bench.pool()).await.expect("a pool");
        bench
    }

    fn pool(&self) -> PoolName {
        PoolName::of_run(&self.run)
    }

    fn note(&mut self, made: Made) {
        let uri = self.host.uri().clone();
        self.made.push(Resource { made, uri });
    }

    async fn place(&mut self, volume: &str, file: &Path) {
        let path = VolumePath::new(&self.pool(), &name(volume));
        let sha256 = hex(&Sha256::digest(fs::read(file).expect("a disk")));
        self.note(Made::Volume(path.clone()));
        self.host.place_image(&path, file, &sha256).await.expect("a base");
    }

    /// A VM on those bases, each with what it brings.
    async fn create(
        &mut self,
        role: &str,
        hardware: Hardware,
        disks: &[(&str, DiskHardware)],
        power: Power,
    ) -> VmSpec {
        let domain = format!("{}-{role}", self.pool());
        let disk = |(at, (base, hardware)): (usize, &(&str, DiskHardware))| Disk {
            volume: name(&format!("{domain}.{at}.qcow2")),
            base: name(base),
            hardware: hardware.clone(),
        };
        let spec = VmSpec {
            name: domain.parse().expect("a name"),
            tag: Tag {
                run: self.run.clone(),
                arm: None,
                run_dir: std::env::temp_dir(),
            },
            role: role.into(),
            pool: self.pool(),
            disks: disks.iter().enumerate().map(disk).collect(),
            nics: vec![Nic {
                network: None,
                mac: "52:54:00:70:67:21".into(),
                apart: false,
                model: hardware.nic,
                slot: None,
                filter: None,
            }],
            memory: Mib(512),
            vcpus: 1,
            nvram: Some(Nvram {
                volume: name(&format!("{domain}.fd")),
                template: None,
            }),
            hardware,
            kvm: false,
            power,
        };
        let own = spec.disks.iter().map(|disk| &disk.volume);
        let nvram = spec.nvram.iter().map(|nvram| &nvram.volume);
        for volume in own.chain(nvram) {
            self.note(Made::Volume(VolumePath::new(&spec.pool, volume)));
        }
        if let Power::Savable { ram } = &spec.power {
            self.note(Made::Volume(VolumePath::new(&spec.pool, ram)));
        }
        self.note(Made::Domain(spec.name.clone()));
        for disk in &spec.disks {
            self.host
                .create_overlay(&spec.pool, disk)
                .await
                .expect("an overlay");
        }
        self.host.create_vm(&spec).await.expect("a VM");
        spec
    }

    /// Waits for a guest's agent.
    async fn up(&self, spec: &VmSpec) {
        let agent = self.host.agent(&spec.name);
        let begin = Instant::now();
        while let Err(error) = agent.ping(Duration::from_secs(5)).await {
            let console = self.host.console_tail(&spec.name).await;
            assert!(begin.elapsed() < PATIENCE, "{}: {error}: {console}", spec.name);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What a guest's shell says, which must end well.
    async fn ask(&self, spec: &VmSpec, script: &str) -> String {
        let command = GuestCommand {
            what: "look at the machine".into(),
            argv: ["sh", "-euc", script].map(str::to_owned).to_vec(),
            env: Vec::new(),
            stdin: None,
            timeout: Duration::from_secs(60),
            limit: 64 * 1024,
        };
        let output = self
            .host
            .agent(&spec.name)
            .exec(&command)
            .await
            .expect("an answer");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(output.exit, Some(0), "{script}: {}", said(&output.stderr));
        said(&output.stdout)
    }

    /// Removes all, twice, and sees that nothing is left.
    async fn clean(mut self) {
        self.made.sort();
        for _ in 0..2 {
            for resource in &self.made {
                let removed = self.host.remove(resource, &self.run).await;
                removed.unwrap_or_else(|error| panic!("{resource}: {error}"));
            }
        }
        let marked = self.host.marked().await.expect("a list");
        assert!(marked.iter().all(|mark| mark.run != self.run), "{marked:?}");
        let folder = Path::new("/var/lib/libvirt/images").join(self.pool().as_str());
        assert!(!folder.exists(), "{}", folder.display());
        // Those of other jobs may come and go meanwhile.
        let left: Vec<_> = tpms().difference(&self.before).cloned().collect();
        let own = |path: &&PathBuf| path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        assert_eq!(left.iter().filter(own).count(), 0, "{left:?}");
    }
}

fn brings(bus: DiskBus, serial: &str) -> DiskHardware {
    DiskHardware {
        bus: Some(bus),
        serial: Some(serial.into()),
        ..DiskHardware::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uefi_a_tpm_and_disks_of_three_buses_are_what_a_guest_sees_and_go_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_alone, root) = uefi_disk(folder.path());
    let data = empty_disk(folder.path(), "data.qcow2");
    let mut bench = Bench::new(0x7d01).await;
    bench.place("root.base", &root).await;
    bench.place("data.base", &data).await;
    let hardware = Hardware {
        firmware: Firmware::Uefi,
        tpm: true,
        nic: NicModel::Vmxnet3,
        ..Hardware::default()
    };
    let machine = MachinePlan::of(hardware.clone());
    bench.host.can_have(&machine).await.expect("the host has it all");
    let scsi = DiskHardware {
        wwn: Some("5000c500a1b2c3d4".into()),
        block_size: Some(4096),
        ..brings(DiskBus::Scsi, "DATA0001")
    };
    let disks = [
        ("root.base", brings(DiskBus::Nvme, "ROOT0001")),
        ("data.base", scsi),
        ("data.base", brings(DiskBus::Virtio, "LOGS0001")),
    ];
    let spec = bench.create("first", hardware, &disks, Power::On).await;
    bench.up(&spec).await;
    bench.ask(&spec, "[ -d /sys/firmware/efi ]").await;
    bench.ask(&spec, "[ -e /sys/class/tpm/tpm0 ]").await;
    bench
        .ask(&spec, "[ \"$(cat /sys/class/tpm/tpm0/tpm_version_major)\" = 2 ]")
        .await;
    let ids = bench.ask(&spec, "udevadm settle; ls /dev/disk/by-id").await;
    for id in ["ROOT0001", "virtio-LOGS0001", "wwn-0x5000c500a1b2c3d4"] {
        assert!(ids.contains(id), "{id}: {ids}");
    }
    // udev calls a disk that has a WWN by that one alone.
    bench
        .ask(&spec, "grep -aq DATA0001 /sys/block/sda/device/vpd_pg80")
        .await;
    let block = bench
        .ask(&spec, "cat /sys/block/sda/queue/logical_block_size")
        .await;
    assert_eq!(block.trim(), "4096");
    let drivers = bench.ask(&spec, "readlink /sys/class/net/*/device/driver").await;
    assert!(drivers.contains("vmxnet3"), "{drivers}");
    // A picture needs a screen and nobody who looks at it.
    let picture = folder.path().join("screen").display().to_string();
    run(
        "virsh",
        &[
            "-q",
            "-c",
            bench.host.uri().as_str(),
            "screenshot",
            spec.name.as_str(),
            &picture,
        ],
    );
    assert!(fs::metadata(&picture).expect("a picture").len() > 1000);
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uefis_variables_and_a_second_disk_are_part_of_a_saved_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_alone, root) = uefi_disk(folder.path());
    let data = empty_disk(folder.path(), "data.qcow2");
    let mut bench = Bench::new(0x7d02).await;
    bench.place("root.base", &root).await;
    bench.place("data.base", &data).await;
    let hardware = Hardware {
        firmware: Firmware::Uefi,
        ..Hardware::default()
    };
    let (first, second) = (
        brings(DiskBus::Virtio, "ROOT0001"),
        brings(DiskBus::Scsi, "DATA0001"),
    );
    let bases = [("root.base", first.clone()), ("data.base", second.clone())];
    let ram = name("saved.ram");
    let savable = Power::Savable { ram: ram.clone() };
    let template = bench.create("template", hardware.clone(), &bases, savable).await;
    bench.up(&template).await;
    // A variable of the guest's own, and a mark on its second disk.
    let marked = "modprobe efivarfs; mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2> /dev/null || true; \
                  printf '\\007\\000\\000\\000mark' \
                  > /sys/firmware/efi/efivars/PatchgateMark-5d0c3a3e-6d37-4d5c-9d0e-2f6f1c7a9b51; \
                  udevadm settle; printf mark | dd of=/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_DATA0001 conv=fsync";
    bench.ask(&template, marked).await;
    let state = name("saved.state");
    bench.host.pause(&template.name).await.expect("it is paused");
    bench.note(Made::Volume(VolumePath::new(&bench.pool(), &state)));
    bench
        .host
        .save_state(&template, &state)
        .await
        .expect("it is saved");
    let domain = Made::Domain(template.name.clone());
    let uri = bench.host.uri().clone();
    let gone = bench
        .host
        .remove(&Resource { made: domain, uri }, &bench.run)
        .await;
    gone.expect("the saved one is gone");

    let overlays: Vec<String> = template
        .disks
        .iter()
        .map(|disk| disk.volume.to_string())
        .collect();
    let on = [(overlays[0].as_str(), first), (overlays[1].as_str(), second)];
    for role in ["one", "other"] {
        let saved = Power::Saved {
            ram: ram.clone(),
            state: state.clone(),
        };
        let clone = bench.create(role, hardware.clone(), &on, saved).await;
        bench.host.resume(&clone.name).await.expect("it goes on");
        bench.up(&clone).await;
        let variable = bench
            .ask(
                &clone,
                "tail -c 4 /sys/firmware/efi/efivars/PatchgateMark-*; head -c 4 /dev/sda",
            )
            .await;
        assert_eq!(variable, "markmark", "{role}");
        // Its own are written, not the others'.
        let own = bench.ask(
            &clone,
            "chattr -i /sys/firmware/efi/efivars/PatchgateMark-* 2> /dev/null || true; \
             rm /sys/firmware/efi/efivars/PatchgateMark-*; printf gone | dd of=/dev/sda conv=fsync",
        );
        own.await;
    }
    bench.clean().await;
}
