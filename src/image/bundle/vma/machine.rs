//! A machine of Proxmox, by its configuration and the devices of its backup (<https://pve.proxmox.com/wiki/Manual:_qm.conf>).

use crate::image::board::board;
use crate::image::bundle::error::{Problem, listed, shown};
use crate::image::bundle::shared::{NO_STATE, mac};
use crate::image::bundle::vma::config::{Config, Value, numbered};
use crate::model::hardware::{
    Clock, DiskBus, DiskHardware, Firmware, Machine as Board, NicHardware, NicModel, Video, Wishes,
};
use crate::units::Mib;

/// Keys that are read here, and those that mean nothing for a clone.
const KNOWN: &[&str] = &[
    "acpi",
    "affinity",
    "agent",
    "arch",
    "balloon",
    "bios",
    "boot",
    "bootdisk",
    "cicustom",
    "cipassword",
    "citype",
    "ciupgrade",
    "ciuser",
    "cores",
    "cpu",
    "cpulimit",
    "cpuunits",
    "description",
    "digest",
    "freeze",
    "hotplug",
    "hugepages",
    "keephugepages",
    "keyboard",
    "kvm",
    "localtime",
    "lock",
    "machine",
    "memory",
    "meta",
    "migrate_downtime",
    "migrate_speed",
    "name",
    "nameserver",
    "numa",
    "onboot",
    "ostype",
    "protection",
    "reboot",
    "scsihw",
    "searchdomain",
    "shares",
    "smbios1",
    "sockets",
    "sshkeys",
    "startdate",
    "startup",
    "tablet",
    "tags",
    "tdf",
    "template",
    "vcpus",
    "vga",
    "vmgenid",
    "vmstatestorage",
];
/// The same, with a number behind.
const NUMBERED: &[&str] = &["net", "numa", "ipconfig", "efidisk", "tpmstate"];

/// A machine before its disks are written.
#[derive(Debug, Default)]
pub struct Machine {
    /// Its disks, the one that it boots from first.
    pub drives: Vec<Drive>,
    /// Which device is the variables of its firmware.
    pub nvram: Option<usize>,
    /// Its hardware.
    pub hardware: Wishes,
    /// Its cards, in their order.
    pub nics: Vec<NicHardware>,
    /// Its memory.
    pub memory: Option<Mib>,
    /// Its vCPUs.
    pub vcpus: Option<u32>,
    /// What the admin should know.
    pub said: Vec<String>,
}

/// A disk.
#[derive(Debug)]
pub struct Drive {
    /// Which device it is.
    pub device: usize,
    /// Its key in the configuration.
    pub key: String,
    /// What the guest may know it by.
    pub hardware: DiskHardware,
}

/// Reads a machine from its configuration, if the backup has one, and the names of the backup's devices.
pub fn read(config: Option<&[u8]>, devices: &[&str]) -> Result<Machine, Problem> {
    let mut machine = Machine::default();
    let known = config.is_some();
    let config = Config::read(config.unwrap_or_default());
    if let Some(arch) = config.get("arch").filter(|arch| *arch != "x86_64") {
        return Err(Problem::Unfit(format!(
            "is a machine of another kind: {}",
            shown(arch)
        )));
    }
    if known {
        hardware(&config, &mut machine)?;
        cards(&config, &mut machine);
    } else {
        machine
            .said
            .push("the backup has no configuration: its hardware is not told".to_owned());
    }
    drives(&config, known, devices, &mut machine);
    machine.hardware.disk_bus = machine.drives.first().and_then(|drive| drive.hardware.bus);
    machine.hardware.nic = machine.nics.first().and_then(|nic| nic.model);
    if known {
        left_out(&config, devices, &mut machine);
    }
    Ok(machine)
}

fn hardware(config: &Config, machine: &mut Machine) -> Result<(), Problem> {
    machine.hardware.firmware = match config.get("bios") {
        None | Some("seabios") => Some(Firmware::Bios),
        Some("ovmf") => Some(Firmware::Uefi),
        Some(other) => {
            machine
                .said
                .push(format!("its firmware is not known: {}", shown(other)));
            None
        }
    };
    let name = config.get("machine").map(Value::of).unwrap_or_default();
    let name = name.option("type").unwrap_or(name.first);
    // Proxmox has the one with PCI where nothing is said.
    let name = if name.is_empty() { "pc" } else { name };
    let Some((board, other)) = board(name, &shown(name)) else {
        return Err(Problem::Unfit(format!(
            "is a machine of another kind: {}",
            shown(name)
        )));
    };
    machine.hardware.machine = Some(board);
    machine.said.extend(other);
    let windows = config
        .get("ostype")
        .is_some_and(|kind| kind.starts_with('w') && kind != "wvista26");
    let local = config.get("localtime").map_or(windows, |value| value == "1");
    machine.hardware.clock = Some(if local { Clock::Localtime } else { Clock::Utc });
    machine.hardware.hyperv = windows.then_some(true);
    let screen = config.get("vga").map(Value::of).unwrap_or_default();
    machine.hardware.video = match screen.option("type").unwrap_or(screen.first) {
        "none" => Some(Video::None),
        screen if screen.starts_with("virtio") => Some(Video::Virtio),
        _ => None,
    };
    let memory = config.get("memory").map(Value::of).unwrap_or_default();
    let memory = memory.option("current").unwrap_or(memory.first);
    // Proxmox's own defaults: 512 MiB, one socket with one core.
    machine.memory = match memory.parse() {
        Ok(memory) if memory > 0 => Some(Mib(memory)),
        Ok(_) | Err(_) => Some(Mib(512)),
    };
    let count = |key: &str| config.number(key).filter(|count| (1..=4096).contains(count));
    let cores = count("cores")
        .unwrap_or(1)
        .saturating_mul(count("sockets").unwrap_or(1));
    machine.vcpus = u32::try_from(count("vcpus").unwrap_or(cores)).ok();
    if let Some(cpu) = config.get("cpu") {
        machine.said.push(format!(
            "its CPU model is left to the lab file's `cpu`; there it is {}",
            shown(cpu)
        ));
    }
    tpm(config, machine);
    keys(config, machine);
    Ok(())
}

