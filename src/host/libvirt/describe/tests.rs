//! The XML of VMs, whatever their hardware.

use crate::host::libvirt::describe::places::Places;
use crate::host::libvirt::describe::sample::{flash, spec, told, with};
use crate::host::libvirt::describe::whole::describe;
use crate::host::libvirt::xml::read_mark;
use crate::model::hardware::{Clock, DiskBus, Firmware, Hardware, Machine, NicModel, Video};
use crate::port::{Nic, Nvram, Power, VmSpec};

fn places(disk: &str, folder: &str) -> Places {
    Places {
        disks: vec![disk.into()],
        folder: folder.into(),
        flash: None,
    }
}

#[test]
fn a_tcg_node_on_its_arms_network() {
    let xml = describe(&spec(false, Some("pg-net")), &places("/p/web.qcow2", "/p"), true).render();
    insta::assert_snapshot!(xml, @r#"
    <domain type="qemu">
      <name>pg-7c1f-1-web</name>
      <metadata>
        <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" cell="R&amp;D/debian-12" arm="control" role="web" dir="/srv/lab/runs/1"/>
      </metadata>
      <memory unit="MiB">512</memory>
      <vcpu>1</vcpu>
      <os>
        <type arch="x86_64" machine="q35">hvm</type>
      </os>
      <features>
        <acpi/>
        <apic/>
        <tcg>
          <tb-cache unit="MiB">256</tb-cache>
        </tcg>
      </features>
      <cpu mode="custom" match="exact">
        <model fallback="forbid">qemu64</model>
      </cpu>
      <clock offset="utc"/>
      <on_poweroff>destroy</on_poweroff>
      <on_reboot>restart</on_reboot>
      <on_crash>destroy</on_crash>
      <devices>
        <disk type="file" device="disk">
          <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
          <source file="/p/web.qcow2"/>
          <target dev="vda" bus="virtio"/>
          <boot order="1"/>
        </disk>
        <controller type="usb" model="none"/>
        <interface type="network">
          <source network="pg-net"/>
          <mac address="52:54:00:01:02:03"/>
          <model type="virtio"/>
          <rom enabled="no"/>
          <port isolated="yes"/>
          <filterref filter="pg-filter">
            <parameter name="IP" value="10.213.1.34"/>
          </filterref>
        </interface>
        <serial type="pty">
          <log file="/p/pg-7c1f-1-web.console" append="off"/>
          <target port="0"/>
        </serial>
        <channel type="unix">
          <target type="virtio" name="org.qemu.guest_agent.0"/>
        </channel>
        <video>
          <model type="vga"/>
        </video>
        <rng model="virtio">
          <backend model="random">/dev/urandom</backend>
        </rng>
        <memballoon model="none"/>
      </devices>
    </domain>
    "#);
}

#[test]
fn a_kvm_node_on_the_user_network() {
    let xml = describe(&spec(true, None), &places("/p/a&b.qcow2", "/p"), true).render();
    for part in [
        "<domain type=\"kvm\">",
        "<cpu mode=\"host-passthrough\"/>",
        "<interface type=\"user\">",
        "<source file=\"/p/a&amp;b.qcow2\"/>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    assert!(!xml.contains("tcg") && !xml.contains("filterref"), "{xml}");
}

#[test]
fn memory_that_is_saved_is_written_by_one_and_shared_by_all_others() {
    let commandline = |power| {
        let xml = describe(
            &VmSpec {
                power,
                ..spec(false, None)
            },
            &places("/p/d", "/p,q"),
            true,
        )
        .render();
        let from = xml.find("  <qemu:commandline>").expect("a command line");
        assert!(xml.contains("xmlns:qemu="), "{xml}");
        xml[from..].to_owned()
    };
    let ram = || "w.ram".parse().expect("a name");
    insta::assert_snapshot!(commandline(Power::Savable { ram: ram() }), @r#"
      <qemu:commandline>
        <qemu:arg value="-object"/>
        <qemu:arg value="{&quot;id&quot;:&quot;patchgate-ram&quot;,&quot;mem-path&quot;:&quot;/p,q/w.ram&quot;,&quot;qom-type&quot;:&quot;memory-backend-file&quot;,&quot;share&quot;:true,&quot;size&quot;:536870912}"/>
        <qemu:arg value="-machine"/>
        <qemu:arg value="memory-backend=patchgate-ram"/>
      </qemu:commandline>
    </domain>
    "#);
    insta::assert_snapshot!(commandline(Power::Saved { ram: ram(), state: "w.state".parse().expect("a name") }), @r#"
      <qemu:commandline>
        <qemu:arg value="-object"/>
        <qemu:arg value="{&quot;id&quot;:&quot;patchgate-ram&quot;,&quot;mem-path&quot;:&quot;/p,q/w.ram&quot;,&quot;qom-type&quot;:&quot;memory-backend-file&quot;,&quot;readonly&quot;:true,&quot;rom&quot;:&quot;off&quot;,&quot;share&quot;:false,&quot;size&quot;:536870912}"/>
        <qemu:arg value="-machine"/>
        <qemu:arg value="memory-backend=patchgate-ram"/>
        <qemu:arg value="-incoming"/>
        <qemu:arg value="defer"/>
      </qemu:commandline>
    </domain>
    "#);
}

#[test]
fn an_old_libvirt_gets_no_translation_cache_and_the_mark_is_read_back() {
    let xml = describe(&spec(false, None), &places("/p/d", "/p"), false).render();
    assert!(!xml.contains("tb-cache"), "{xml}");
    let mark = read_mark(&xml).expect("a mark");
    assert_eq!(
        (mark.cell.as_deref(), mark.role.as_deref()),
        (Some("R&D/debian-12"), Some("web"))
    );
}

#[test]
fn a_uefi_node_has_variables_of_its_own() {
    let mut uefi = spec(false, None);
    uefi.hardware.firmware = Firmware::Uefi;
    uefi.nvram = Some(Nvram {
        volume: "web.fd".parse().expect("a name"),
        template: None,
    });
    let xml = told(&uefi, Some(flash(false)));
    let os = &xml[xml.find("  <os>").expect("os")..xml.find("  <cpu").expect("cpu")];
    insta::assert_snapshot!(os, @r#"
    <os>
      <type arch="x86_64" machine="q35">hvm</type>
      <loader readonly="yes" secure="no" type="pflash">/o/CODE.fd</loader>
      <nvram template="/o/VARS.fd">/p/web.fd</nvram>
    </os>
    <features>
      <acpi/>
      <apic/>
      <tcg>
        <tb-cache unit="MiB">256</tb-cache>
      </tcg>
    </features>
    "#);
}

#[test]
fn a_windows_node_under_kvm() {
    let mut windows = with(Machine::Q35, &[DiskBus::Sata]);
    windows.kvm = true;
    windows.hardware = Hardware {
        firmware: Firmware::UefiSecure,
        cpu: Some("max".into()),
        tpm: true,
        clock: Clock::Localtime,
        hyperv: true,
        disk_bus: DiskBus::Sata,
        nic: NicModel::E1000e,
        ..Hardware::default()
    };
    windows.nics[0].model = NicModel::E1000e;
    insta::assert_snapshot!(told(&windows, Some(flash(true))), @r#"
    <domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
      <name>pg-7c1f-1-web</name>
      <metadata>
        <patchgate:run xmlns:patchgate="https://patchgate.dev/libvirt/1" id="20261123-140912-7c1f" cell="R&amp;D/debian-12" arm="control" role="web" dir="/srv/lab/runs/1"/>
      </metadata>
      <memory unit="MiB">512</memory>
      <vcpu>1</vcpu>
      <os>
        <type arch="x86_64" machine="q35">hvm</type>
        <loader readonly="yes" secure="yes" type="pflash">/o/CODE.ms.fd</loader>
        <nvram template="/o/VARS.ms.fd">/p/web.fd</nvram>
      </os>
      <features>
        <acpi/>
        <apic/>
        <smm state="on"/>
        <hyperv mode="custom">
          <relaxed state="on"/>
          <vapic state="on"/>
          <vpindex state="on"/>
          <synic state="on"/>
          <stimer state="on"/>
          <frequencies state="on"/>
          <spinlocks state="on" retries="8191"/>
        </hyperv>
      </features>
      <cpu mode="maximum"/>
      <clock offset="localtime">
        <timer name="rtc" tickpolicy="catchup"/>
        <timer name="pit" tickpolicy="delay"/>
        <timer name="hpet" present="no"/>
        <timer name="hypervclock" present="yes"/>
      </clock>
      <on_poweroff>destroy</on_poweroff>
      <on_reboot>restart</on_reboot>
      <on_crash>destroy</on_crash>
      <devices>
        <disk type="file" device="disk">
          <driver name="qemu" type="qcow2" cache="unsafe" discard="unmap"/>
          <source file="/p/0"/>
          <target dev="sda" bus="sata"/>
          <serial>S0</serial>
          <boot order="1"/>
          <alias name="ua-disk0"/>
        </disk>
        <controller type="usb" model="none"/>
        <interface type="user">
          <mac address="52:54:00:01:02:03"/>
          <model type="e1000e"/>
          <rom enabled="no"/>
        </interface>
        <serial type="pty">
          <log file="/p/pg-7c1f-1-web.console" append="off"/>
          <target port="0"/>
        </serial>
        <channel type="unix">
          <target type="virtio" name="org.qemu.guest_agent.0"/>
        </channel>
        <tpm model="tpm-crb">
          <backend type="emulator" version="2.0"/>
        </tpm>
        <video>
          <model type="vga"/>
        </video>
        <rng model="virtio">
          <backend model="random">/dev/urandom</backend>
        </rng>
        <memballoon model="none"/>
      </devices>
      <qemu:override>
        <qemu:device alias="ua-disk0">
          <qemu:frontend>
            <qemu:property name="wwn" type="unsigned" value="5764824129537754064"/>
          </qemu:frontend>
        </qemu:device>
      </qemu:override>
    </domain>
    "#);
}

#[test]
fn what_kvm_alone_has_is_not_asked_of_an_emulator() {
    let mut emulated = spec(false, None);
    emulated.hardware.hyperv = true;
    let xml = told(&emulated, None);
    assert!(!xml.contains("hyperv") && !xml.contains("timer"), "{xml}");
}

#[test]
fn cards_have_their_model_and_keep_their_place_on_the_bus() {
    let mut cards = spec(false, None);
    let of = |model, slot: &str| Nic {
        model,
        slot: Some(slot.into()),
        ..spec(false, None).nics[0].clone()
    };
    cards.nics = vec![
        of(NicModel::Virtio, "0000:01:00.0"),
        of(NicModel::E1000, "0000:07:01.0"),
        of(NicModel::Vmxnet3, "0000:0b:00.0"),
        of(NicModel::Rtl8139, "somewhere"),
    ];
    let xml = told(&cards, None);
    let from = xml.find("    <controller type=\"pci\"").expect("a port");
    insta::assert_snapshot!(&xml[from..xml.find("    <serial").expect("a console")], @r#"
    <controller type="pci" index="1" model="pcie-root-port"/>
    <controller type="pci" index="2" model="pcie-root-port"/>
    <controller type="pci" index="3" model="pcie-root-port"/>
    <controller type="pci" index="4" model="pcie-root-port"/>
    <controller type="pci" index="5" model="pcie-root-port"/>
    <controller type="pci" index="6" model="pcie-root-port"/>
    <controller type="pci" index="7" model="pcie-root-port"/>
    <controller type="pci" index="8" model="pcie-root-port"/>
    <controller type="pci" index="9" model="pcie-root-port"/>
    <controller type="pci" index="10" model="pcie-root-port"/>
    <controller type="pci" index="11" model="pcie-root-port"/>
    <interface type="user">
      <mac address="52:54:00:01:02:03"/>
      <model type="virtio"/>
      <rom enabled="no"/>
      <address type="pci" domain="0x0000" bus="0x01" slot="0x00" function="0x0"/>
    </interface>
    <interface type="user">
      <mac address="52:54:00:01:02:03"/>
      <model type="e1000"/>
      <rom enabled="no"/>
      <address type="pci" domain="0x0000" bus="0x07" slot="0x01" function="0x0"/>
    </interface>
    <interface type="user">
      <mac address="52:54:00:01:02:03"/>
      <model type="vmxnet3"/>
      <rom enabled="no"/>
      <address type="pci" domain="0x0000" bus="0x0b" slot="0x00" function="0x0"/>
    </interface>
    <interface type="user">
      <mac address="52:54:00:01:02:03"/>
      <model type="rtl8139"/>
      <rom enabled="no"/>
    </interface>
    "#);
    cards.hardware.machine = Machine::Pc;
    assert!(!told(&cards, None).contains("pcie-root-port"));
}

#[test]
fn a_screen_is_what_is_asked_for() {
    let of = |video| {
        let mut node = spec(false, None);
        node.hardware.video = video;
        told(&node, None)
    };
    assert!(of(Video::Virtio).contains("<model type=\"virtio\"/>\n    </video>"));
    assert!(!of(Video::None).contains("<video"));
}
