//! Descriptors: hardware as VMware and VirtualBox write it, and disks.

use std::fs;

use patchgate::image::bundle::Ask;
use patchgate::image::foreign::{Foreign, Format};
use patchgate::model::hardware::{Clock, DiskBus, Firmware, Machine, NicModel};
use patchgate::units::Mib;

use super::{Place, assert_said, contents, make, refused, taken};

const EFI: &str = "<vmw:Config ovf:required='false' vmw:key='firmware' vmw:value='efi'/>";
const SECURE: &str = "<vmw:Config vmw:key='bootOptions.efiSecureBootEnabled' vmw:value='true'/>";

/// The machine of a descriptor with these items beside one disk.
#[track_caller]
fn with(items: &str) -> Foreign {
    let disk = make::vmdk(8, 1);
    let descriptor = make::with_items(&disk, &(make::one_disk() + items));
    taken("a", make::ova(&descriptor, &[("disk1.vmdk", &disk)])).1
}

#[test]
fn firmware_is_read_in_the_words_of_each() {
    assert_eq!(with("").hardware.firmware, Some(Firmware::Bios));
    assert_eq!(with(EFI).hardware.firmware, Some(Firmware::Uefi));
    assert_eq!(
        with(&(EFI.to_owned() + SECURE)).hardware.firmware,
        Some(Firmware::UefiSecure)
    );
    assert_eq!(with(SECURE).hardware.firmware, Some(Firmware::Bios));
    let odd = with("<vmw:Config vmw:key='firmware' vmw:value='coreboot'/>");
    assert_eq!(odd.hardware.firmware, None);
    assert_said(&odd, &["its firmware is not known: `coreboot`"]);
    let nvram = with("<vmw:ExtraConfig vmw:key='nvram' vmw:value='ovf:/file/file2'/>");
    assert_said(&nvram, &["its NVRAM is in a form of VMware's own"]);
}

/// The machine of an appliance of VirtualBox whose own part says this.
#[track_caller]
fn virtualbox(hardware: &str, items: &str) -> Foreign {
    let disk = make::vmdk(8, 1);
    let disks = make::item(20, "InstanceID=3 Address=0 ResourceSubType=AHCI")
        + &make::item(
            17,
            "InstanceID=4 Parent=3 AddressOnParent=0 HostResource=/disk/vmdisk1",
        );
    let own = format!(
        "</VirtualHardwareSection><vbox:Machine name='a'><ovf:Info/><Hardware>{hardware}</Hardware></vbox:Machine>"
    );
    let descriptor = make::with_items(&disk, &(disks + items))
        .replace("vmx-19", "virtualbox-2.2")
        .replace("</VirtualHardwareSection>", &own)
        .replace(" ovf:capacityAllocationUnits='byte * 2^20'", "")
        .replace("capacity='8'", "capacity='8388608'");
    taken("a", make::ova(&descriptor, &[("disk1.vmdk", &disk)])).1
}

#[test]
fn virtualbox_says_the_rest_in_a_part_of_its_own() {
    let items = make::item(10, "InstanceID=5 ElementName=one ResourceSubType=E1000")
        + &make::item(10, "InstanceID=6 ElementName=two ResourceSubType=PCNet32");
    let machine = virtualbox(
        "<Firmware type='EFI'/><Chipset type='ICH9'/><RTC localOrUTC='local'/><TrustedPlatformModule type='v2_0'/>\
         <Network><Adapter slot='1' enabled='true' MACAddress='080027000002' type='Am79C973'/>\
         <Adapter slot='0' enabled='true' MACAddress='080027ABCD01' type='82540EM'/>\
         <Adapter slot='2' enabled='false' MACAddress='080027000003'/></Network>",
        &items,
    );
    assert_eq!(machine.hardware.firmware, Some(Firmware::Uefi));
    assert_eq!(machine.hardware.machine, Some(Machine::Q35));
    assert_eq!(machine.hardware.clock, Some(Clock::Localtime));
    assert_eq!(machine.hardware.tpm, Some(true));
    assert_eq!(machine.disks[0].hardware.bus, Some(DiskBus::Sata));
    let cards: Vec<_> = machine
        .nics
        .iter()
        .map(|nic| (nic.model, nic.mac.as_deref(), nic.slot.as_deref()))
        .collect();
    assert_eq!(
        cards,
        [
            (
                Some(NicModel::E1000),
                Some("08:00:27:ab:cd:01"),
                Some("0000:00:03.0")
            ),
            (
                Some(NicModel::E1000),
                Some("08:00:27:00:00:02"),
                Some("0000:00:08.0")
            ),
        ]
    );
    assert_said(
        &machine,
        &[
            "its card `two` is `PCNet32`: clones have an e1000",
            "the state of its TPM is not",
        ],
    );
    let secure = virtualbox(
        "<Firmware type='EFI64'/><BIOS><SecureBoot enabled='true'/></BIOS>",
        "",
    );
    assert_eq!(secure.hardware.firmware, Some(Firmware::UefiSecure));
    let silent = virtualbox("<Chipset type='PIIX3'/>", "");
    assert_eq!(silent.hardware.firmware, Some(Firmware::Bios));
    assert_eq!(silent.hardware.machine, Some(Machine::Pc));
}

