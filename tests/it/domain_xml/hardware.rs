//! What a domain's description says of its machine.

use patchgate::image::domain_xml::error::DomainXmlError;
use patchgate::image::foreign::Format;
use patchgate::model::hardware::{Clock, Firmware, Machine, NicModel, Video};
use patchgate::units::Mib;

use super::{domain, read_error, says, taken};

#[test]
fn secure_boot_without_keys_checks_nothing_and_is_plain_uefi() {
    let os = |secure: &str, keys: &str| {
        let keys = if keys.is_empty() {
            String::new()
        } else {
            format!("<feature enabled='{keys}' name='enrolled-keys'/>")
        };
        format!(
            " firmware='efi'><type arch='x86_64' machine='q35'>hvm</type><firmware>\
             <feature enabled='{secure}' name='secure-boot'/>{keys}</firmware><loader secure='{secure}'/><boot dev='hd'/>"
        )
    };
    for (secure, keys, firmware) in [
        ("yes", "no", Firmware::Uefi),
        ("yes", "yes", Firmware::UefiSecure),
        // libvirt prefers those with keys.
        ("yes", "", Firmware::UefiSecure),
        ("no", "no", Firmware::Uefi),
    ] {
        let domain = taken(&domain(&os(secure, keys), "", ""));
        assert_eq!(domain.hardware.firmware, Some(firmware), "{secure} {keys}");
        if (secure, keys) == ("yes", "no") {
            says(&domain, "has no keys");
        } else {
            assert_eq!(domain.said, Vec::<String>::new(), "{secure} {keys}");
        }
    }
}

#[test]
fn firmware_is_known_by_its_loader_and_its_variables_are_found() {
    let os = |loader: &str| format!("><type arch='x86_64' machine='pc-q35-6.2'>hvm</type>{loader}");
    for (loader, firmware, nvram) in [
        (
            "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>\
             <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/a_VARS.fd</nvram>",
            Firmware::Uefi,
            Some(("/var/lib/libvirt/qemu/nvram/a_VARS.fd", Format::Raw)),
        ),
        (
            "<loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>\
             <nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'>/n/a.fd</nvram>",
            Firmware::UefiSecure,
            Some(("/n/a.fd", Format::Raw)),
        ),
        (
            "<loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.secboot.fd</loader>\
             <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/n/a.fd</nvram>",
            Firmware::Uefi,
            Some(("/n/a.fd", Format::Raw)),
        ),
        // Of libvirt 10.10 and later.
        (
            "<loader readonly='yes' type='pflash' format='qcow2'>/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2</loader>\
             <nvram template='/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2' templateFormat='qcow2' format='qcow2'>/n/a.qcow2</nvram>",
            Firmware::Uefi,
            Some(("/n/a.qcow2", Format::Qcow2)),
        ),
        (
            "<loader type='pflash'>/c.fd</loader><nvram type='file'><source file='/n/b.fd'/></nvram>",
            Firmware::Uefi,
            Some(("/n/b.fd", Format::Raw)),
        ),
        (
            "<loader type='rom'>/usr/share/ovmf/OVMF.fd</loader>",
            Firmware::Uefi,
            None,
        ),
        (
            "<loader type='rom'>/usr/share/seabios/bios.bin</loader>",
            Firmware::Bios,
            None,
        ),
    ] {
        let domain = taken(&domain(&os(loader), "", ""));
        assert_eq!(domain.hardware.firmware, Some(firmware), "{loader}");
        assert_eq!(domain.hardware.machine, Some(Machine::Q35));
        let found = domain
            .nvram
            .as_ref()
            .map(|nvram| (nvram.file.to_str().expect("a path"), nvram.format));
        assert_eq!(found, nvram, "{loader}");
        says(&domain, "clones have that of the host");
    }
    let away = os(
        "<loader type='pflash'>/c.fd</loader><nvram type='network'><source protocol='nbd' name='x'/></nvram>",
    );
    let domain = taken(&domain(&away, "", ""));
    assert_eq!(domain.nvram, None);
    says(&domain, "variables are in no file");
}

#[test]
fn boards_and_sizes_are_mapped_and_what_is_mapped_is_said() {
    for (machine, board, said) in [
        ("q35", Machine::Q35, false),
        ("pc-q35-rhel9.2.0", Machine::Q35, true),
        ("pc-q35-99.0", Machine::Q35, true),
        ("pc", Machine::Pc, false),
        ("pc-i440fx-2.1", Machine::Pc, true),
        ("pc-1.3", Machine::Pc, true),
        ("rhel6.6.0", Machine::Pc, true),
        ("microvm", Machine::Q35, true),
        ("isapc", Machine::Q35, true),
        ("pc\u{1b}[31m", Machine::Q35, true),
    ] {
        let os = format!(
            "><type arch='x86_64' machine='{}'>hvm</type>",
            machine.replace('\u{1b}', "&#x9;")
        );
        let domain = taken(&domain(&os, "", ""));
        assert_eq!(domain.hardware.machine, Some(board), "{machine}");
        assert_eq!(!domain.said.is_empty(), said, "{machine}: {:?}", domain.said);
    }
    for os in [
        "><type arch='aarch64' machine='virt'>hvm</type>",
        "><type arch='x86_64' machine='xenpv'>linux</type>",
        "><type>exe</type>",
    ] {
        assert!(
            matches!(read_error(&domain(os, "", "")), DomainXmlError::OtherMachine(_)),
            "{os}"
        );
    }
    let plain = domain("", "", "");
    for (memory, mib) in [
        ("<memory>524288</memory>", Some(512)),
        ("<memory unit='b'>1</memory>", Some(1)),
        ("<memory unit='GiB'>2</memory>", Some(2048)),
        ("<memory unit='GB'>1</memory>", Some(954)),
        ("<memory unit='T'>1</memory>", Some(1024 * 1024)),
        ("<memory unit='TiB'>99999999999</memory>", None),
        ("<memory unit='acre'>1</memory>", None),
        ("<memory>-1</memory>", None),
        ("<memory>0</memory>", None),
        ("", None),
    ] {
        let xml = plain.replace("<memory unit='MiB'>512</memory>", memory);
        assert_eq!(taken(&xml).memory, mib.map(Mib), "{memory}");
    }
    for (vcpu, count) in [
        ("<vcpu>8</vcpu>", Some(8)),
        ("<vcpu current='2'>8</vcpu>", Some(2)),
        ("<vcpu>0</vcpu>", None),
        ("<vcpu>1000000</vcpu>", None),
        ("", None),
    ] {
        assert_eq!(
            taken(&plain.replace("<vcpu>1</vcpu>", vcpu)).vcpus,
            count,
            "{vcpu}"
        );
    }
}

