//! A domain's description, read through the list of what is taken: its disks, what no clone has of it, and what is no
//! description.

use patchgate::image::domain_xml::error::DomainXmlError;
use patchgate::image::domain_xml::whole::{Domain, read};
use patchgate::image::foreign::Format;
use patchgate::model::hardware::{
    Clock, DiskBus, DiskHardware, Firmware, Machine, NicHardware, NicModel, Wishes,
};
use patchgate::port::DiskPlace;
use patchgate::units::Mib;
use proptest::prelude::*;

mod hardware;

/// A domain with one disk, with more of its own, devices and parts of `<os>`.
fn domain(os: &str, more: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm'><name>server</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>\
         <os{}</os>{more}<devices>{}{devices}</devices></domain>",
        if os.starts_with(' ') || os.starts_with('>') {
            os.to_owned()
        } else {
            format!("><type arch='x86_64' machine='q35'>hvm</type>{os}")
        },
        disk("vda", "virtio", "")
    )
}

fn disk(name: &str, bus: &str, more: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/{name}.raw'/>\
         <target dev='{name}' bus='{bus}'/>{more}</disk>"
    )
}

fn taken(xml: &str) -> Domain {
    read(xml).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

/// That this is said, and nothing of it twice.
fn says(domain: &Domain, words: &str) {
    let with = domain.said.iter().filter(|line| line.contains(words)).count();
    assert_eq!(with, 1, "{words:?} in {:#?}", domain.said);
}

fn file(path: &str) -> DiskPlace {
    DiskPlace::File(path.into())
}

#[test]
fn a_plain_domain_is_taken_as_it_is_and_nothing_is_said() {
    let domain = taken(&domain("", "", ""));
    assert_eq!(domain.said, Vec::<String>::new());
    assert_eq!((domain.memory, domain.vcpus), (Some(Mib(512)), Some(1)));
    assert_eq!(
        domain.hardware,
        Wishes {
            firmware: Some(Firmware::Bios),
            machine: Some(Machine::Q35),
            cpu: None,
            tpm: Some(false),
            clock: Some(Clock::Utc),
            video: None,
            hyperv: Some(false),
            disk_bus: Some(DiskBus::Virtio),
            nic: None,
        }
    );
    let [disk] = domain.disks.as_slice() else {
        panic!("{:?}", domain.disks)
    };
    assert_eq!(disk.name, "vda");
    assert_eq!(disk.links.len(), 1);
    assert_eq!(disk.links[0].place, file("/srv/vda.raw"));
    assert_eq!(disk.links[0].format, Format::Raw);
}

#[test]
fn the_whole_chain_is_known_from_its_top_to_its_base() {
    let chain = "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/server.tuesday'/>\
        <backingStore type='file'><format type='qcow2'/><source file='/srv/server.monday'/>\
        <backingStore type='block'><format type='raw'/><source dev='/dev/vg/server'/><backingStore/></backingStore></backingStore>\
        <target dev='sda' bus='scsi'/></disk>";
    let read = taken(&domain("", "", chain));
    let links: Vec<_> = read.disks[1]
        .links
        .iter()
        .map(|link| (link.place.clone(), link.format))
        .collect();
    assert_eq!(
        links,
        [
            (file("/srv/server.tuesday"), Format::Qcow2),
            (file("/srv/server.monday"), Format::Qcow2),
            (file("/dev/vg/server"), Format::Raw),
        ]
    );
    let mut endless = "<backingStore/>".to_owned();
    for nth in 0..200 {
        endless = format!(
            "<backingStore type='file'><format type='qcow2'/><source file='/srv/{nth}'/>{endless}</backingStore>"
        );
    }
    let xml = domain("", "", &chain.replace("<backingStore/>", &endless));
    assert_eq!(read_error(&xml), DomainXmlError::Chain("sda".into()));
}

fn read_error(xml: &str) -> DomainXmlError {
    let error = read(xml).expect_err(xml);
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn disks_that_are_elsewhere_or_not_whole_are_refused_with_the_remedy() {
    let of = |kind: &str, source: &str, more: &str| {
        format!(
            "<disk type='{kind}' device='disk'><driver name='qemu' type='raw'/>{source}<target dev='vdb' bus='virtio'/>{more}</disk>"
        )
    };
    for (disk, words, hint) in [
        (
            of(
                "network",
                "<auth username='libvirt'/><source protocol='rbd' name='vms/server'><host name='192.0.2.10'/></source>",
                "",
            ),
            "disk vdb is on a server (`rbd`, `vms/server`)",
            "rbd export",
        ),
        (
            of(
                "network",
                "<source protocol='nbd' name='export'><host name='192.0.2.10'/></source>",
                "",
            ),
            "(`nbd`, `export`)",
            "export it",
        ),
        (
            of(
                "network",
                "<source protocol='https' name='a.iso'><host name='192.0.2.10'/></source>",
                "",
            ),
            "`https`",
            "export it",
        ),
        (
            of(
                "volume",
                "<source pool='san' volume='unit:0:0:1' mode='direct'/>",
                "",
            ),
            "iscsi",
            "export it",
        ),
        (
            of("nvme", "<source type='pci' managed='yes'/>", ""),
            "device of the host's own (`nvme`)",
            "qemu-img convert",
        ),
        (
            of("vhostuser", "<source type='unix' path='/run/x.sock'/>", ""),
            "`vhostuser`",
            "qemu-img convert",
        ),
        (
            of("file", "<source file='/x'/>", "<encryption format='luks'/>"),
            "encrypted",
            "decrypt",
        ),
        (
            of(
                "file",
                "<source file='/x'><encryption format='luks'/></source>",
                "",
            ),
            "encrypted",
            "decrypt",
        ),
        (
            of(
                "file",
                "<source file='/x'><slices><slice type='storage'/></slices></source>",
                "",
            ),
            "part of a file",
            "make it whole",
        ),
        (
            of("file", "<source file='/x'><dataStore type='file'/></source>", ""),
            "a file beside it",
            "make it whole",
        ),
        (
            of("file", "<source file='/x'/>", "").replace("'raw'", "'qed'"),
            "format `qed`",
            "qemu-img convert",
        ),
        (
            of("file", "<source file='nbd:192.0.2.1:1'/>", ""),
            "no absolute path",
            "dumpxml",
        ),
        (
            of("file", "<source file='json:{}'/>", ""),
            "no absolute path",
            "dumpxml",
        ),
        (of("file", "", ""), "no source", "dumpxml"),
        (
            of("file", "<source file='/x'/>", "").replace("'vdb'", "'../b'"),
            "has no name",
            "dumpxml",
        ),
    ] {
        let error = read_error(&domain("", "", &disk));
        assert!(error.to_string().contains(words), "{error}: {disk}");
        assert!(error.hint().contains(hint), "{}: {disk}", error.hint());
        // Below another it is no better.
        if words.contains("server") {
            let below = disk.replace("<disk type='network' device='disk'>", "<disk type='file' device='disk'><source file='/top'/><backingStore type='network'><format type='raw'/>")
                .replace("<target", "</backingStore><target");
            assert!(
                matches!(
                    read_error(&domain("", "", &below)),
                    DomainXmlError::Network { .. }
                ),
                "{below}"
            );
        }
    }
    let xml = domain("", "", "").replace(&disk("vda", "virtio", ""), "");
    assert_eq!(read_error(&xml), DomainXmlError::NoDisk);
}

#[test]
fn what_ties_a_domain_to_its_host_is_in_no_clone_and_each_is_said() {
    let devices = disk("vdb", "virtio", "<shareable/>")
        + &disk("vdc", "virtio", "<readonly/>")
        + "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/srv/gone-since.iso'/>\
           <target dev='sda' bus='sata'/><readonly/></disk>\
           <disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>\
           <disk type='dir' device='disk'><driver name='qemu' type='fat'/><source dir='/srv/vfat'/><target dev='vdd'/></disk>\
           <controller type='pci' index='0' model='pcie-root'/><input type='tablet' bus='usb'/><memballoon model='virtio'/>\
           <filesystem type='mount' accessmode='passthrough'><source dir='/srv/production-share'/><target dir='share'/></filesystem>\
           <interface type='bridge'><mac address='52:54:00:AA:bb:01'/><source bridge='br-production'/><model type='virtio'/>\
           <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></interface>\
           <serial type='file'><source path='/var/log/production-console.log'/><target port='0'/></serial>\
           <serial type='pty'><log file='/var/log/tee.log'/></serial>\
           <console type='pty'/>\
           <channel type='unix'><source mode='bind' path='/run/agent.sock'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
           <channel type='unix'><source mode='connect' path='/run/production-agent.sock'/><target type='virtio' name='org.example.backup'/></channel>\
           <hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x0'/></source></hostdev>\
           <hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/></source></hostdev>\
           <watchdog model='i6300esb' action='poweroff'/>\
           <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\
           <shmem name='shared'/><vsock model='virtio'/><redirdev bus='usb' type='spicevmc'/>\
           <graphics type='vnc'><listen type='socket' socket='/run/vnc.sock'/></graphics>";
    let xml = domain(
        "<kernel>/boot/vmlinuz</kernel>",
        "<on_crash>coredump-destroy</on_crash><sysinfo type='smbios'/><bootloader>/usr/bin/pygrub</bootloader>\
         <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-fw_cfg'/><qemu:arg value='name=x,file=/etc/shadow'/></qemu:commandline>",
        &devices,
    );
    let domain = taken(&xml);
    let files: Vec<_> = domain
        .disks
        .iter()
        .map(|disk| disk.links[0].place.clone())
        .collect();
    assert_eq!(files, [file("/srv/vda.raw"), file("/srv/vdc.raw")]);
    assert!(domain.disks[1].hardware.read_only && !domain.disks[0].hardware.read_only);
    assert_eq!(
        domain.nics,
        [NicHardware {
            model: Some(NicModel::Virtio),
            mac: Some("52:54:00:aa:bb:01".into()),
            slot: Some("0000:01:00.0".into()),
        }]
    );
    for words in [
        "shared disk vdb (`/srv/vdb.raw`)",
        "CD drive sda (`/srv/gone-since.iso`)",
        "floppy drive fda",
        "`/srv/vfat`",
        "share of the host's folder `/srv/production-share`",
        "52:54:00:aa:bb:01 is on bridge `br-production`",
        "serial to file `/var/log/production-console.log`",
        "`/var/log/tee.log`",
        "channel `org.example.backup` to unix `/run/production-agent.sock`",
        "device `pci 0000:3b:00.0`",
        "device `usb`",
        "watchdog (`i6300esb`, which does `poweroff`)",
        "<shmem>",
        "<vsock>",
        "USB device",
        "screen's socket",
        "kernel `/boot/vmlinuz`",
        "maker and serial number",
        "<bootloader>",
        "arguments for QEMU (`-fw_cfg` `name=x,file=/etc/shadow`)",
    ] {
        says(&domain, words);
    }
    assert_eq!(domain.said.len(), 20, "{:#?}", domain.said);
}

#[test]
fn what_a_guest_knows_its_disks_by_is_kept() {
    let devices = disk(
        "sda",
        "scsi",
        "<serial>ERP-0001</serial><wwn>5000C500A1B2C3D4</wwn><blockio logical_block_size='4096' physical_block_size='4096'/><boot order='1'/>",
    ) + &disk(
        "sdb",
        "usb",
        "<serial>a&quot;,readonly=on</serial><wwn>xyz</wwn><blockio logical_block_size='512'/>",
    ) + "<controller type='scsi' index='0' model='buslogic'/>";
    let domain = taken(&domain("", "", &devices));
    let names: Vec<_> = domain.disks.iter().map(|disk| disk.name.as_str()).collect();
    // What it boots from comes first, the rest as it stands.
    assert_eq!(names, ["sda", "vda", "sdb"]);
    assert_eq!(domain.hardware.disk_bus, Some(DiskBus::Scsi));
    assert_eq!(
        domain.disks[0].hardware,
        DiskHardware {
            bus: Some(DiskBus::Scsi),
            serial: Some("ERP-0001".into()),
            wwn: Some("5000c500a1b2c3d4".into()),
            block_size: Some(4096),
            read_only: false,
        }
    );
    assert_eq!(
        domain.disks[2].hardware,
        DiskHardware {
            bus: Some(DiskBus::Sata),
            ..DiskHardware::default()
        }
    );
    for words in [
        "disk sdb is on `usb`",
        "serial number of its disk sdb",
        "WWN of its disk sdb",
        "controller is `buslogic`",
    ] {
        says(&domain, words);
    }
}

#[test]
fn a_disk_on_scsi_keeps_its_controller() {
    for (model, bus) in [
        ("", DiskBus::Scsi),
        ("model='virtio-scsi'", DiskBus::Scsi),
        ("model='virtio-non-transitional'", DiskBus::Scsi),
        ("model='vmpvscsi'", DiskBus::Pvscsi),
        ("model='lsisas1068'", DiskBus::LsiSas),
        ("model='lsilogic'", DiskBus::Lsi),
        ("model='lsisas1078'", DiskBus::Megasas),
    ] {
        let devices = disk(
            "sda",
            "scsi",
            "<address type='drive' controller='1' bus='0' target='0' unit='0'/>",
        ) + "<controller type='scsi' index='0' model='buslogic'/>"
            + &format!("<controller type='scsi' index='1' {model}/>");
        let domain = taken(&domain("", "", &devices));
        let sda = domain.disks.iter().find(|disk| disk.name == "sda");
        assert_eq!(sda.and_then(|disk| disk.hardware.bus), Some(bus), "{model}");
        assert!(
            !domain.said.iter().any(|said| said.contains("controller is")),
            "{model}"
        );
    }
}

#[test]
fn entities_floods_and_what_is_no_domain_are_refused() {
    let secret = "<!DOCTYPE domain [<!ENTITY x SYSTEM '/etc/shadow'>]>".to_owned()
        + &domain("", "<title>&x;</title>", "");
    let bomb = "<!DOCTYPE domain [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>".to_owned()
        + &domain("", "<title>&b;</title>", "");
    for xml in [
        String::new(),
        "<domain".into(),
        "<network><os/><devices/></network>".into(),
        "<domain><devices/></domain>".into(),
        "<domain><os><type>hvm</type></os></domain>".into(),
        "<x:domain xmlns:x='y'><os/><devices/></x:domain>".into(),
        secret,
        bomb,
        "<domain>".to_owned() + &"<a/>".repeat(200_000) + "</domain>",
        domain("", &format!("<title>{}</title>", "x".repeat(5 << 20)), ""),
    ] {
        assert!(
            matches!(read(&xml), Err(DomainXmlError::Unreadable(_))),
            "{}",
            &xml[..xml.len().min(80)]
        );
    }
    // Each is said, up to a bound.
    let many = taken(&domain("", "", &"<hostdev type='pci'/>".repeat(5000)));
    assert_eq!(many.said.len(), 101);
    assert!(many.said[100].starts_with("4900 more"), "{}", many.said[100]);
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in any::<String>(), at in 0_usize..2000) {
        let xml = domain("", "<clock offset='utc'/>", "<tpm><backend type='emulator'/></tpm>");
        let at = (0..=at.min(xml.len())).rev().find(|at| xml.is_char_boundary(*at)).unwrap_or(0);
        let changed = format!("{}{}{}", &xml[..at], text, &xml[at..]);
        if let Ok(domain) = read(&changed) {
            prop_assert!(domain.said.iter().all(|line| !line.contains('\n')));
        }
    }
}