#[test]
fn memory_and_vcpus_are_read_in_every_unit() {
    for (units, quantity, mib) in [
        ("AllocationUnits=byte_*_2^20", "1024", Some(1024)),
        ("AllocationUnits=byte_*_2^30", "2", Some(2048)),
        ("AllocationUnits=MegaBytes", "512", Some(512)),
        ("AllocationUnits=GigaBytes", "4", Some(4096)),
        ("Reservation=0", "1024", Some(1024)),
        ("Reservation=0", "1073741824", Some(1024)),
        ("AllocationUnits=furlong", "7", None),
        ("AllocationUnits=byte_*_2^30", "18446744073709551615", None),
    ] {
        let machine = with(&make::item(
            4,
            &format!("InstanceID=2 {units} VirtualQuantity={quantity}"),
        ));
        assert_eq!(machine.memory, mib.map(Mib), "{units} {quantity}");
        let told = machine.said.iter().any(|line| line.contains("its memory is"));
        assert_eq!(told, mib.is_none(), "{units} {quantity}");
    }
    let count = |count: &str| with(&make::item(3, &format!("InstanceID=1 VirtualQuantity={count}")));
    assert_eq!(count("2").vcpus, Some(2));
    assert_eq!(count("4000000000").vcpus, None);
    assert_said(&count("0"), &["its number of vCPUs, 0, is none"]);
    // Bounds of what may be chosen, and other configurations, are not the machine.
    let bound = make::item(4, "InstanceID=2 AllocationUnits=MegaBytes VirtualQuantity=1")
        .replace("<Item>", "<Item ovf:bound='min'>");
    let other = make::item(4, "InstanceID=2 AllocationUnits=MegaBytes VirtualQuantity=2")
        .replace("<Item>", "<Item ovf:configuration='large'>");
    let own = make::item(4, "InstanceID=2 AllocationUnits=MegaBytes VirtualQuantity=256");
    assert_eq!(with(&(bound + &other + &own)).memory, Some(Mib(256)));
}

#[test]
fn the_marked_configuration_is_the_machine() {
    let disk = make::vmdk(8, 1);
    let small = make::item(4, "InstanceID=2 AllocationUnits=MegaBytes VirtualQuantity=256")
        .replace("<Item>", "<Item ovf:configuration='small'>");
    let large = make::item(4, "InstanceID=2 AllocationUnits=MegaBytes VirtualQuantity=512")
        .replace("<Item>", "<Item ovf:configuration='large huge'>");
    for (marked, mib) in [("", 256), ("ovf:default='true'", 512)] {
        let section = format!(
            "<DeploymentOptionSection><Info/><Configuration ovf:id='small'/><Configuration ovf:id='large' {marked}/>\
             </DeploymentOptionSection><VirtualSystem"
        );
        let descriptor = make::with_items(&disk, &(make::one_disk() + &small + &large))
            .replace("<VirtualSystem ", &(section + " "));
        let (_place, machine) = taken("a", make::ova(&descriptor, &[("disk1.vmdk", &disk)]));
        assert_eq!(machine.memory, Some(Mib(mib)), "{marked}");
    }
}