fn tpm(config: &Config, machine: &mut Machine) {
    let Some(state) = config.get("tpmstate0") else {
        return;
    };
    if Value::of(state).option("version") == Some("v2.0") {
        machine.hardware.tpm = Some(true);
        machine.said.push(NO_STATE.to_owned());
    } else {
        machine
            .said
            .push("its TPM 1.2 is left out, since clones have none".to_owned());
    }
}

fn keys(config: &Config, machine: &mut Machine) {
    let variables = config.get("efidisk0").map(Value::of).unwrap_or_default();
    if variables.is_on("pre-enrolled-keys") {
        machine.said.push(
            "its variables are said to have the keys of Secure Boot; where they are taken, clones hold to them with `firmware = \
             \"uefi-secure\"`"
                .to_owned(),
        );
    }
}

fn cards(config: &Config, machine: &mut Machine) {
    let mut found: Vec<(u32, &str)> = config
        .keys()
        .filter_map(|(key, value)| Some((numbered(key).filter(|(name, _)| *name == "net")?.1, value)))
        .collect();
    found.sort_unstable();
    for (number, text) in found {
        let value = Value::of(text);
        let named = value
            .option("model")
            .zip(Some(value.option("macaddr").unwrap_or_default()));
        let short = if value.first.is_empty() {
            value.options.first().copied()
        } else {
            None
        };
        let (model, address) = named.or(short).unwrap_or((value.first, ""));
        let (known, said) = card(model);
        if let Some(said) = said {
            machine
                .said
                .push(format!("its card net{number} is {}: {said}", shown(model)));
        }
        if value.is_on("link_down") {
            machine.said.push(format!(
                "its card net{number} is unplugged there, and plugged in in clones"
            ));
        }
        machine.nics.push(NicHardware {
            model: known,
            mac: mac(address),
            slot: slot(machine.hardware.machine, number),
        });
    }
}

/// Where Proxmox puts a card of its older board, so that the guest calls the first one ens18 (PVE/QemuServer/PCI.pm).
fn slot(board: Option<Board>, number: u32) -> Option<String> {
    match board {
        Some(Board::Pc) if number < 6 => Some(format!("0000:00:{:02x}.0", 0x12 + number)),
        Some(Board::Pc | Board::Q35) | None => None,
    }
}

fn card(model: &str) -> (Option<NicModel>, Option<&'static str>) {
    match model {
        "virtio" => (Some(NicModel::Virtio), None),
        "e1000e" => (Some(NicModel::E1000e), None),
        "rtl8139" => (Some(NicModel::Rtl8139), None),
        "vmxnet3" => (Some(NicModel::Vmxnet3), None),
        model if model.starts_with("e1000") => (Some(NicModel::E1000), None),
        _ => (Some(NicModel::E1000), Some("clones have an e1000 in its place")),
    }
}

fn drives(config: &Config, known: bool, devices: &[&str], machine: &mut Machine) {
    let boot = boot_order(config);
    let mut found = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let key = config.key(device);
        match key {
            "efidisk0" => {
                machine.nvram = Some(index);
                continue;
            }
            "tpmstate0" => {
                if !known {
                    machine.said.push(NO_STATE.to_owned());
                }
                continue;
            }
            "vmstate" => {
                machine.said.push(
                    "the memory of the running machine is left out: clones begin as after a power failure"
                        .to_owned(),
                );
                continue;
            }
            _ => {}
        }
        if known && config.get(key).is_none() {
            machine.said.push(format!(
                "its configuration does not tell of the disk {}, taken last",
                shown(device)
            ));
        }
        let place = boot.iter().position(|listed| listed == key).unwrap_or(usize::MAX);
        // The order in which Proxmox itself looks for a disk to boot from.
        let (bus, number) = numbered(key).unwrap_or((key, u32::MAX));
        let rank = ["ide", "scsi", "virtio", "sata"]
            .iter()
            .position(|known| *known == bus);
        let order = (
            known && config.get(key).is_none(),
            place,
            rank.unwrap_or(4),
            number,
        );
        let drive = Drive {
            device: index,
            key: key.to_owned(),
            hardware: disk(config, known, key, device, machine),
        };
        found.push((order, drive));
    }
    found.sort_by_key(|(order, _)| *order);
    machine.drives = found.into_iter().map(|(_, drive)| drive).collect();
}