#[test]
fn cpu_clock_screen_tpm_and_hyper_v_are_read() {
    let with = |more: &str, devices: &str| taken(&domain("", more, devices));
    for (cpu, model) in [
        ("<cpu mode='host-passthrough'/>", None),
        ("<cpu mode='host-model'><model>EPYC</model></cpu>", None),
        ("<cpu mode='maximum'/>", None),
        ("<cpu><topology sockets='1'/></cpu>", None),
        (
            "<cpu mode='custom' match='exact'><model fallback='forbid'>Skylake-Client-IBRS</model></cpu>",
            Some("Skylake-Client-IBRS"),
        ),
        ("<cpu mode='custom'><model>x,+y</model></cpu>", None),
    ] {
        let domain = with(cpu, "");
        assert_eq!(domain.hardware.cpu.as_deref(), model, "{cpu}");
        assert_eq!(
            domain.said.is_empty(),
            !cpu.contains("custom"),
            "{cpu}: {:?}",
            domain.said
        );
    }
    for (clock, shows) in [
        ("<clock offset='utc'/>", Clock::Utc),
        ("<clock offset='localtime'/>", Clock::Localtime),
        (
            "<clock offset='timezone' timezone='Europe/Berlin'/>",
            Clock::Localtime,
        ),
        (
            "<clock offset='variable' basis='localtime' adjustment='5'/>",
            Clock::Localtime,
        ),
        ("<clock offset='variable' adjustment='5'/>", Clock::Utc),
        ("<clock offset='absolute' start='0'/>", Clock::Utc),
    ] {
        assert_eq!(with(clock, "").hardware.clock, Some(shows), "{clock}");
    }
    for (model, video) in [
        ("virtio", Video::Virtio),
        ("none", Video::None),
        ("qxl", Video::Vga),
        ("cirrus", Video::Vga),
    ] {
        let domain = with("", &format!("<video><model type='{model}'/></video>"));
        assert_eq!(domain.hardware.video, Some(video), "{model}");
    }
    for (features, hyperv) in [
        ("<features><acpi/></features>", false),
        (
            "<features><hyperv mode='custom'><relaxed state='on'/></hyperv></features>",
            true,
        ),
        (
            "<features><hyperv><relaxed state='off'/></hyperv></features>",
            false,
        ),
        ("<features><hyperv mode='passthrough'/></features>", true),
    ] {
        assert_eq!(with(features, "").hardware.hyperv, Some(hyperv), "{features}");
    }
    let tpm = |backend: &str| with("", &format!("<tpm model='tpm-crb'>{backend}</tpm>"));
    let emulated = tpm("<backend type='emulator' version='2.0' persistent_state='yes'/>");
    assert_eq!(emulated.hardware.tpm, Some(true));
    says(&emulated, "each clone's TPM begins empty");
    says(
        &tpm("<backend type='emulator' version='1.2'/>"),
        "clones have 2.0",
    );
    says(
        &tpm("<backend type='passthrough'><device path='/dev/tpm0'/></backend>"),
        "the host's own (`passthrough`)",
    );
}

#[test]
fn cards_are_known_by_their_models_and_places() {
    let nics = "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>\
        <interface type='direct'><mac address='52:54:00:00:00:02'/><source dev='eno1' mode='bridge'/><model type='e1000'/></interface>\
        <interface type='user'><model type='ne2k_pci'/></interface>\
        <interface type='hostdev'><mac address='01:00:5e:00:00:01'/><source><address type='pci'/></source></interface>\
        <interface type='ethernet'><mac address='not a mac'/><model type='vmxnet3'/><address type='pci' bus='0x100'/></interface>";
    let domain = taken(&domain("", "", nics));
    let models: Vec<_> = domain
        .nics
        .iter()
        .map(|nic| (nic.model, nic.mac.as_deref()))
        .collect();
    assert_eq!(
        models,
        [
            (Some(NicModel::Rtl8139), Some("52:54:00:00:00:01")),
            (Some(NicModel::E1000), Some("52:54:00:00:00:02")),
            (Some(NicModel::Virtio), None),
            // A group's address is no card's.
            (Some(NicModel::Virtio), None),
            (Some(NicModel::Vmxnet3), None),
        ]
    );
    assert!(domain.nics.iter().all(|nic| nic.slot.is_none()));
    assert_eq!(domain.hardware.nic, Some(NicModel::Rtl8139));
    says(&domain, "network `default`");
    says(&domain, "direct `eno1`");
    says(&domain, "`ne2k_pci`");
    says(&domain, "a device of the host's");
}