#[test]
fn buses_are_read_by_the_controllers_models() {
    for (kind, model, bus) in [
        (6, "lsilogic", Some(DiskBus::Scsi)),
        (6, "VirtualSCSI", Some(DiskBus::Pvscsi)),
        (6, "", Some(DiskBus::Scsi)),
        (6, "lsilogicsas", Some(DiskBus::LsiSas)),
        (20, "LsiLogicSas", Some(DiskBus::LsiSas)),
        (20, "AHCI", Some(DiskBus::Sata)),
        (20, "vmware.sata.ahci", Some(DiskBus::Sata)),
        (20, "vmware.nvme.controller", Some(DiskBus::Nvme)),
        (20, "NVMExpress", Some(DiskBus::Nvme)),
        (5, "PIIX4", Some(DiskBus::Ide)),
        (20, "quantum", None),
    ] {
        let disk = make::vmdk(8, 1);
        let items = make::item(kind, &format!("InstanceID=3 Address=0 ResourceSubType={model}"))
            + &make::item(
                17,
                "InstanceID=4 Parent=3 AddressOnParent=0 HostResource=ovf:/disk/vmdisk1",
            );
        let descriptor = make::with_items(&disk, &items);
        let (_place, machine) = taken("a", make::ova(&descriptor, &[("disk1.vmdk", &disk)]));
        assert_eq!(machine.disks[0].hardware.bus, bus, "{model}");
        assert_eq!(machine.hardware.disk_bus, bus, "{model}");
        let board = (bus == Some(DiskBus::Ide)).then_some(Machine::Pc);
        assert_eq!(machine.hardware.machine, board, "{model}");
        if model == "lsilogic" {
            assert_said(
                &machine,
                &["its disks were on `lsilogic`, and without --disk-bus are on virtio-scsi"],
            );
        }
        if bus.is_none() {
            assert_said(&machine, &["is not known: `quantum`"]);
        }
    }
}

/// The names of the disks of a machine whose items attach the disks `a`, `b` and `c`.
#[track_caller]
fn order(items: &str, more: &str) -> Vec<String> {
    let disks: Vec<Vec<u8>> = (1..4).map(|seed| make::vmdk(8, seed)).collect();
    let names = ["a", "b", "c"];
    let references: String = names
        .iter()
        .zip(&disks)
        .map(|(name, disk)| make::reference(name, name, disk.len(), ""))
        .collect();
    let declared: String = names.iter().map(|name| make::declared(name, name)).collect();
    let system =
        make::system("server", items).replace("</VirtualSystem>", &format!("{more}</VirtualSystem>"));
    let descriptor = make::envelope(&references, &declared, &system);
    let files: Vec<(&str, &[u8])> = names.into_iter().zip(disks.iter().map(Vec::as_slice)).collect();
    let (_place, foreign) = taken("x", make::ova(&descriptor, &files));
    foreign.disks.iter().map(|disk| disk.name.clone()).collect()
}

#[test]
fn disks_are_in_the_order_of_their_controllers_and_units() {
    let controller = |id: u32, address: u32| {
        make::item(
            6,
            &format!("InstanceID={id} Address={address} ResourceSubType=VirtualSCSI"),
        )
    };
    let disk = |id: u32, parent: u32, unit: u32, name: &str| {
        make::item(
            17,
            &format!("InstanceID={id} Parent={parent} AddressOnParent={unit} HostResource=ovf:/disk/{name}"),
        )
    };
    let one = controller(3, 0) + &disk(10, 3, 1, "a") + &disk(11, 3, 0, "b") + &disk(12, 3, 10, "c");
    assert_eq!(order(&one, ""), ["b", "a", "c"]);
    let two = controller(3, 1)
        + &controller(4, 0)
        + &disk(10, 3, 0, "a")
        + &disk(11, 4, 2, "b")
        + &disk(12, 4, 1, "c");
    assert_eq!(order(&two, ""), ["c", "b", "a"]);
    let lost = disk(10, 99, 0, "a") + &controller(3, 0) + &disk(11, 3, 5, "b") + &disk(12, 3, 1, "c");
    assert_eq!(order(&lost, ""), ["c", "b", "a"]);
    let boots = "<vmw:BootOrderSection vmw:instanceId='5' vmw:type='net'/><vmw:BootOrderSection vmw:instanceId='12' vmw:type='disk'/>";
    assert_eq!(order(&one, boots), ["c", "b", "a"]);
}

#[test]
fn cards_are_read_by_model_and_what_clones_lack_is_said() {
    let items = make::item(
        10,
        "InstanceID=20 ElementName=one ResourceSubType=VmxNet3 Address=00:50:56:AA:bb:01",
    ) + &make::item(10, "InstanceID=21 ElementName=two ResourceSubType=E1000e")
        + &make::item(
            10,
            "InstanceID=22 ElementName=three ResourceSubType=E1000 Address=7",
        )
        + &make::item(10, "InstanceID=23 ElementName=four ResourceSubType=Flexible")
        + &make::item(
            10,
            "InstanceID=24 ElementName=five ResourceSubType=SriovEthernetCard",
        );
    let machine = with(&items.replacen(
        "</Item>",
        "<vmw:Config vmw:key='slotInfo.pciSlotNumber' vmw:value='192'/></Item>",
        1,
    ));
    let models: Vec<_> = machine.nics.iter().map(|nic| nic.model).collect();
    assert_eq!(
        models,
        [
            Some(NicModel::Vmxnet3),
            Some(NicModel::E1000e),
            Some(NicModel::E1000),
            Some(NicModel::E1000),
            None
        ]
    );
    let macs: Vec<_> = machine.nics.iter().map(|nic| nic.mac.as_deref()).collect();
    assert_eq!(macs, [Some("00:50:56:aa:bb:01"), None, None, None, None]);
    assert_eq!(machine.hardware.nic, Some(NicModel::Vmxnet3));
    assert_said(
        &machine,
        &[
            "`one` was in slot 192, so that Linux called it ens192",
            "`four` is `Flexible`",
            "`five` is `SriovEthernetCard`",
        ],
    );
}