/// The keys that it boots from, first to last, in the present form and that of before 2021.
fn boot_order(config: &Config) -> Vec<String> {
    let boot = config.get("boot").map(Value::of).unwrap_or_default();
    let listed = boot.option("order").unwrap_or_default();
    let listed = listed.split(';').map(str::trim).filter(|key| !key.is_empty());
    let mut order: Vec<String> = listed.map(str::to_owned).collect();
    order.extend(config.get("bootdisk").map(str::to_owned));
    order
}

/// SCSI as the machine's controller has it.
fn scsi(controller: &str, key: &str, said: &mut Vec<String>) -> DiskBus {
    match controller {
        "lsi" => DiskBus::Lsi,
        "megasas" => DiskBus::Megasas,
        "pvscsi" => DiskBus::Pvscsi,
        other => {
            if !other.starts_with("virtio-scsi") {
                said.push(format!(
                    "its disk {} was on {}, and is on virtio-scsi in clones: its initramfs must have that driver",
                    shown(key),
                    shown(other)
                ));
            }
            DiskBus::Scsi
        }
    }
}

/// What the guest knows a disk by.
fn disk(config: &Config, known: bool, key: &str, device: &str, machine: &mut Machine) -> DiskHardware {
    let value = config.get(key).map(Value::of).unwrap_or_default();
    let bus = match numbered(key).map(|(bus, _)| bus) {
        Some("virtio") => Some(DiskBus::Virtio),
        Some("scsi") => Some(DiskBus::Scsi),
        Some("sata") => Some(DiskBus::Sata),
        // The newer board has no IDE; QEMU puts such a disk on its AHCI.
        Some("ide") if machine.hardware.machine == Some(Board::Q35) => Some(DiskBus::Sata),
        Some("ide") => Some(DiskBus::Ide),
        Some(_) | None => None,
    };
    if bus == Some(DiskBus::Ide) {
        machine.hardware.machine = Some(Board::Pc);
    }
    let bus = match bus {
        Some(DiskBus::Scsi) if known => Some(scsi(
            config.get("scsihw").unwrap_or("lsi"),
            key,
            &mut machine.said,
        )),
        other => other,
    };
    let serial = value.option("serial").map(|serial| {
        percent_encoding::percent_decode_str(serial)
            .decode_utf8_lossy()
            .into_owned()
    });
    DiskHardware {
        bus,
        // Without a serial number QEMU shows the guest a SCSI disk's own name in its place, of which udev makes the names in
        // /dev/disk/by-id and LVM those in its devices file.
        serial: serial
            .or_else(|| bus.and_then(DiskBus::scsi).map(|_| device.to_owned()))
            .filter(|serial| is_serial(serial)),
        wwn: value
            .option("wwn")
            .map(|wwn| wwn.trim_start_matches("0x").to_ascii_lowercase())
            .filter(|wwn| wwn.len() == 16 && wwn.bytes().all(|digit| digit.is_ascii_hexdigit())),
        block_size: None,
        read_only: value.is_on("ro"),
    }
}

/// Whether a text can be a serial number; what a stranger wrote goes no further otherwise.
fn is_serial(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+ ".contains(&byte);
    (1..=60).contains(&text.len()) && text.bytes().all(plain)
}

/// What clones have nothing for, and what the backup has not.
fn left_out(config: &Config, devices: &[&str], machine: &mut Machine) {
    let there: Vec<&str> = devices.iter().map(|device| config.key(device)).collect();
    let mut left = Vec::new();
    for (key, text) in config.keys() {
        let name = numbered(key).map(|(name, _)| name);
        if KNOWN.contains(&key) || name.is_some_and(|name| NUMBERED.contains(&name)) {
            continue;
        }
        let value = Value::of(text);
        match name {
            Some("ide" | "scsi" | "virtio" | "sata") if value.option("media") == Some("cdrom") => {
                left.push(key);
            }
            Some("ide" | "scsi" | "virtio" | "sata") => {
                if !there.contains(&key) {
                    machine.said.push(format!(
                        "its disk {} is not in the backup{}",
                        shown(key),
                        if value.option("backup") == Some("0") {
                            ", as its `backup=0` says"
                        } else {
                            ""
                        }
                    ));
                }
            }
            Some(_) | None => left.push(key),
        }
    }
    if !left.is_empty() {
        machine.said.push(format!("left out: {}", listed(left)));
    }
}