#[test]
fn every_item_that_clones_lack_is_said() {
    let items = make::item(15, "InstanceID=30 ElementName=CD/DVD_drive_1")
        + &make::item(14, "InstanceID=31 ElementName=Floppy_drive_1")
        + &make::item(24, "InstanceID=32 ElementName=Video_card")
        + &make::item(1, "InstanceID=33 ResourceSubType=vmware.vtpm ElementName=TPM")
        + &make::item(23, "InstanceID=34 ElementName=USB\u{202e}x")
        + &make::item(17, "InstanceID=35 ElementName=Hard_disk_9");
    let machine = with(&items);
    assert_eq!(machine.hardware.tpm, Some(true));
    assert_said(
        &machine,
        &[
            "left out: `CD/DVD drive 1`, `Floppy drive 1`, `USB\\u{202e}x`",
            "the state of its TPM is not in the export",
            "its disk `Hard disk 9` has no content in the export",
        ],
    );
}

#[test]
fn an_empty_disk_is_there_with_its_size() {
    let disk = make::vmdk(8, 1);
    let items = make::one_disk()
        + &make::item(
            17,
            "InstanceID=11 Parent=3 AddressOnParent=1 ElementName=Scratch HostResource=ovf:/disk/vmdisk2",
        );
    let declared = |capacity: &str| {
        make::declared("vmdisk1", "file1")
            + &format!(
                "<Disk ovf:diskId='vmdisk2' ovf:capacity='{capacity}' ovf:capacityAllocationUnits='byte * 2^20'/>"
            )
    };
    let descriptor = |capacity: &str| {
        make::envelope(
            &make::reference("file1", "disk1.vmdk", disk.len(), ""),
            &declared(capacity),
            &make::system("server", &items),
        )
    };
    let (_place, machine) = taken("a", make::ova(&descriptor("3"), &[("disk1.vmdk", &disk)]));
    assert_eq!(contents(&machine), [disk.clone(), vec![0; 3 << 20]]);
    assert_eq!(machine.disks[1].format, Some(Format::Raw));
    assert_eq!(machine.disks[0].format, Some(Format::Vmdk));
    assert_said(
        &machine,
        &["its disk `Scratch` is empty in the export, with 3 MiB"],
    );
    for capacity in ["0", "${size}", "99999999999999", "-1"] {
        let told = refused("a", make::ova(&descriptor(capacity), &[("disk1.vmdk", &disk)]));
        assert!(told.contains("empty disk `vmdisk2` without a size"), "{told}");
    }
}

#[test]
fn what_disks_are_not_whole_or_not_the_machine_s_is_refused_or_said() {
    let disk = make::vmdk(8, 1);
    let ova = |descriptor: &str| make::ova(descriptor, &[("disk1.vmdk", &disk)]);
    let simple = make::simple(&disk);
    let told = refused(
        "a",
        ova(&simple.replace("ovf:fileRef=", "ovf:parentRef='p' ovf:fileRef=")),
    );
    assert!(told.contains("only what differs from another"), "{told}");
    let told = refused(
        "a",
        ova(&simple.replace("ovf:fileRef='file1'", "ovf:fileRef='file9'")),
    );
    assert!(told.contains("file `file9`, which its disk names"), "{told}");
    let told = refused(
        "a",
        ova(&simple.replace("ovf:/disk/vmdisk1", "ovf:/disk/vmdisk9")),
    );
    assert!(told.contains("disk `vmdisk9`, which its machine names"), "{told}");
    let told = refused("a", ova(&simple.replace("ovf:/disk/vmdisk1", "")));
    assert!(told.contains("a machine without a disk"), "{told}");
    let more = make::declared("vmdisk1", "file1") + &make::declared("vmdisk2", "file1");
    let (_place, machine) = taken(
        "a",
        ova(&simple.replace(&make::declared("vmdisk1", "file1"), &more)),
    );
    assert_said(
        &machine,
        &["disks that its machine does not have are left out: `vmdisk2`"],
    );
    let (_place, machine) = taken("a", ova(&simple.replace("byte * 2^20", "byte * 2^30")));
    assert_said(
        &machine,
        &["gives its disk `Hard disk 1` 8 GiB, and its own header 8 MiB"],
    );
}

#[test]
fn of_several_machines_one_is_asked_for() {
    let [web, db] = [1, 2].map(|seed| make::vmdk(8, seed));
    let references = make::reference("file1", "web.vmdk", web.len(), "")
        + &make::reference("file2", "db.vmdk", db.len(), "");
    let disks = make::declared("vmdisk1", "file1") + &make::declared("vmdisk2", "file2");
    let second = make::one_disk().replace("vmdisk1", "vmdisk2");
    let systems = make::system("web", &make::one_disk()) + &make::system("db", &second);
    let descriptor = make::envelope(
        &references,
        &disks,
        &format!("<VirtualSystemCollection ovf:id='all'>{systems}</VirtualSystemCollection>"),
    );
    let archive = make::ova(&descriptor, &[("web.vmdk", &web), ("db.vmdk", &db)]);
    let told = refused("a", &archive);
    assert!(
        told.contains("several machines: `web`, `db` (say which one is meant"),
        "{told}"
    );
    let place = Place::new();
    let path = place.put("a", &archive);
    let ask = Ask {
        machine: Some("db"),
        domain: None,
    };
    let machine = place.ask(&path, ask).expect("one").expect("a machine");
    assert_eq!(contents(&machine), [db]);
    assert_said(&machine, &["files that are left out: `web.vmdk`"]);
    let ask = Ask {
        machine: Some("mail"),
        domain: None,
    };
    let told = place.ask(&path, ask).expect_err("none").to_string();
    assert!(told.contains("no machine `mail`; it has `web`, `db`"), "{told}");
}

#[test]
fn an_entity_in_a_descriptor_is_refused() {
    let disk = make::vmdk(8, 1);
    let entity = "<!DOCTYPE e [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>\n<Envelope ";
    let descriptor = make::simple(&disk).replacen("<Envelope ", entity, 1);
    let told = refused("a", make::ova(&descriptor, &[("disk1.vmdk", &disk)]));
    assert!(
        told.contains("the descriptor `server.ovf` cannot be read") && told.contains("DTD"),
        "{told}"
    );
}

#[test]
fn files_beside_a_descriptor_stay_where_they_are() {
    let place = Place::new();
    let disk = make::vmdk(8, 1);
    let descriptor = make::simple(&disk);
    let file = place.put("disk1.vmdk", &disk);
    let path = place.put("server.ovf", &descriptor);
    place.put("unrelated.vmdk", "another machine's");
    let machine = place.open(&path).expect("taken").expect("a machine");
    assert_eq!(machine.disks[0].file, file);
    assert_eq!(fs::read_dir(place.unpacked()).expect("a folder").count(), 0);
    assert!(
        !machine.said.iter().any(|line| line.contains("unrelated")),
        "{:?}",
        machine.said
    );
    place.put("server.mf", make::manifest(&[("disk1.vmdk", b"another")]));
    let told = place.open(&path).expect_err("a wrong digest").to_string();
    assert!(told.contains("`disk1.vmdk` has another SHA-256"), "{told}");
    fs::remove_file(place.path("in/server.mf")).expect("removed");
    fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", &file).expect("a link");
    let told = place.open(&path).expect_err("a link is followed").to_string();
    assert!(told.contains("`disk1.vmdk` is a link"), "{told}");
}

#[test]
fn a_compressed_file_beside_a_descriptor_is_unpacked_elsewhere_and_stays() {
    let place = Place::new();
    let disk = make::vmdk(8, 1);
    let packed = make::packed("gzip", &disk);
    let descriptor = make::simple(&packed).replace("ovf:href", "ovf:compression='gzip' ovf:href");
    let file = place.put("disk1.vmdk", &packed);
    let path = place.put("server.ovf", descriptor);
    place.put("server.mf", make::manifest(&[("disk1.vmdk", &packed)]));
    let machine = place.open(&path).expect("taken").expect("a machine");
    assert_eq!(contents(&machine), [disk]);
    assert_eq!(machine.disks[0].file, place.unpacked().join("disk-1"));
    assert_eq!(fs::read(file).expect("it is there"), packed);
}
